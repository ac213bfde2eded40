"""Validate what a built package says of itself: its manifest, and its golden chips."""

from __future__ import annotations

import json
from typing import Any

from .collector import Collector, child, quoted
from .encoding import Decoded, decode
from .findings import Report
from .json_document import JsonText
from .json_text import read_json
from .positions import Lines, Positions
from .violations import report_violations

__all__ = ["our_manifest", "validate_golden", "validate_manifest"]

MAX_CHARACTERS = 32 * 1024 * 1024
MAX_VALUES = 1_000_000
MAX_DEPTH = 100
REMEDY = "Build the package again instead of editing what was built."


def our_manifest(content: bytes) -> dict[str, Any] | None:
    """A manifest of our format, which is how our packages are known.

    Parameters
    ----------
    content : bytes
        Of a file ``manifest.json``.

    Returns
    -------
    dict or None
        Empty if it is ours and damaged; None if it is somebody else's.
    """
    try:
        manifest = json.loads(content)
    except (ValueError, RecursionError):
        return {} if b'"created_by"' in content else None
    ours = isinstance(manifest, dict) and {"format", "created_by"} <= set(manifest)
    return manifest if ours else None


def validate_manifest(source: bytes | str, file: str = "manifest.json") -> Report:
    """Find everything that is wrong with a manifest.

    Parameters
    ----------
    source : bytes or str
        Content of manifest.json.
    file : str
        Its name, for the report.

    Returns
    -------
    Report
        All findings in the order of the file; whether the listed files are there and have these
        checksums is not looked at. Nothing is ever raised for what `source` contains.
    """
    return _validate(source, "manifest", file)


def validate_golden(source: bytes | str, file: str = "golden/golden.json") -> Report:
    """Find everything that is wrong with the description of golden chips.

    Parameters
    ----------
    source : bytes or str
        Content of golden.json.
    file : str
        Its name, for the report.

    Returns
    -------
    Report
        All findings in the order of the file; the arrays beside it are not looked at. Nothing is
        ever raised for what `source` contains.
    """
    return _validate(source, "golden", file)


def _validate(source: bytes | str, schema: str, file: str) -> Report:
    if len(source) > MAX_CHARACTERS:
        collector = Collector(file, Lines(""))
        collector.add(f"{schema}/not-json", f"{file} is larger than 32 MiB", REMEDY)
        return collector.report()
    decoded = Decoded(source, "utf-8") if isinstance(source, str) else decode(bytes(source), _plain)
    document = _parse(decoded.text)
    lines = Lines(decoded.text)
    collector = Collector(file, lines, Positions(lines, document))
    _report_text(decoded, document, schema, collector)
    if document.complete:
        report_violations(document.value, schema, schema, collector)
        if schema == "manifest" and isinstance(document.value, dict):
            _check_files(document.value.get("files"), collector)
    return collector.report()


def _parse(text: str) -> JsonText:
    return read_json(text, max_depth=MAX_DEPTH, max_values=MAX_VALUES)


def _plain(text: str) -> bool:
    return not _parse(text).mistakes


def _report_text(decoded: Decoded, document: JsonText, schema: str, collector: Collector) -> None:
    if decoded.wide or decoded.mark or decoded.bad is not None:
        collector.add(
            f"{schema}/not-json",
            "the text is not plain UTF-8",
            REMEDY,
            offset=decoded.bad or 0,
        )
    for mistake in document.mistakes:
        collector.add(
            f"{schema}/not-json",
            f"not JSON: {mistake.message}",
            mistake.remedy,
            offset=mistake.offset,
        )
    for place in (document.too_deep, document.too_many):
        if place is not None:
            collector.add(f"{schema}/not-json", "no such file is like this", REMEDY, offset=place)
    for mark in (*document.not_finite, *document.surrogates):
        collector.add(f"{schema}/not-json", f"{mark.text} is not JSON", REMEDY, offset=mark.offset)
    for duplicate in document.duplicates:
        collector.add(
            f"{schema}/duplicate-key",
            f"the key {quoted(duplicate.key)} stands {len(duplicate.offsets)} times in one object",
            REMEDY,
            child(duplicate.container.pointer(), duplicate.key),
            offset=duplicate.offsets[-1],
        )


def _check_files(files: Any, collector: Collector) -> None:
    if not isinstance(files, dict):
        return
    folded: dict[str, str] = {}
    for name in files:
        pointer = child("/files", name)
        if not _inside(name):
            collector.add(
                "manifest/unsafe-path",
                f"{quoted(name)} is not the path of a file inside the package",
                "List files by their path from the package's root, with forward slashes.",
                pointer,
                at_key=True,
            )
        if name == "manifest.json":
            collector.add(
                "manifest/lists-itself",
                "the manifest lists itself",
                "Remove the entry.",
                pointer,
                at_key=True,
            )
        other = folded.setdefault(name.casefold(), name)
        if other != name:
            collector.add(
                "manifest/case-collision",
                f"{quoted(name)} and {quoted(other)} differ in capitals only",
                "Give one of the files another name.",
                pointer,
                at_key=True,
            )


def _inside(name: str) -> bool:
    if not name or "\\" in name or ":" in name or any(ord(char) < 32 for char in name):
        return False
    return all(part not in ("", ".", "..") for part in name.split("/"))
