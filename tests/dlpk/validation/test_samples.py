"""One folder per failure mode of functions, arguments, imports, versions and weights."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from dlpk.validation.rules import RULES
from dlpk.validation.validate import validate
from schemas.findings import Report

SAMPLES = Path(__file__).parent.parent.parent / "samples"
GROUPS = ("function", "arguments", "imports", "versions", "weights")
CASES = sorted(
    f"{group}/{folder.name}" for group in GROUPS for folder in (SAMPLES / group).iterdir()
)

# Too large for a file, or a matter of packages of our own; tested elsewhere.
WITHOUT_SAMPLE = {"function/not-read", "weights/other-network"}


def judged(case: str) -> tuple[dict[str, Any], Report]:
    expected = json.loads((SAMPLES / case / "expected.json").read_text("utf-8"))
    if sys.version_info >= tuple(expected.get("before_python", (4,))):
        pytest.skip("a newer Python reads the file")
    return expected, validate(SAMPLES / case)


def test_clean_function_has_no_findings() -> None:
    report = validate(SAMPLES / "clean" / "classifier")
    assert not report.findings, report.to_text()


@pytest.mark.parametrize("case", CASES)
def test_sample_breaks_exactly_the_expected_rules(case: str) -> None:
    expected, report = judged(case)
    assert sorted({finding.rule for finding in report}) == expected["rules"], report.to_text()


@pytest.mark.parametrize("case", CASES)
def test_findings_stand_where_the_mistake_is(case: str) -> None:
    expected, report = judged(case)
    for rule, place in expected["at"].items():
        places = [[f.file, f.line, f.column] for f in report if f.rule == rule]
        assert place in places, report.to_text()


@pytest.mark.parametrize("case", CASES)
def test_every_finding_is_complete(case: str) -> None:
    _, report = judged(case)
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
    for case in CASES:
        expected = json.loads((SAMPLES / case / "expected.json").read_text("utf-8"))
        assert any(case.startswith(rule) for rule in expected["rules"]) or (
            case == "function/reference-case"
        )
        assert expected["about"].endswith(".")


def test_every_rule_has_a_sample() -> None:
    covered: set[str] = set()
    for case in CASES:
        covered.update(json.loads((SAMPLES / case / "expected.json").read_text("utf-8"))["rules"])
    rules = {rule for rule in RULES if rule.partition("/")[0] in GROUPS}
    assert rules - covered == WITHOUT_SAMPLE


def test_nothing_in_the_samples_was_run() -> None:
    for case in CASES:
        validate(SAMPLES / case)
    assert not list(SAMPLES.rglob("i-was-run"))
    assert not Path("i-was-run").exists()
    assert not list(SAMPLES.rglob("__pycache__"))
