"""One sample per failure mode of functions, arguments, imports, versions and weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlpk.validation.rules import RULES
from dlpk.validation.validate import validate
from tests.support.functions_text import CASES, SAMPLES, write_case

GROUPS = {name.partition("/")[0] for name in CASES}

# Too large for a file, or a matter of packages of our own; tested elsewhere.
WITHOUT_SAMPLE = {
    "function/not-read",
    "weights/not-compared",
    "weights/other-network",
    # tests/attacks/malicious_weights.py has these.
    "weights/model-code",
}


def test_clean_function_has_no_findings() -> None:
    report = validate(SAMPLES / "clean" / "classifier")
    assert not report.findings, report.to_text()


@pytest.mark.parametrize("name", CASES)
def test_sample_breaks_exactly_the_expected_rules(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    folder = write_case(name, tmp_path / "Model")
    report = validate(folder)
    assert sorted({finding.rule for finding in report}) == case["rules"], report.to_text()
    for rule, place in case["at"].items():
        assert place in [[f.file, f.line, f.column] for f in report if f.rule == rule]
    assert not list(folder.rglob("i-was-run"))
    assert not list(folder.rglob("__pycache__"))
    for finding in report:
        assert finding.severity is RULES[finding.rule].severity
        assert finding.file
        assert finding.message
        assert not finding.message.endswith(".")
        assert finding.remedy.endswith(".")
        assert "\n" not in finding.message + finding.remedy
        if finding.file.endswith((".py", ".emd")):
            assert finding.line is not None
            assert finding.column is not None


def test_the_first_rule_of_each_sample_is_in_its_name() -> None:
    for name, case in CASES.items():
        fits = any(name.startswith(rule) for rule in case["rules"])
        assert fits or name == "function/reference-case"
        assert case["about"].endswith(".")


def test_every_rule_has_a_sample() -> None:
    covered = {rule for case in CASES.values() for rule in case["rules"]}
    rules = {rule for rule in RULES if rule.partition("/")[0] in GROUPS}
    assert rules - covered == WITHOUT_SAMPLE
