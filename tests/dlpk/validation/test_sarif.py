"""SARIF logs: what code scanning services ask for, by the standard's own words."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from dlpk.validation.sarif import to_sarif
from dlpk.validation.validate import validate
from schemas.findings import Finding, Report, Severity
from tests.support.functions_text import write_case


def log(report: Report, source: str = "") -> dict[str, Any]:
    made = json.loads(json.dumps(to_sarif(report, source)))
    assert made["version"] == "2.1.0"
    (run,) = made["runs"]
    return dict(run)


def uri(finding: Finding, source: str) -> str:
    (result,) = log(Report((finding,)), source)["results"]
    assert bool(finding.pointer) == ("logicalLocations" in result["locations"][0])
    return str(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"])


def test_empty_report() -> None:
    run = log(Report())
    assert run["results"] == run["tool"]["driver"]["rules"] == []
    assert run["tool"]["driver"]["name"] == "dlpk"


@pytest.mark.parametrize("case", ["function/method-advised", "weights/damaged"])
def test_results_say_what_the_report_says(case: str, tmp_path: Path) -> None:
    folder = write_case(case, tmp_path / "Model")
    report = validate(folder)
    run = log(report, str(folder))
    names = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(names) == len(set(names)) == len({finding.rule for finding in report})
    rules = run["tool"]["driver"]["rules"]
    assert len(run["results"]) == len(report)
    for finding, result in zip(report, run["results"]):
        assert result["ruleId"] == rules[result["ruleIndex"]]["id"] == finding.rule
        assert result["level"] == finding.severity.value
        assert finding.message in result["message"]["text"]
        assert finding.remedy in result["message"]["text"]
        assert rules[result["ruleIndex"]]["defaultConfiguration"]["level"] == result["level"]
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"].endswith(finding.file)
        assert place.get("region", {}).get("startLine") == finding.line


FINDING = Finding(Severity.NOTE, "emd/non-ascii", "m", "r.", "Model.emd", "/Classes/0", 3, 4)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Lakes.dlpk", "Lakes.dlpk/Model.emd"),
        ("models/lakes", "models/lakes/Model.emd"),
        ("models/Model.emd", "models/Model.emd"),
        ("Model.emd", "Model.emd"),
        ("", "Model.emd"),
        ('{"ModelType": 1}', "Model.emd"),
        ("my models/Seen&Wälder", "my%20models/Seen%26W%C3%A4lder/Model.emd"),
    ],
)
def test_uris_are_relative_to_where_the_command_runs(source: str, expected: str) -> None:
    assert uri(FINDING, source).removeprefix("./") == expected


def test_findings_on_the_container_are_at_the_container() -> None:
    finding = Finding(Severity.ERROR, "container/not-a-zip", "m", "r.", "Lakes.dlpk")
    assert uri(finding, "out/Lakes.dlpk") == "out/Lakes.dlpk"


def test_hostile_texts_are_harmless() -> None:
    message = "bad \x1b[2J \udc80 \u202e name"
    finding = Finding(Severity.ERROR, "no/such-rule", message, "r.", "a\udc80b")
    made = json.dumps(to_sarif(Report((finding,)), "x"), ensure_ascii=False)
    assert not re.search("[\x00-\x08\x1b\udc80\u202e]", made)
    made.encode("utf-8")


def test_fingerprints_do_not_depend_on_the_line() -> None:
    moved = Finding(Severity.NOTE, "emd/non-ascii", "m", "r.", "Model.emd", "/Classes/0", 9, 9)
    results = log(Report((FINDING, moved)))["results"]
    assert results[0]["partialFingerprints"] == results[1]["partialFingerprints"]
