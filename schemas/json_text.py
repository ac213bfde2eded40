"""Read the bytes of a JSON file: its value, the place of everything in it, what is odd about it."""

from __future__ import annotations

import codecs
import json
import re
import unicodedata
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .positions import LINE_END, MAX_DEPTH, MAX_VALUES, Positions

__all__ = ["JsonText", "Oddity", "decode", "read_json"]

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

_WORDS = {"true": "true", "false": "false", "none": "null", "null": "null", "undefined": "null"}
_QUOTES = "'`\u2018\u2019\u201c\u201d"


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
            oddities.append(_mistake(text, error, document.positions))
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


# --- the first mistake in words --------------------------------------------------------------


def _mistake(text: str, error: json.JSONDecodeError, positions: Positions) -> Oddity:
    """Say in words for authors what Python's decoder stopped at."""
    offset = error.pos
    if error.msg.startswith(("Expecting", "Extra")):
        # Blanks before the place belong to no mistake; letters before it may be part of it.
        offset += len(text[offset:]) - len(text[offset:].lstrip(" \t\r\n"))
    message, remedy, offset = _words(text, error.msg, offset, positions)
    return Oddity("not-json", f"not JSON: {message}", remedy, offset=offset)


def _words(text: str, said: str, at: int, positions: Positions) -> tuple[str, str, int]:
    char, word = text[at : at + 1], _word(text, at)
    before = text[:at].rstrip(" \t\r\n")
    if said.startswith("Invalid control") and char not in "\r\n":
        remedy = r"Write it as an escape (\t for a tab), or remove it."
        return f"a control character ({_named(char)}) stands inside a text", remedy, at
    if said.startswith(("Unterminated", "Invalid control")):
        start = at if char == '"' else before.rfind('"')
        line = LINE_END.split(text[start : start + 80])[0]
        remedy = 'Write a double quote " at its end.'
        return f"the text {_cut(line)} is not closed on its line", remedy, start
    if said.startswith("Invalid"):
        at = text.rfind("\\", 0, at + 1) if char != "\\" else at
        remedy = r"Write \\ for one backslash (C:\\models\\x.pth), or use / in paths."
        return f"a backslash before {_named(text[at + 1 : at + 2])} is no JSON escape", remedy, at
    if not text.strip(" \t\r\n"):
        return "the file is empty", "Write a JSON object: { ... }.", 0
    if char == "#" or text.startswith(("//", "/*"), at):
        return "a comment stands in the file", "Remove it: JSON has no comments.", at
    if char and (char in "\x0b\x0c\x00\x1a\x85" or unicodedata.category(char) in _INVISIBLE):
        remedy = "Delete it; it often comes from copying out of a web page or document."
        return f"an invisible character ({_named(char)}) stands between the values", remedy, at
    if char and char in _QUOTES:
        remedy = 'Write a double quote " before and behind it.'
        return f"a text stands in {_named(char)} instead of double quotes", remedy, at
    if said.startswith("Extra"):
        if char in "]}":
            remedy = "Remove it, or add the bracket that it was meant to close."
            return f"there is one {char} too many", remedy, at
        number = re.search(r"[-+.\w]*$", before)
        if before == text[:at] and number and number.group():
            return _bad_number(text, number.start())
        remedy = "Keep one JSON object per file: { ... } and nothing after it."
        return "the document has ended, but more text follows", remedy, at
    if said.startswith("Illegal trailing comma") or (char in "]}" and before.endswith(",")):
        at = at if char == "," else len(before) - 1
        closing = text[at + 1 :].lstrip(" \t\r\n")[:1]
        remedy = "Remove the comma: JSON has none behind the last value."
        return f"a trailing comma stands before the closing {closing}", remedy, at
    return _between(text, said, at, before, word, positions)


def _between(
    text: str, said: str, at: int, before: str, word: str, positions: Positions
) -> tuple[str, str, int]:
    char = text[at : at + 1]
    holder = positions.found.open[-1].start if positions.found.open else 0
    if not char:
        line, column = positions.lines.place(holder)
        closing = "}" if text[holder : holder + 1] == "{" else "]"
        remedy = f"The file is cut short or a {closing} is missing: export it again or add it."
        opening = text[holder : holder + 1]
        return f"the file ends inside the {opening} of line {line}, column {column}", remedy, at
    if said.startswith("Expecting ':'"):
        if char == "=":
            return "'=' stands between a key and its value", "Write ':' instead of '='.", at
        key = re.search(r'"[^"\r\n]*"$', before[-200:])
        shown = f" {_cut(key.group())}" if key else ""
        if char in ",}":
            return f"the key{shown} has no value", "Write a colon and a value behind it.", at
        return f"a colon is missing behind the key{shown}", 'Write "key": value.', at
    if said.startswith("Expecting ','"):
        if char in "]}":
            remedy = "Close each bracket with its own kind, the innermost first."
            return f"a {char} stands where the bracket of the other kind must close", remedy, at
        number = re.search(r"[-+.\w]*$", text[max(0, at - 50) : at])
        if re.match(r"[\w.+-]", char) and number and number.group():
            return _bad_number(text, at - len(number.group()))
        line, _ = positions.lines.place(len(before) - 1)
        remedy = f"Write a comma behind the value that ends on line {line}."
        return f"a comma is missing before {word}", remedy, at
    if said.startswith("Expecting property"):
        if re.match(r"[^\W\d]", char):
            return f"the key {word} has no quotes", f'Write "{word}".', at
        if char == ",":
            return "a comma has no value before it", "Remove the comma.", at
        return f"{word} stands where a key in double quotes should stand", "Correct it here.", at
    if char in ",]}":
        if char == "," and not before.endswith(":"):
            return "a comma has no value before it", "Remove the comma.", at
        remedy = "Write the value, or remove the key."
        return f"a value is missing before {char}", remedy, at
    if word.lower() in _WORDS:
        return f"{word} is not a JSON word", f"Write {_WORDS[word.lower()]}.", at
    if re.match(r"[-+.0-9]", char):
        return _bad_number(text, at)
    if re.match(r"[^\W\d]", char):
        nan = word.lower() in ("nan", "inf", "infinity")
        remedy = "Write null or a number." if nan else f'Write "{word}".'
        return f"the text {word} has no quotes", remedy, at
    return f"{word} stands where a value should stand", "Correct the text at this place.", at


_INVISIBLE = {"Zs", "Zl", "Zp", "Cf"}


def _bad_number(text: str, at: int) -> tuple[str, str, int]:
    remedy = "Write a number such as 12, -0.5 or 1e-3, or put text into double quotes."
    return f"{_word(text, at)} is not a JSON number", remedy, at


def _word(text: str, at: int) -> str:
    """Return the word that begins at an offset, shortened, for a message."""
    piece = text[at : at + 80]
    match = re.match(r'"[^"\r\n]*"?|[\w.+\-]+', piece)
    return _cut(match.group()) if match else _named(piece[:1])


def _cut(word: str) -> str:
    return word if len(word) <= 40 else word[:40] + "..."


def _named(char: str) -> str:
    """Return a character as a message should show it."""
    if not char:
        return "the end of the file"
    if char == "'":
        return "a single quote"
    if char.isprintable() and not char.isspace() and ord(char) < 0x250:
        return f"'{char}'"
    return f"U+{ord(char):04X}"
