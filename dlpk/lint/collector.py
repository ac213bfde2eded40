"""Gathers findings about files of a package, by rule."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Final

from schemas.emd.rules import Rule
from schemas.findings import Finding, Report

from .source import Source

__all__ = ["Collector", "halves"]

EXAMPLES: Final = 20
"""A rule that is broken in a thousand places is shown with this many, then counted."""


class Collector:
    """The findings so far.

    Parameters
    ----------
    rules : mapping
        Rule id to rule: the table that gives each finding its severity.
    """

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self._rules = rules
        self._findings: list[Finding] = []
        self._seen: set[tuple[str, str, int | None, int | None, str]] = set()

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
        key = (rule, file, line, column, message)
        if key in self._seen:
            return
        self._seen.add(key)
        severity = self._rules[rule].severity
        self._findings.append(Finding(severity, rule, message, remedy, file, pointer, line, column))

    def at(self, source: Source, node: ast.AST, rule: str, message: str, remedy: str) -> None:
        """Note that a rule is broken at a node of a Python file."""
        line, column = source.place(node)
        self.add(rule, message, remedy, source.name, line, column)

    def note(self, finding: Finding) -> None:
        """Take a finding that was made elsewhere."""
        self._findings.append(finding)

    def broke(self, rule: str) -> bool:
        """Tell whether a rule was broken so far."""
        return any(finding.rule == rule for finding in self._findings)

    def report(self) -> Report:
        """Return the findings file by file, in the order of the text."""
        files = {finding.file: None for finding in self._findings}
        order = {file: index for index, file in enumerate(files)}
        ordered = sorted(
            self._findings,
            key=lambda f: (order[f.file], f.line or 0, f.column or 0, f.rule, f.message),
        )
        shown: list[Finding] = []
        counts: dict[str, int] = {}
        severities = {finding.rule: finding.severity for finding in ordered}
        for finding in ordered:
            count = counts[finding.rule] = counts.get(finding.rule, 0) + 1
            if count <= EXAMPLES:
                shown.append(finding)
        for rule, count in sorted(counts.items()):
            if count > EXAMPLES:
                more = f"{count - EXAMPLES} more places break this rule"
                remedy = "Mend those above first, then validate again."
                shown.append(Finding(severities[rule], rule, more, remedy))
        return Report(tuple(shown))


def halves(error: Exception, remedy: str) -> tuple[str, str]:
    """Split what an error says into what is wrong and what to do about it.

    Parameters
    ----------
    error : Exception
        Its text begins with what is wrong, as one sentence.
    remedy : str
        What to do if the text says no more.
    """
    message, _, rest = str(error).partition(". ")
    return message.rstrip("."), rest or remedy
