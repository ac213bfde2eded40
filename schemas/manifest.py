"""Validate what a built package says of itself: its manifest, and its golden chips."""

from __future__ import annotations

import json
from typing import Any

from .collector import Collector, child, quoted
from .findings import Report
from .json_text import read_json
from .violations import report_violations

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
    document = read_json(source)
    collector = Collector(file, document)
    for oddity in document.oddities:
        kind = "duplicate-key" if oddity.kind == "duplicate-key" else "not-json"
        collector.add(
            f"{schema}/{kind}", oddity.message, REMEDY, oddity.pointer, offset=oddity.offset
        )
    if document.readable:
        report_violations(document.value, schema, schema, collector)
        if schema == "manifest" and isinstance(document.value, dict):
            _check_files(document.value.get("files"), collector)
    return collector.report()


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
