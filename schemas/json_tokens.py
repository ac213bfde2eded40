"""The words of JSON text (keys, strings, numbers, comments), read with patience for mistakes."""

from __future__ import annotations

import math
import re
import unicodedata
from typing import Any, NamedTuple, Protocol

__all__ = ["Scalar", "Scanner", "Stop"]

SHOWN = 40
"""Longest piece of the text that a message quotes, in characters."""

LONGEST_INTEGER = 300
"""Integers with more digits become floats: beyond this no double holds them, and converting
thousands of digits takes quadratic time (Python refuses it, too)."""

_SPACE = re.compile(r"[ \t\r\n]*")
_PLAIN = re.compile(r'"([^"\\\x00-\x1f]*)"')
_CHUNK = re.compile(r'[^"\\\x00-\x1f]*')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_NUMBER_RUN = re.compile(r"[-+.0-9A-Za-z_]+")
_WORD = re.compile(r"[^\W\d][^\s,\]}\"']*")
_KEY_WORD = re.compile(r"[^\W\d][\w.\-]*")
_HEX = re.compile(r"[0-9A-Fa-f]{4}")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LINE_END = re.compile(r"\r\n|\r|\n")

_ESCAPES = {
    '"': '"',
    "\\": "\\",
    "/": "/",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
}
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None}
_PYTHON_WORDS: dict[str, Any] = {"True": True, "False": False, "None": None, "undefined": None}
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_QUOTES = {"'": "'", "`": "`", "\u2018": "\u2019", "\u201c": "\u201d\u201c", "\u201d": "\u201d"}


class Stop(Exception):
    """Raised to end the reading of a text; never leaves this package."""


class Scalar(NamedTuple):
    """A value without brackets.

    Parameters
    ----------
    value : Any
        str, int, float, bool or None.
    broken : bool
        Whether its meaning could not be guessed.
    not_finite : bool
        Whether it is NaN, Infinity or a number that no double holds.
    surrogate : bool
        Whether it is a string with half a surrogate pair.
    """

    value: Any
    broken: bool = False
    not_finite: bool = False
    surrogate: bool = False


class Complaint(Protocol):
    """What a scanner calls about a mistake (offset, what is wrong, how to mend it)."""

    def __call__(self, offset: int, message: str, remedy: str, complete: bool = True) -> None:
        """Take note of the mistake; raise `Stop` if that was enough."""


