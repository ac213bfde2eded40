"""One case per failure mode: the rules that an EMD breaks, and where.

`cases.json` holds what is replaced in a good definition, which rules that breaks, and at which line
and column.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from schemas import RULES, Severity, validate_emd

SAMPLES = Path(__file__).parent.parent / "samples" / "emd"
CASES = {case["case"]: case for case in json.loads((SAMPLES / "cases.json").read_text("utf-8"))}

# Too large for a file in the repository; tested with the limits.
WITHOUT_SAMPLE = {"emd/too-large"}


def source_of(case):
    text = (SAMPLES / f"{case.get('base', 'clean')}.emd").read_text("utf-8")
    for old, new in case.get("replace", []):
        assert text.count(old) == 1
        text = text.replace(old, new)
    text = case.get("text", text).replace("\n", case.get("newline", "\n"))
    return text.encode(case.get("encoding", "utf-8"))


@pytest.mark.parametrize("name", CASES)
def test_a_sample_breaks_exactly_the_expected_rules_where_the_mistake_is(name):
    case = CASES[name]
    profile = "package" if case.get("base") == "package" else "general"
    report = validate_emd(source_of(case), file="Model.emd", profile=profile)
    assert sorted({finding.rule for finding in report}) == case["rules"], report.to_text()
    for rule, place in case.get("at", {}).items():
        places = [[finding.line, finding.column] for finding in report if finding.rule == rule]
        assert place in places, report.to_text()
    for finding in report:
        assert finding.severity is RULES[finding.rule].severity
        assert finding.file == "Model.emd"
        assert finding.message and len(finding.message) < 400
        assert finding.remedy.endswith((".", "}"))


def test_every_rule_for_definitions_has_a_sample():
    covered = {rule for case in CASES.values() for rule in case["rules"]}
    assert covered == {rule for rule in RULES if rule.startswith("emd/")} - WITHOUT_SAMPLE


def test_rules_are_documented():
    for rule, (severity, reason, source) in RULES.items():
        assert re.fullmatch(r"(emd|manifest|golden)/[a-z0-9]+(-[a-z0-9]+)*", rule)
        assert isinstance(severity, Severity)
        assert reason.endswith(".")
        assert "\n" not in reason
        assert source
