"""Validate a model definition (EMD): every finding at once, each with its place and remedy."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

from ..collector import Collector, child
from ..encoding import Decoded, decode
from ..findings import Report
from ..json_document import JsonText, Mark
from ..json_text import read_json
from ..positions import Lines, Positions
from ..violations import load_schema, report_violations
from .classes import check_classes
from .model import check_keys, check_model, number
from .numbers import check_numbers
from .paths import check_paths

__all__ = ["parse_emd", "validate_emd"]

MAX_CHARACTERS = 32 * 1024 * 1024
MAX_VALUES = 1_000_000
MAX_DEPTH = 100
"""Far beyond any real definition, and far below what makes a recursive reader overflow."""

Profile = Literal["general", "package"]


def validate_emd(source: bytes | str, *, file: str = "", profile: Profile = "general") -> Report:
    """Find everything that is wrong with a model definition.

    Parameters
    ----------
    source : bytes or str
        Content of the .emd file, or the definition as JSON text.
    file : str
        Its name, for the report.
    profile : {"general", "package"}
        ``general`` accepts what ArcGIS accepts (schema ``urn:dlpk:schema:emd:1``); ``package`` asks
        for what the packages of this project need beyond that (``urn:dlpk:schema:emd-package:1``).

    Returns
    -------
    Report
        All findings in the order of the file. After a mistake in the JSON text the rest is judged,
        too, where the author's meaning is clear. Nothing is ever raised for what `source` contains.
    """
    document, collector = _read(source, file)
    if document is not None and isinstance(document.value, dict) and document.complete:
        emd = document.value
        schema = "emd-package" if profile == "package" else "emd"
        report_violations(emd, schema, "emd", collector)
        check_keys(emd, _known_keys(schema), collector)
        check_model(emd, collector)
        check_paths(emd, collector)
        check_classes(emd, collector)
        check_numbers(emd, collector)
        if profile == "package":
            _check_square(emd, collector)
    return collector.report()


def parse_emd(source: bytes | str, *, file: str = "") -> tuple[dict[str, Any] | None, Report]:
    """Read a model definition.

    Parameters
    ----------
    source : bytes or str
        Content of the .emd file, or the definition as JSON text.
    file : str
        Its name, for the report.

    Returns
    -------
    emd : dict or None
        The definition; None if it is not JSON or not an object.
    report : Report
        What is to say of the text: mistakes, encoding, keys that stand twice.
    """
    document, collector = _read(source, file)
    if document is None or document.mistakes or not document.complete:
        return None, collector.report()
    emd = document.value
    return (emd if isinstance(emd, dict) else None), collector.report()


def _read(source: bytes | str, file: str) -> tuple[JsonText | None, Collector]:
    """Read the text and note everything about it as a text."""
    if len(source) > MAX_CHARACTERS:
        collector = Collector(file, Lines(""))
        collector.add(
            "emd/too-large",
            f"the model definition has {len(source):,} characters",
            "Keep data of this size in a file of its own.",
        )
        return None, collector
    decoded = _decode(source)
    document = _parse(decoded.text)
    lines = Lines(decoded.text)
    collector = Collector(file, lines, Positions(lines, document))
    _report_encoding(decoded, isinstance(source, bytes), collector)
    _report_text(document, collector)
    return document, collector


def _decode(source: bytes | str) -> Decoded:
    if isinstance(source, str):
        return Decoded(source[1:] if source.startswith("\ufeff") else source, "utf-8")
    return decode(bytes(source), lambda text: not _parse(text).mistakes)


def _parse(text: str) -> JsonText:
    return read_json(text, max_depth=MAX_DEPTH, max_values=MAX_VALUES)


def _report_encoding(decoded: Decoded, is_file: bool, collector: Collector) -> None:
    if decoded.wide:
        collector.add(
            "emd/utf-16",
            f"the file is encoded as {decoded.encoding.upper()}",
            "Save it as UTF-8 without byte order mark.",
            offset=0,
        )
        return
    if decoded.mark:
        collector.add(
            "emd/byte-order-mark",
            "the file begins with a byte order mark (U+FEFF), which json.load refuses",
            'Save it as "UTF-8" instead of "UTF-8 with BOM".',
            offset=0,
        )
    if decoded.bad is not None:
        collector.add(
            "emd/not-utf8",
            f"the file is not UTF-8; it reads as {decoded.encoding}",
            r"Save it as UTF-8, or write such letters as \u escapes.",
            offset=decoded.bad,
        )
    elif is_file and not decoded.text.isascii():
        offset = next(i for i, char in enumerate(decoded.text) if ord(char) > 127)
        collector.add(
            "emd/non-ascii",
            f"the letter {decoded.text[offset]!r} is not ASCII, and functions open the file in the"
            " system's encoding",
            f"Write it as {_escaped(decoded.text[offset])}; json.dump does so by itself.",
            offset=offset,
        )


def _escaped(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def _report_text(document: JsonText, collector: Collector) -> None:
    for mistake in document.mistakes:
        collector.add(
            "emd/not-json",
            f"not JSON: {mistake.message}",
            mistake.remedy,
            offset=mistake.offset,
        )
    if document.too_deep is not None:
        collector.add(
            "emd/too-deep",
            f"brackets nest more than {MAX_DEPTH} deep",
            "Write a flat object of keys; see the schema for the usual ones.",
            offset=document.too_deep,
        )
    if document.too_many is not None:
        collector.add(
            "emd/too-large",
            f"there are more than {MAX_VALUES:,} values",
            "Keep data of this size in a file of its own.",
            offset=document.too_many,
        )
    for duplicate in document.duplicates:
        first, *others = duplicate.offsets
        collector.add(
            "emd/duplicate-key",
            f"the key {_key(duplicate.key)} stands {len(duplicate.offsets)} times in one object;"
            " the last one counts",
            f"Keep one of them; the first stands on line {collector.line_of(first)}.",
            child(duplicate.container.pointer(), duplicate.key),
            offset=others[-1],
        )
    for mark in document.not_finite:
        collector.add(
            "emd/not-finite",
            f"{mark.text} is not a JSON number, though Python reads it",
            "Write null, or leave the key out.",
            _pointer(mark),
            offset=mark.offset,
        )
    for mark in document.surrogates:
        collector.add(
            "emd/lone-surrogate",
            f"{mark.text} holds half of a surrogate pair, which is no character",
            r"Write both halves, such as \ud83c\udf0d, or the character itself.",
            _pointer(mark),
            offset=mark.offset,
        )
    readable = document.complete or document.value is not None
    if readable and document.too_deep is None and not isinstance(document.value, dict):
        collector.add(
            "emd/not-an-object",
            f"the model definition is {_kind(document.value)}, not an object",
            'Write { "ModelType": ..., ... }.',
            offset=document.start,
        )


def _key(key: str) -> str:
    return f'"{key if len(key) <= 60 else key[:57] + "..."}"'


def _kind(value: Any) -> str:
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return "a text"
    if value is None:
        return "null"
    return "a number" if number(value) or isinstance(value, float) else "true or false"


def _pointer(mark: Mark) -> str:
    return "" if mark.container is None else child(mark.container.pointer(), mark.token)


def _check_square(emd: dict[str, Any], collector: Collector) -> None:
    height, width = emd.get("ImageHeight"), emd.get("ImageWidth")
    if number(height) and number(width) and height != width:
        collector.add(
            "emd/package-not-square",
            f"ImageWidth {width} differs from ImageHeight {height}",
            "Give both the same number.",
            "/ImageWidth",
        )


@cache
def _known_keys(schema: str) -> frozenset[str]:
    known = set(load_schema("emd")["properties"])
    return frozenset(known | set(load_schema(schema)["properties"]))
