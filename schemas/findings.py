"""What validation reports: findings with a severity, a place, a reason and a remedy."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

EXAMPLES_PER_RULE = 20
"""A rule that is broken in ten thousand places is shown with this many, then counted."""


class Severity(str, Enum):
    """How much a finding matters to somebody who runs the package in ArcGIS."""

    ERROR = "error"
    """ArcGIS will refuse the package or crash on it."""
    WARNING = "warning"
    """It will misbehave somewhere: on another machine, version, raster or function."""
    NOTE = "note"
    """Worth knowing; nothing has to change."""

    def __str__(self) -> str:
        """Return the bare word, on every Python version."""
        return str(self.value)


class Rule(NamedTuple):
    """Why something is worth a word.

    Parameters
    ----------
    severity : Severity
        How much it matters.
    reason : str
        One line: what goes wrong.
    source : str
        Where that is known from, or that it is this project's choice.
    """

    severity: Severity
    reason: str
    source: str


def read_rules(module: str) -> dict[str, Rule]:
    """Read the table of rules that stands beside a module.

    Parameters
    ----------
    module : str
        Its ``__file__``; `rules.json` in that folder maps names to severity, reason and source.
    """
    table: dict[str, list[str]] = json.loads(
        Path(module).with_name("rules.json").read_text("utf-8")
    )
    return {name: Rule(Severity(entry[0]), *entry[1:]) for name, entry in table.items()}


@dataclass(frozen=True)
class Finding:
    """One thing that validation has to say.

    Parameters
    ----------
    severity : Severity
        How much it matters.
    rule : str
        Stable kebab-case identifier of the rule, such as ``emd/not-json``.
    message : str
        What is wrong, in one sentence.
    remedy : str
        How to mend it, in one sentence.
    file : str
        Name of the file it was found in; empty if there is none.
    pointer : str
        JSON pointer (RFC 6901) of the value in that file; empty for the whole document.
    line, column : int or None
        Place in the file, both counted from 1, columns in characters; None where there is none.
    """

    severity: Severity
    rule: str
    message: str
    remedy: str = ""
    file: str = ""
    pointer: str = ""
    line: int | None = None
    column: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as JSON-ready values, every key always present."""
        return {
            "severity": self.severity.value,
            "rule": self.rule,
            "message": self.message,
            "remedy": self.remedy,
            "file": self.file,
            "pointer": self.pointer,
            "line": self.line,
            "column": self.column,
        }

    def to_text(self) -> str:
        """Return the finding as a compiler would print it, with the remedy on an indented line."""
        place = [self.file or "<input>"]
        if self.line is not None:
            place.append(str(self.line))
            if self.column is not None:
                place.append(str(self.column))
        head = f"{':'.join(place)}: {self.severity}: {self.message} [{self.rule}]"
        lines = [printable(head)]
        if self.remedy:
            lines.append("    " + printable(self.remedy))
        return "\n".join(lines)


@dataclass(frozen=True)
class Report:
    """All findings of a validation, in the order in which they should be read.

    Parameters
    ----------
    findings : tuple of Finding
        Never only the first one.
    """

    findings: tuple[Finding, ...] = ()

    @classmethod
    def of(cls, findings: Iterable[Finding]) -> Report:
        """Build a report from any iterable of findings."""
        return cls(tuple(findings))

    @property
    def ok(self) -> bool:
        """Whether there is no error (warnings and notes may be there)."""
        return not self.errors

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that make ArcGIS refuse or crash."""
        return self._with(Severity.ERROR)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings that make it misbehave somewhere."""
        return self._with(Severity.WARNING)

    @property
    def notes(self) -> tuple[Finding, ...]:
        """The findings that are worth knowing."""
        return self._with(Severity.NOTE)

    def _with(self, severity: Severity) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity is severity)

    def __add__(self, other: Report) -> Report:
        """Return a report with the findings of both, these first."""
        if not isinstance(other, Report):
            return NotImplemented
        return Report(self.findings + other.findings)

    def __iter__(self) -> Iterator[Finding]:
        """Iterate over the findings."""
        return iter(self.findings)

    def __len__(self) -> int:
        """Return the number of findings."""
        return len(self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-ready values.

        Returns
        -------
        dict
            ``ok`` (bool), ``errors``, ``warnings``, ``notes`` (counts) and ``findings`` (list of
            what `Finding.to_dict` returns).
        """
        return {
            "ok": self.ok,
            "errors": len(self.errors),
            "warnings": len(self.warnings),
            "notes": len(self.notes),
            "findings": [finding.to_dict() for finding in self.findings],
        }

    def to_text(self) -> str:
        """Return the report as a compiler would print it, with a line of counts at the end."""
        counts = ", ".join(
            _count(len(findings), noun)
            for findings, noun in (
                (self.errors, "error"),
                (self.warnings, "warning"),
                (self.notes, "note"),
            )
        )
        return "\n".join([*(finding.to_text() for finding in self.findings), counts])


class Collector:
    """Gathers findings: a table of rules goes in, an ordered `Report` of bounded length comes out.

    Parameters
    ----------
    rules : mapping
        Rule id to rule: gives each finding its severity.
    file : str
        Where findings are that name no file of their own.
    """

    def __init__(self, rules: Mapping[str, Rule], file: str = "") -> None:
        self.file = file
        self._rules = rules
        self._findings: dict[Finding, None] = {}
        self._counts: dict[str, int] = {}

    def add(
        self,
        rule: str,
        message: str,
        remedy: str,
        file: str = "",
        line: int | None = None,
        column: int | None = None,
        *,
        pointer: str = "",
    ) -> None:
        """Note that a rule is broken at a place; the same is noted once only."""
        severity = self._rules[rule].severity
        file = file or self.file
        self.note(Finding(severity, rule, message, remedy, file, pointer, line, column))

    def note(self, finding: Finding) -> None:
        """Take a finding that was made elsewhere."""
        if finding in self._findings:
            return
        count = self._counts[finding.rule] = self._counts.get(finding.rule, 0) + 1
        if count <= EXAMPLES_PER_RULE:
            self._findings[finding] = None

    def broke(self, *rules: str) -> bool:
        """Tell whether any of these rules was broken so far."""
        return any(rule in self._counts for rule in rules)

    @property
    def has_errors(self) -> bool:
        """Whether any rule of severity error was broken so far."""
        return any(finding.severity is Severity.ERROR for finding in self._findings)

    def report(self) -> Report:
        """Return the findings file by file, in the order of the text."""
        order = {file: i for i, file in enumerate(dict.fromkeys(f.file for f in self._findings))}
        found = sorted(self._findings, key=lambda f: (order[f.file], f.line or 0, f.column or 0))
        severities = {finding.rule: finding.severity for finding in found}
        for rule, count in self._counts.items():
            if count > EXAMPLES_PER_RULE:
                more = f"{count - EXAMPLES_PER_RULE} more places break this rule"
                remedy = "Mend those above first, then validate again."
                found.append(Finding(severities[rule], rule, more, remedy, self.file))
        return Report(tuple(found))


def printable(text: str) -> str:
    r"""Return the text with what could disturb a terminal or an encoder written as escapes.

    Texts under test are quoted in messages, and they may be hostile: control characters (a
    terminal would obey them), marks that reverse the direction of writing, halves of surrogate
    pairs (which no UTF-8 stream takes).

    Examples
    --------
    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    return "".join(char if _harmless(char) else _escaped(char) for char in text)


def _harmless(char: str) -> bool:
    # Cc control, Cf format (direction marks, zero width), Cs surrogate, Co/Cn nothing to draw,
    # Zl/Zp line and paragraph separators.
    return unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
