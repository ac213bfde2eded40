"""Collects findings about one JSON file and gives each its place."""

from __future__ import annotations

import json
from typing import Any

from .emd.rules import RULES
from .findings import Finding, Report
from .json_document import escape
from .positions import Lines, Positions

__all__ = ["Collector", "child", "quoted"]

FINDINGS_PER_RULE = 25
"""A rule that a thousand classes break is shown with this many, then counted."""

SHOWN = 60
"""Longest value that a message quotes, in characters."""


class Collector:
    """The findings so far.

    Parameters
    ----------
    file : str
        Name of the file, as it should stand in the report.
    lines : Lines
        Line starts of its text.
    positions : Positions or None
        Places of its values; None if none could be read.
    """

    def __init__(self, file: str, lines: Lines, positions: Positions | None = None) -> None:
        self._file = file
        self._lines = lines
        self._positions = positions
        self._findings: list[Finding] = []
        self._counts: dict[str, int] = {}
        self._settled: set[str] = set()

    def settle(self, pointer: str) -> None:
        """Have nothing more said about a value: what is wrong with it has been said."""
        self._settled.add(pointer)

    def add(
        self,
        rule: str,
        message: str,
        remedy: str,
        pointer: str = "",
        *,
        subject: str | None = None,
        at_key: bool = False,
        offset: int | None = None,
    ) -> None:
        """Note a finding.

        Parameters
        ----------
        rule : str
            Its id in the table of rules, which gives the severity.
        message, remedy : str
            What is wrong and how to mend it.
        pointer : str
            JSON pointer of the value that the place is taken from.
        subject : str or None
            JSON pointer of what the finding is about if that is not there (a missing key); nothing
            is noted if that is settled.
        at_key : bool
            Take the place of the value's key instead.
        offset : int or None
            The place, if it is not that of a value.
        """
        if (pointer if subject is None else subject) in self._settled:
            return
        self._counts[rule] = self._counts.get(rule, 0) + 1
        if self._counts[rule] > FINDINGS_PER_RULE:
            return
        line, column = self._place(pointer, at_key, offset)
        self._findings.append(
            Finding(RULES[rule].severity, rule, message, remedy, self._file, pointer, line, column)
        )

    def line_of(self, offset: int) -> int:
        """Return the line, from 1, of a 0-based offset."""
        return self._lines.place(offset)[0]

    def _place(
        self, pointer: str, at_key: bool, offset: int | None
    ) -> tuple[int, int] | tuple[None, None]:
        if offset is not None:
            return self._lines.place(offset)
        if self._positions is None:
            return None, None
        if at_key:
            try:
                return self._positions.key(pointer)
            except KeyError:
                pass
        return self._positions.nearest(pointer)

    def report(self) -> Report:
        """Return the findings in the order of the file."""
        ordered = sorted(self._findings, key=lambda f: (f.line or 0, f.column or 0))
        for rule, count in sorted(self._counts.items()):
            if count > FINDINGS_PER_RULE:
                ordered.append(
                    Finding(
                        RULES[rule].severity,
                        rule,
                        f"{count - FINDINGS_PER_RULE} more places break this rule",
                        "Mend those above first, then validate again.",
                        self._file,
                    )
                )
        return Report(tuple(ordered))


def child(pointer: str, *tokens: str | int) -> str:
    """Return the JSON pointer of what stands under keys or indexes of a value."""
    return pointer + "".join("/" + escape(token) for token in tokens)


def quoted(value: Any) -> str:
    """Return a value as it stands in JSON, shortened; objects and arrays only by their kind."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    text = json.dumps(value[: SHOWN + 1] if isinstance(value, str) else value, ensure_ascii=False)
    return (
        text if len(text) <= SHOWN else text[: SHOWN - 4] + "..." + ('"' if text[0] == '"' else "")
    )
