"""Read the bytes of a JSON file: its value, the place of everything in it, what is odd about it."""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .positions import LINE_END, MAX_DEPTH, MAX_VALUES, Positions

MAX_CHARACTERS = 32 * 1024 * 1024
LONGEST_INTEGER = 300
"""Integers with more digits become floats: beyond this no double holds them, and converting
thousands of digits takes quadratic time (Python refuses it, too)."""

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CODE_PAGES = ("cp1252", "gb18030", "cp932", "latin-1")
"""What Windows editors call "ANSI" in much of the world; the last takes any bytes."""


class Oddity(NamedTuple):
    """Something to say of a text: what kind (the last part of a rule's id), where, what to do."""

    kind: str
    message: str
    remedy: str
    pointer: str = ""
    offset: int = 0


@dataclass
class JsonText:
    """What was read from a file.

    Parameters
    ----------
    text : str
        Its text.
    value : Any
        The value; None if the text is not JSON.
    readable : bool
        Whether Python reads it (with NaN and the like).
    positions : Positions
        Places of the values.
    oddities : list of Oddity
        What is wrong with the text, the first mistake only.
    """

    text: str
    positions: Positions
    value: Any = None
    readable: bool = False
    oddities: list[Oddity] = field(default_factory=list)


def read_json(source: bytes | str) -> JsonText:
    """Read JSON.

    Parameters
    ----------
    source : bytes or str
        Content of the file, or its text.

    Returns
    -------
    JsonText
        Never raises for what the source contains; takes time linear in its length.
    """
    if len(source) > MAX_CHARACTERS:
        said = f"the file has {len(source):,} characters, at most {MAX_CHARACTERS:,} are read"
        remedy = "Keep data of this size in a file of its own."
        return JsonText("", Positions(""), oddities=[Oddity("too-large", said, remedy)])
    oddities: list[Oddity] = []
    if isinstance(source, str):
        text = source[1:] if source.startswith("\ufeff") else source
    else:
        text = decode(bytes(source), oddities)
    document = JsonText(text, Positions(text), oddities=oddities)
    found = document.positions.found
    if found.too_deep is not None:
        said = f"brackets nest more than {MAX_DEPTH} deep"
        oddities.append(Oddity("too-deep", said, "Write a flat object.", offset=found.too_deep))
    elif found.too_many is not None:
        said = f"there are more than {MAX_VALUES:,} values"
        remedy = "Keep data of this size in a file of its own."
        oddities.append(Oddity("too-large", said, remedy, offset=found.too_many))
    else:
        try:
            document.value = json.loads(text, parse_int=_integer)
            document.readable = True
        except json.JSONDecodeError as error:
            oddities.append(_mistake(text, error))
    if document.readable:
        oddities += _odd_values(document.positions)
    return document


def decode(data: bytes, oddities: list[Oddity] | None = None) -> str:
    """Turn the bytes of a text file into text, whatever an editor made of them.

    Parameters
    ----------
    data : bytes
        Content of the file; bytes that are no text become text that makes no sense.
    oddities : list of Oddity, optional
        Takes what is to say of the encoding.
    """
    oddities = [] if oddities is None else oddities
    wide = next(((mark, name) for mark, name in _MARKS if data.startswith(mark)), None)
    if wide is None and b"\x00" in data[:2]:
        # JSON begins with an ASCII character, so a zero next to it is half of a wide one.
        wide = b"", "utf-16-be" if data[:1] == b"\x00" else "utf-16-le"
    if wide is not None:
        said = f"the file is encoded as {wide[1].upper()}"
        oddities.append(Oddity("utf-16", said, "Save it as UTF-8 without byte order mark."))
        return data[len(wide[0]) :].decode(wide[1], "replace")
    if data.startswith(codecs.BOM_UTF8):
        data = data[len(codecs.BOM_UTF8) :]
        said = "the file begins with a byte order mark (U+FEFF), which json.load refuses"
        remedy = 'Save it as "UTF-8" instead of "UTF-8 with BOM".'
        oddities.append(Oddity("byte-order-mark", said, remedy))
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        text, encoding = _from_code_page(data)
        offset = len(data[: error.start].decode(encoding, "replace"))
        said = f"the file is not UTF-8; it reads as {encoding}"
        remedy = r"Save it as UTF-8, or write such letters as \u escapes."
        oddities.append(Oddity("not-utf8", said, remedy, offset=offset))
        return text
    if not text.isascii():
        offset = next(i for i, char in enumerate(text) if ord(char) > 127)
        said = f"the letter {text[offset]!r} is not ASCII, and functions open the file in the"
        remedy = f"Write it as {json.dumps(text[offset])[1:-1]}; json.dump does so by itself."
        oddities.append(Oddity("non-ascii", f"{said} system's encoding", remedy, offset=offset))
    return text