class Scanner:
    """A position in a text that moves over one word at a time.

    Parameters
    ----------
    text : str
        The text.
    complain : callable
        Called for every mistake.
    """

    def __init__(self, text: str, complain: Complaint) -> None:
        self.text = text
        self.at = 0
        self.last_end = 0
        self._complain = complain

    def at_end(self) -> bool:
        """Whether nothing is left."""
        return self.at >= len(self.text)

    def peek(self) -> str:
        """Return the next character, empty at the end."""
        return self.text[self.at : self.at + 1]

    def surrogate(self, text: str) -> bool:
        """Whether a string holds half a surrogate pair."""
        return _SURROGATE.search(text) is not None

    # --- words for messages ------------------------------------------------------------------

    def shown(self, offset: int) -> str:
        """Return the word that begins at an offset, shortened, for a message."""
        if offset >= len(self.text):
            return "the end of the file"
        piece = self.text[offset : offset + 4 * SHOWN]
        if piece[0] == '"':
            plain = _PLAIN.match(piece)
            word = plain.group() if plain else _LINE_END.split(piece)[0]
        else:
            match = re.match(r"[\w.+\-]+", piece)
            word = match.group() if match else _named(piece[0])
        return word if len(word) <= SHOWN else word[:SHOWN] + "..."

    def line_words(self, offset: int) -> str:
        """Return ``line 12, column 3`` for an offset."""
        ends = list(_LINE_END.finditer(self.text, 0, offset))
        start = ends[-1].end() if ends else 0
        return f"line {len(ends) + 1}, column {offset - start + 1}"

    def line_words_before(self) -> str:
        """Return ``on line 12`` for the word before the next one."""
        return f"on line {sum(1 for _ in _LINE_END.finditer(self.text, 0, self.last_end)) + 1}"

    def _fatal(self, offset: int, message: str, remedy: str) -> None:
        self._complain(offset, message, remedy, complete=False)
        raise Stop

    # --- between the words -------------------------------------------------------------------

    def skip(self) -> None:
        """Move over white space, and over what people write where only white space may be."""
        self.last_end = self.at
        while True:
            space = _SPACE.match(self.text, self.at)
            self.at = space.end() if space else self.at
            char = self.peek()
            if char == "#" or self.text.startswith(("//", "/*"), self.at):
                self._comment()
            elif char and _invisible(char):
                self._complain(
                    self.at,
                    f"an invisible character ({_named(char)}) stands between the values",
                    "Delete it; it often comes from copying out of a web page or document.",
                )
                while self.peek() and _invisible(self.peek()):
                    self.at += 1
            else:
                return

    def _comment(self) -> None:
        self._complain(
            self.at,
            "a comment stands in the file",
            "Remove it: JSON has no comments.",
        )
        if self.text.startswith("/*", self.at):
            end = self.text.find("*/", self.at + 2)
            if end < 0:
                self._fatal(self.at, "the comment has no end", "Remove the comment.")
            self.at = end + 2
            return
        line_end = _LINE_END.search(self.text, self.at)
        self.at = line_end.start() if line_end else len(self.text)

    # --- words -------------------------------------------------------------------------------

    def key(self) -> str | None:
        """Read a key; None if there is none."""
        char = self.peek()
        if char == '"':
            return self._string()
        if char in _QUOTES:
            return self._wrongly_quoted()
        word = _KEY_WORD.match(self.text, self.at)
        if word is None:
            return None
        self._complain(
            self.at,
            f"the key {self.shown(self.at)} has no quotes",
            f'Write "{word.group()[:SHOWN]}".',
        )
        self.at = word.end()
        return word.group()

    def scalar(self) -> Scalar | None:
        """Read a string, number or word; None if there is none."""
        char = self.peek()
        if char == '"' or char in _QUOTES:
            text = self._string() if char == '"' else self._wrongly_quoted()
            return Scalar(text, surrogate=self.surrogate(text))
        if char.isdigit() or char in "-+.":
            return self._number()
        word = _WORD.match(self.text, self.at)
        return None if word is None else self._word(word.group())

    def _word(self, word: str) -> Scalar:
        offset = self.at
        self.at += len(word)
        if word in _WORDS:
            return Scalar(_WORDS[word])
        if word in _NOT_FINITE:
            return Scalar(_NOT_FINITE[word], not_finite=True)
        if word in _PYTHON_WORDS or word.lower() in _WORDS:
            value = _PYTHON_WORDS.get(word, _WORDS.get(word.lower()))
            right = {True: "true", False: "false", None: "null"}[value]
            self._complain(offset, f"{word} is not a JSON word", f"Write {right}.")
            return Scalar(value)
        broken = word.lower() in {"nan", "inf", "infinity"}
        self._complain(
            offset,
            f"the text {self.shown(offset)} has no quotes",
            "Write null or a number." if broken else f'Write "{word[:SHOWN]}".',
        )
        return Scalar(word, broken=broken)

    def _number(self) -> Scalar | None:
        offset = self.at
        run = _NUMBER_RUN.match(self.text, self.at)
        if run is None:  # a digit that is not 0 to 9
            return None
        self.at = run.end()
        word = run.group()
        if word in _NOT_FINITE:
            return Scalar(_NOT_FINITE[word], not_finite=True)
        match = _NUMBER.fullmatch(word)
        if match is None:
            return self._bad_number(offset, word)
        if not (match.group(1) or match.group(2)) and len(word) <= LONGEST_INTEGER:
            return Scalar(int(word))
        number = float(word)
        return Scalar(number, not_finite=not math.isfinite(number))

    def _bad_number(self, offset: int, word: str) -> Scalar:
        remedy = "Write a number such as 12, -0.5 or 1e-3, or put text into double quotes."
        value = None
        # Python takes "+1", ".5", "007" and "1_000": the author's meaning is clear.
        if len(word) <= LONGEST_INTEGER:
            try:
                value = float(word)
            except ValueError:
                value = None
        if value is not None and math.isfinite(value):
            number: Any = int(value) if value.is_integer() and "." not in word else value
            remedy = f"Write {number}."
            self._complain(offset, f"{self.shown(offset)} is not a JSON number", remedy)
            return Scalar(number)
        self._complain(offset, f"{self.shown(offset)} is not a JSON number", remedy)
        return Scalar(None, broken=True)

    def _wrongly_quoted(self) -> str:
        offset = self.at
        opening = self.peek()
        line_end = _LINE_END.search(self.text, offset)
        limit = line_end.start() if line_end else len(self.text)
        ends = [
            end
            for end in (self.text.find(c, offset + 1, limit) for c in _QUOTES[opening])
            if end >= 0
        ]
        if not ends:
            self._fatal(
                offset,
                f"a text begins with {_named(opening)}, which is no double quote, and has no end",
                'Write a double quote " before and behind it.',
            )
        self._complain(
            offset,
            f"a text stands in {_named(opening)} instead of double quotes",
            'Write a double quote " before and behind it.',
        )
        self.at = min(ends) + 1
        return self.text[offset + 1 : min(ends)]

    def _string(self) -> str:
        plain = _PLAIN.match(self.text, self.at)
        if plain is not None:
            self.at = plain.end()
            return plain.group(1)
        return self._string_with_escapes()

    def _string_with_escapes(self) -> str:
        """Read a string that holds backslashes, control characters or no end."""
        start = self.at
        self.at += 1
        parts: list[str] = []
        complained = False
        while True:
            chunk = _CHUNK.match(self.text, self.at)
            if chunk is not None:
                parts.append(chunk.group())
                self.at = chunk.end()
            char = self.peek()
            if char == '"':
                self.at += 1
                return _join_pairs("".join(parts))
            if char in ("", "\n", "\r"):
                self._fatal(
                    start,
                    f"the text {self.shown(start)} is not closed on its line",
                    'Write a double quote " at its end.',
                )
            if char == "\\":
                escape = self._escape()
                if escape is not None:
                    parts.append(escape)
                    continue
            if not complained:
                # One complaint per string: a Windows path has the same mistake many times.
                complained = True
                self._complain_inside(char)
            parts.append(char)
            self.at += 1

    def _complain_inside(self, char: str) -> None:
        if char == "\\":
            following = self.text[self.at + 1 : self.at + 2]
            what = "a backslash" + (f" before {_named(following)}" if following else "")
            self._complain(
                self.at,
                f"{what} is no JSON escape",
                r"Write \\ for one backslash (C:\\models\\x.pth), or use / in paths.",
            )
        else:
            self._complain(
                self.at,
                f"a control character ({_named(char)}) stands inside a text",
                r"Write it as an escape (\t for a tab), or remove it.",
            )

    def _escape(self) -> str | None:
        """Read an escape; None (and no move) if it is none."""
        char = self.text[self.at + 1 : self.at + 2]
        if char in _ESCAPES:
            self.at += 2
            return _ESCAPES[char]
        if char != "u":
            return None
        digits = _HEX.match(self.text, self.at + 2)
        if digits is None:
            return None
        self.at = digits.end()
        return chr(int(digits.group(), 16))


def _join_pairs(text: str) -> str:
    """Join two escaped halves of a surrogate pair to the character they stand for."""
    if _SURROGATE.search(text) is None:
        return text
    return re.sub(
        "[\ud800-\udbff][\udc00-\udfff]",
        lambda pair: pair.group().encode("utf-16-le", "surrogatepass").decode("utf-16-le"),
        text,
    )


def _invisible(char: str) -> bool:
    return char in "\x0b\x0c\x00\x1a\x85" or unicodedata.category(char) in {"Zs", "Zl", "Zp", "Cf"}


def _named(char: str) -> str:
    """Return a character as a message should show it."""
    if char == "'":
        return "a single quote"
    if char.isprintable() and not char.isspace() and ord(char) < 0x250:
        return f"'{char}'"
    return f"U+{ord(char):04X}"
