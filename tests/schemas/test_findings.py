"""Findings and reports: text like a compiler's, stable JSON, addition."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.findings import Finding, Report, Severity, printable

ERROR = Finding(
    Severity.ERROR,
    "emd/not-json",
    "not JSON: a comma is missing",
    "Write a comma.",
    "Model.emd",
    "",
    12,
    7,
)
WARNING = Finding(Severity.WARNING, "emd/padding", "Padding is -1", file="Model.emd", line=3)
NOTE = Finding(Severity.NOTE, "emd/batch-size-fixed", "BatchSize hides an argument")


def test_text_of_a_finding_reads_like_a_compiler():
    assert ERROR.to_text() == (
        "Model.emd:12:7: error: not JSON: a comma is missing [emd/not-json]\n    Write a comma."
    )


def test_text_without_place_and_file():
    assert WARNING.to_text() == "Model.emd:3: warning: Padding is -1 [emd/padding]"
    assert NOTE.to_text().startswith("<input>: note: ")


@pytest.mark.parametrize(
    ("findings", "last"),
    [
        ((), "0 errors, 0 warnings, 0 notes"),
        ((ERROR,), "1 error, 0 warnings, 0 notes"),
        ((ERROR, ERROR, WARNING, NOTE), "2 errors, 1 warning, 1 note"),
    ],
)
def test_report_ends_with_counts(findings, last):
    assert Report(findings).to_text().splitlines()[-1] == last


def test_report_sorts_by_severity_and_is_ok_without_errors():
    report = Report((NOTE, ERROR, WARNING))
    assert (report.errors, report.warnings, report.notes) == ((ERROR,), (WARNING,), (NOTE,))
    assert not report.ok
    assert Report((WARNING, NOTE)).ok
    assert Report().ok


def test_reports_add_up_in_order_and_iterate():
    both = Report((ERROR,)) + Report((NOTE, WARNING))
    assert list(both) == [ERROR, NOTE, WARNING]
    assert len(both) == 3
    assert Report.of(iter([NOTE])) == Report((NOTE,))
    with pytest.raises(TypeError):
        _ = Report() + [ERROR]  # noqa: RUF005


def test_dictionary_is_json_with_every_key():
    value = Report((ERROR, NOTE)).to_dict()
    assert json.loads(json.dumps(value)) == value
    assert value["ok"] is False
    assert (value["errors"], value["warnings"], value["notes"]) == (1, 0, 1)
    assert value["findings"][0] == {
        "severity": "error",
        "rule": "emd/not-json",
        "message": "not JSON: a comma is missing",
        "remedy": "Write a comma.",
        "file": "Model.emd",
        "pointer": "",
        "line": 12,
        "column": 7,
    }
    assert value["findings"][1]["line"] is None


def test_severity_is_its_word_in_texts_of_every_python():
    assert f"{Severity.ERROR}" == str(Severity.ERROR) == "error"
    assert Severity("note") is Severity.NOTE


@given(st.text(alphabet=st.characters()))
def test_printable_text_obeys_no_terminal_and_fits_any_stream(text):
    shown = printable(text)
    shown.encode("utf-8")
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in shown)
    assert "\u202e" not in shown


def test_printable_leaves_ordinary_text_alone():
    assert printable("Gräser / 草地 – 12°") == "Gräser / 草地 – 12°"


@given(st.text(alphabet=st.characters()), st.text(alphabet=st.characters()))
def test_a_finding_has_one_line_and_one_for_the_remedy(message, remedy):
    lines = Finding(Severity.NOTE, "a/b", message, remedy, message).to_text().split("\n")
    assert len(lines) == (2 if remedy else 1)