def _from_code_page(data: bytes) -> tuple[str, str]:
    """Return the text and the first encoding in which it is JSON, else as Latin-1."""
    text = ""
    for encoding in _CODE_PAGES:
        try:
            text = data.decode(encoding)
            json.loads(text)
            break
        except (ValueError, RecursionError):
            continue
    return text, encoding


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= LONGEST_INTEGER else float(digits)


def _odd_values(positions: Positions) -> list[Oddity]:
    found, oddities = positions.found, []
    for mark in found.duplicates.values():
        said = f"the key {_cut(json.dumps(mark.text))} stands more than once in one object"
        line, _ = positions.lines.place(mark.first)
        remedy = f"Keep one of them; the first stands on line {line}, the last one counts."
        oddities.append(Oddity("duplicate-key", said, remedy, mark.pointer, mark.offset))
    for mark in found.not_finite:
        said = f"{mark.text} is not a JSON number, though Python reads it"
        remedy = "Write null, or leave the key out."
        oddities.append(Oddity("not-finite", said, remedy, mark.pointer, mark.offset))
    for mark in found.surrogates:
        said = f"{mark.text} holds half of a surrogate pair, which is no character"
        remedy = r"Write both halves, such as \ud83c\udf0d, or the character itself."
        oddities.append(Oddity("lone-surrogate", said, remedy, mark.pointer, mark.offset))
    return oddities


_QUOTE = 'Write a double quote " before and behind a text.'
_CLOSE = r"Close the text with a double quote on its line; a tab in it is \t."
# Usual slips: how the message of Python's decoder begins, what stands where it stops, the remedy.
_SLIPS = (
    ("Invalid \\", "", r"Write \\ for one backslash (C:\\models\\x.pth), or use / in paths."),
    ("Invalid control", "", _CLOSE),
    ("Unterminated", "", _CLOSE),
    ("", r"\Z", "The file is cut short: export it again, or close its brackets."),
    ("", r"#|//|/\*", "Remove the comment: JSON has none."),
    ("Expecting ':'", "", "Write a colon and a value behind the key."),
    ("Expecting ','", "", "Write a comma behind the value before it, or close the bracket."),
    ("Extra", "", "Keep one JSON object per file: { ... } and nothing after it."),
    ("", "['`\u2018\u2019\u201c\u201d]", _QUOTE),
    ("", r"(?i:true|false|none|null|undefined|nan)\b", "JSON knows true, false and null."),
    ("", r"[-+.\d]", "Write a number such as 12, -0.5 or 1e-3, or put text into quotes."),
    ("", r"[^\W\d]", _QUOTE),
    ("", "", "Correct the text at this place."),
)


def _mistake(text: str, error: json.JSONDecodeError) -> Oddity:
    """Say what Python's decoder stopped at, and what to do where a usual slip is behind it."""
    said, at = error.msg, error.pos
    if said.startswith(("Expecting", "Extra")):
        # Blanks before the place belong to no mistake.
        at += len(text[at:]) - len(text[at:].lstrip(" \t\r\n"))
    before, rest = text[:at].rstrip(" \t\r\n"), text[at : at + 80]
    remedy = next(r for m, slip, r in _SLIPS if said.startswith(m) and re.match(slip, rest))
    comma = before.endswith(",") and rest[:1] in ("]", "}")
    if comma or said.startswith("Illegal trailing comma"):  # so since Python 3.13
        at = len(before) - 1 if comma else at
        said, remedy = "trailing comma", "Remove the comma: JSON has none behind the last value."
    if not before and not rest:
        said, at = "the file is empty", 0
    line = LINE_END.split(rest)[0]
    shown = f": {_cut(line if line.isprintable() else ascii(line))}" if line else ""
    said = said[:1].lower() + said[1:].removesuffix(" at")
    return Oddity("not-json", f"not JSON: {said}{shown}", remedy, offset=at)


def _cut(word: str) -> str:
    return word if len(word) <= 40 else word[:40] + "..."
