"""One folder per failure mode: the rules that an EMD breaks, and where."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from schemas import RULES, Severity, validate_emd

SAMPLES = Path(__file__).parent.parent / "samples" / "emd"
FOLDERS = sorted(path.name for path in SAMPLES.iterdir())

# Too large for a file in the repository; tested with the limits.
WITHOUT_SAMPLE = {"emd/too-large"}


def read(name):
    expected = json.loads((SAMPLES / name / "expected.json").read_text("utf-8"))
    source = (SAMPLES / name / "Model.emd").read_bytes()
    return expected, validate_emd(source, file="Model.emd", profile=expected["profile"])


@pytest.mark.parametrize("name", FOLDERS)
def test_sample_breaks_exactly_the_expected_rules(name):
    expected, report = read(name)
    assert sorted({finding.rule for finding in report}) == expected["rules"], report.to_text()


@pytest.mark.parametrize("name", FOLDERS)
def test_findings_stand_where_the_mistake_is(name):
    expected, report = read(name)
    for rule, place in expected["at"].items():
        places = [[finding.line, finding.column] for finding in report if finding.rule == rule]
        assert place in places, report.to_text()


@pytest.mark.parametrize("name", FOLDERS)
def test_every_finding_is_complete(name):
    _, report = read(name)
    for finding in report:
        assert finding.severity is RULES[finding.rule].severity
        assert finding.file == "Model.emd"
        assert finding.line is not None
        assert finding.column is not None
        assert finding.message
        assert finding.remedy.endswith((".", "}"))
        assert len(finding.message) < 400


def test_every_rule_for_definitions_has_a_sample():
    covered = set()
    for name in FOLDERS:
        covered.update(read(name)[0]["rules"])
    rules = {rule for rule in RULES if rule.startswith("emd/")}
    assert covered == rules - WITHOUT_SAMPLE


def test_rules_are_documented():
    for rule, (severity, reason, source) in RULES.items():
        assert re.fullmatch(r"(emd|manifest|golden)/[a-z0-9]+(-[a-z0-9]+)*", rule)
        assert isinstance(severity, Severity)
        assert reason.endswith(".")
        assert "\n" not in reason
        assert source
