"""Read JSON text into values that know where they stand, going on after the usual mistakes.

Python's own reader stops at the first mistake, forgets where each value stood, lets the last of two
equal keys win without a word and gives up on deep nesting. Files edited by hand deserve better: all
mistakes at once, each with its place. The reader is one loop over the text without recursion, so no
input makes it overflow, and it takes time linear in the text's length.
"""

from __future__ import annotations

import re
from typing import Any

from .json_document import Container, Duplicate, JsonText, Mark, Mistake
from .json_tokens import Scanner, Stop

__all__ = ["read_json"]

MAX_MISTAKES = 50
"""Reading stops after this many: the rest follows from the ones before."""

_NOTHING_MISSING = re.compile(r"[\"'\u2018\u201c{\[\-+.0-9A-Za-z_]")


def read_json(
    text: str, *, max_depth: int | None = None, max_values: int | None = None
) -> JsonText:
    """Read JSON text, tolerantly, with the place of every value.

    Parameters
    ----------
    text : str
        The text, without a byte order mark.
    max_depth, max_values : int or None
        Stop when brackets nest deeper or values are more numerous; None for no limit.

    Returns
    -------
    JsonText
        Never raises for what the text contains.
    """
    return _Reader(text, max_depth, max_values).read()


class _Reader:
    """One pass over the text; `stack` replaces recursion."""

    def __init__(self, text: str, max_depth: int | None, max_values: int | None) -> None:
        self.result = JsonText()
        self.scanner = Scanner(text, self._mistake)
        self.max_depth = max_depth
        self.max_values = max_values
        self.values = 0
        self.stack: list[Container] = []
        self.duplicates: dict[tuple[int, str], Duplicate] = {}

    def _mistake(self, offset: int, message: str, remedy: str, complete: bool = True) -> None:
        result = self.result
        result.mistakes.append(Mistake(offset, message, remedy))
        result.complete &= complete
        if len(result.mistakes) >= MAX_MISTAKES:
            raise Stop

    def _fatal(self, offset: int, message: str, remedy: str) -> None:
        self._mistake(offset, message, remedy, complete=False)
        raise Stop

    def read(self) -> JsonText:
        try:
            self._document()
        except Stop:
            self.result.complete = False
        return self.result

    def _document(self) -> None:
        scanner, result = self.scanner, self.result
        scanner.skip()
        if scanner.at_end():
            self._fatal(
                0,
                "the file is empty" if not scanner.text.strip() else "the file holds no value",
                "Write a JSON object: { ... }.",
            )
        result.start = scanner.at
        self._value("")
        while self.stack:
            top = self.stack[-1]
            if isinstance(top.value, dict):
                self._in_object(top)
            else:
                self._in_array(top, top.value)
        scanner.skip()
        if not scanner.at_end():
            char = scanner.text[scanner.at]
            if char in "]}":
                message = f"there is one {char} too many"
                remedy = "Remove it, or add the bracket that it was meant to close."
            else:
                message = "the document has ended, but more text follows"
                remedy = "Keep one JSON object per file: { ... } and nothing after it."
            self._mistake(scanner.at, message, remedy)

    # --- inside containers -------------------------------------------------------------------

    def _in_object(self, top: Container) -> None:
        """Read one member, or the end of the object."""
        scanner = self.scanner
        if self._closed(top, "}"):
            return
        offset = scanner.at
        key = scanner.key()
        if key is None:
            self._unexpected("a key in double quotes")
            return
        top.filled = True
        if self._colon(offset):
            self._note_key(top, key, offset)
            self._value(key)

    def _colon(self, key: int) -> bool:
        """Read the colon behind the key at an offset; False if no value follows."""
        scanner = self.scanner
        scanner.skip()
        char = scanner.peek()
        if char == ":":
            scanner.at += 1
        elif char == "=":
            self._mistake(
                scanner.at, "'=' stands between a key and its value", "Write ':' instead of '='."
            )
            scanner.at += 1
        elif char == "," or char == "}":
            self._mistake(
                scanner.at,
                f"the key {scanner.shown(key)} has no value",
                "Write a colon and a value behind the key, or remove the key.",
                complete=False,
            )
            return False
        elif char:
            self._mistake(
                scanner.at,
                f"a colon is missing behind the key {scanner.shown(key)}",
                'Write "key": value.',
            )
        scanner.skip()
        return True

    def _in_array(self, top: Container, items: list[Any]) -> None:
        """Read one item, or the end of the array."""
        if self._closed(top, "]"):
            return
        top.filled = True
        self._value(len(items))

    def _closed(self, top: Container, bracket: str) -> bool:
        """Read what stands between two values; True if it was the end of the container."""
        scanner, filled = self.scanner, top.filled
        scanner.skip()
        commas: list[int] = []
        while scanner.peek() == ",":
            commas.append(scanner.at)
            scanner.at += 1
            scanner.skip()
        extra = commas[1:] if filled else commas
        for comma in extra:
            self._mistake(comma, "a comma has no value before it", "Remove the comma.")
        char = scanner.peek()
        if char == bracket:
            if filled and commas:
                self._mistake(
                    commas[0],
                    f"a trailing comma stands before the closing {bracket}",
                    "Remove the comma: JSON has none behind the last value.",
                )
            scanner.at += 1
            self.stack.pop()
            return True
        if not char:
            self._truncated(top, bracket)
        if char in "]}":
            self._fatal(
                scanner.at,
                f"a {char} closes the {top.bracket} of {scanner.line_words(top.start)}",
                f"Close it with {bracket}, or add the bracket that is missing before.",
            )
        if filled and not commas:
            if not _NOTHING_MISSING.match(char):
                self._unexpected(f"a comma or {bracket}")
            self._mistake(
                scanner.at,
                f"a comma is missing before {scanner.shown(scanner.at)}",
                f"Write a comma behind the value that ends {scanner.line_words_before()}.",
            )
        return False

    def _truncated(self, top: Container, bracket: str) -> None:
        scanner = self.scanner
        self._fatal(
            len(scanner.text),
            f"the file ends inside the {top.bracket} of {scanner.line_words(top.start)}",
            f"The file is cut short or a {bracket} is missing: export it again or add it.",
        )

    def _unexpected(self, wanted: str) -> None:
        scanner = self.scanner
        self._fatal(
            scanner.at,
            f"{scanner.shown(scanner.at)} stands where {wanted} should stand",
            "Correct the text at this place.",
        )

    # --- values ------------------------------------------------------------------------------

    def _value(self, token: str | int) -> None:
        """Read a value and store it under `token` in the innermost container."""
        scanner = self.scanner
        offset = scanner.at
        self.values += 1
        if self.max_values is not None and self.values > self.max_values:
            self.result.too_many = offset
            raise Stop
        char = scanner.peek()
        if char in ("{", "["):
            self._open(token, offset, {} if char == "{" else [])
            return
        if not char:
            if not self.stack:
                raise Stop
            self._truncated(self.stack[-1], "}" if isinstance(token, str) else "]")
        if char in ",]}":
            self._mistake(
                offset,
                f"a value is missing before {char}",
                "Write the value, or remove the key.",
                complete=False,
            )
            return
        scalar = scanner.scalar()
        if scalar is None:
            self._unexpected("a value")
            return
        if scalar.broken:
            self.result.complete = False
        if scalar.not_finite:
            self.result.not_finite.append(self._mark(token, offset))
        elif isinstance(scalar.value, str) and scalar.surrogate:
            self.result.surrogates.append(self._mark(token, offset))
        self._store(token, offset, scalar.value)

    def _open(self, token: str | int, offset: int, value: dict[str, Any] | list[Any]) -> None:
        if self.max_depth is not None and len(self.stack) >= self.max_depth:
            self.result.too_deep = offset
            raise Stop
        parent = self.stack[-1] if self.stack else None
        container = Container(value, offset, parent, token)
        if parent is None:
            self.result.root = container
        else:
            if parent.children is None:
                parent.children = {}
            parent.children[token] = container
        self._store(token, offset, value)
        self.stack.append(container)
        self.scanner.at += 1

    def _store(self, token: str | int, offset: int, value: Any) -> None:
        if not self.stack:
            self.result.value = value
            return
        top = self.stack[-1]
        if isinstance(top.places, list):
            top.places.append(offset)
        else:
            top.places[str(token)] = offset
        if isinstance(top.value, list):
            top.value.append(value)
        else:
            top.value[str(token)] = value

    def _note_key(self, top: Container, key: str, offset: int) -> None:
        if top.keys is None:
            top.keys = {}
        elif key in top.keys:
            self._duplicate(top, key, top.keys[key], offset)
            if top.children is not None:
                # The earlier value is lost, and with it the places inside it.
                top.children.pop(key, None)
        top.keys[key] = offset
        if self.scanner.surrogate(key):
            self.result.surrogates.append(self._mark(key, offset))

    def _duplicate(self, top: Container, key: str, first: int, offset: int) -> None:
        known = self.duplicates.get((id(top), key))
        if known is None:
            known = Duplicate(top, key, [first])
            self.duplicates[id(top), key] = known
            self.result.duplicates.append(known)
        known.offsets.append(offset)

    def _mark(self, token: str | int, offset: int) -> Mark:
        return Mark(
            self.stack[-1] if self.stack else None, token, offset, self.scanner.shown(offset)
        )
