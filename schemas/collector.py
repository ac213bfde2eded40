"""Collects findings about one JSON file and gives each its place."""

from __future__ import annotations

import json
from typing import Any

from .emd.rules import RULES
from .findings import Collector as FindingCollector
from .json_text import JsonText
from .positions import escape

SHOWN = 60
"""Longest value that a message quotes, in characters."""


class Collector:
    """The findings so far.

    Parameters
    ----------
    file : str
        Name of the file, as it should stand in the report.
    document : JsonText
        What was read from it.
    """

    def __init__(self, file: str, document: JsonText) -> None:
        self._findings = FindingCollector(RULES, file)
        self._positions = document.positions
        self._settled: set[str] = set()
        self.report = self._findings.report

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
        line, column = self._place(pointer, at_key, offset)
        self._findings.add(rule, message, remedy, line=line, column=column, pointer=pointer)

    def _place(self, pointer: str, at_key: bool, offset: int | None) -> tuple[int, int]:
        if offset is not None:
            return self._positions.lines.place(offset)
        if at_key:
            try:
                return self._positions.key(pointer)
            except KeyError:
                pass
        return self._positions.nearest(pointer)


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
