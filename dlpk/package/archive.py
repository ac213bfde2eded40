"""Judge a .dlpk file as a container, without unpacking or running anything of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, Final

from schemas.findings import Report

from ..findings import Collector, halves
from .emd_place import MAX_EMD, check_emd_place, report_large_emd, root_emds
from .files import NotAFileError, open_file
from .names import (
    check_equal,
    check_junk,
    check_package_name,
    check_parts,
    check_prefix,
    package_name,
    place,
    shown,
    shown_size,
    split_name,
    windows_key,
)
from .rules import collector
from .zip_data import DEFLATED, METHODS, STORED, EntryError, unpack
from .zip_reader import ENCRYPTED, Entry, read_directory

MAX_TOTAL: Final = 64 * 1024**3
"""Largest unpacked package in bytes."""
# Weights hardly compress and texts are small: only a bomb is both large and tightly packed.
BOMB_SIZE: Final = 256 * 1024**2
BOMB_RATIO: Final = 100
_ANEW: Final = "Zip the package anew, with deflate and without a password."
_DEFLATE_RATIO: Final = 1032
"""What deflate can reach at most: 258 bytes from two bits."""


def check_container(path: str | os.PathLike[str], *, deep: bool = False) -> Report:
    """Report everything wrong with a .dlpk file as a container, by the rules in `RULES`.

    Nothing is unpacked to disk and nothing of the package is run. A broken file yields findings,
    never an exception. With `deep`, every entry is decompressed in memory, piece by piece, to
    compare sizes and checksums.
    """
    findings = collector(Path(path).name)
    handle = open_archive(Path(path), findings)
    if handle is not None:
        with handle:
            try:
                inspect_archive(handle, Path(path).name, findings, deep=deep)
            except OSError as error:
                report_unreadable(Path(path), error, findings)
    return findings.report()


def peek_emd(path: str | os.PathLike[str]) -> tuple[str, bytes] | None:
    """Return name and content of the first .emd file at the root of a package too broken to open.

    None if it cannot be read at all.
    """
    findings = collector(Path(path).name)
    handle = open_archive(Path(path), findings)
    if handle is None:
        return None
    with handle:
        try:
            for entry in read_directory(handle, findings):
                readable = entry.data_offset >= 0 and not entry.flags & ENCRYPTED
                if readable and entry.size <= MAX_EMD and root_emds([entry.path]):
                    return entry.path, b"".join(unpack(handle, entry))
        except (OSError, EntryError):
            return None
    return None


def open_archive(path: Path, findings: Collector) -> BinaryIO | None:
    """Open a package for reading; report why where that cannot be."""
    try:
        return open_file(path)
    except OSError as error:
        report_cannot_open(path, error, findings)
    return None


def report_cannot_open(path: Path, error: OSError, findings: Collector) -> None:
    """Report why `open_file` did not open a package or its EMD."""
    if isinstance(error, NotAFileError) and os.path.isdir(path):
        findings.add(
            "container/is-folder",
            f"{shown(str(path))} is a folder, not a .dlpk file",
            "Zip the folder's contents (dlpk pack does), or name the folder where one is asked "
            "for.",
            path.name,
        )
    elif isinstance(error, NotAFileError):
        findings.add(
            "container/not-a-file",
            f"{shown(str(path))} is a device, pipe or socket",
            "Copy it to an ordinary file.",
            path.name,
        )
    elif isinstance(error, (FileNotFoundError, NotADirectoryError)):
        report_missing(path, findings)
    else:
        report_unreadable(path, error, findings)


def report_missing(path: Path, findings: Collector) -> None:
    """Report that there is no such package, with the likely reason."""
    text = str(path)
    remedy = "Check the spelling and the folder."
    if ":/" in text and text.split(":", 1)[0].lower() in ("http", "https", "ftp", "s3"):
        remedy = "Download it first: a package must be a local file."
    elif text.lower().endswith(".dlpk_remote"):
        remedy = "A .dlpk_remote stands for a service of ArcGIS and cannot be run here."
    elif path.parent != path and not path.parent.exists():
        remedy = f"There is no folder {shown(str(path.parent))} either; check the path."
    findings.add(
        "container/missing", f"there is no file or folder {shown(text)}", remedy, path.name
    )


def report_unreadable(path: Path, error: Exception, findings: Collector) -> None:
    """Report that the system does not let us read the package."""
    reason = getattr(error, "strerror", None) or str(error)
    findings.add(
        "container/unreadable",
        f"{shown(str(path))} cannot be read: {reason}",
        "Check the permissions and the disk.",
        path.name,
    )


def inspect_archive(
    handle: BinaryIO, file: str, findings: Collector, *, deep: bool = False
) -> list[Entry]:
    """Check the open archive `handle` named `file`; return its entries as far as they are known."""
    if handle.seek(0, os.SEEK_END) == 0:
        findings.add(
            "container/empty",
            f"{shown(file)} is empty",
            "Download or copy the package again.",
            file,
        )
        return []
    check_package_name(file, findings)
    entries = read_directory(handle, findings)
    if not entries and findings.has_errors:
        return []
    _check_data(entries, findings)
    _check_names(entries, package_name(file), findings)
    files = [entry.path for entry in entries if not entry.is_folder]
    if not findings.broke("container/too-many-entries", "container/damaged-directory"):
        check_emd_place(files, file, findings)
    for entry in entries:
        if entry.path.lower().endswith(".emd") and entry.size > MAX_EMD:
            report_large_emd(entry.path, entry.size, findings)
    if deep and not findings.broke("container/bomb", "container/too-large", "container/overlap"):
        _check_contents(handle, entries, findings)
    return entries


def _check_data(entries: list[Entry], findings: Collector) -> None:
    for entry in entries:
        name, file = shown(entry.name), place(entry.name)
        if entry.flags & ENCRYPTED or entry.method == 99:
            findings.add("container/encrypted", f"entry {name} is encrypted", _ANEW, file)
        elif entry.method not in METHODS:
            what = f"entry {name} is compressed with method {entry.method}"
            findings.add("container/compression-method", what, _ANEW, file)
        if _impossible(entry):
            findings.add(
                "container/impossible-size",
                f"entry {name} announces {entry.size:,} bytes, which cannot come from "
                f"{entry.packed:,}",
                "Take the file from its author again.",
                file,
            )
        if entry.special:
            remedy = "Zip the file itself instead."
            findings.add(
                "container/special-entry", f"entry {name} is {entry.special}", remedy, file
            )
        _check_growth(entry.packed, entry.size, f"entry {name}", file, findings)
    total = sum(entry.size for entry in entries)
    if total > MAX_TOTAL:
        findings.add(
            "container/too-large",
            f"unpacked, the package would take {shown_size(total)}; at most "
            f"{shown_size(MAX_TOTAL)} are unpacked",
            "Leave out what the function does not need.",
        )
    if not findings.broke("container/bomb"):
        packed = sum(entry.packed for entry in entries)
        _check_growth(packed, total, "the whole package", "", findings)


def _check_growth(packed: int, size: int, what: str, file: str, findings: Collector) -> None:
    if size >= BOMB_SIZE and size > BOMB_RATIO * packed:
        findings.add(
            "container/bomb",
            f"{what} would grow from {shown_size(packed)} to {shown_size(size)}",
            "Do not unpack it. If it is meant to be so, store it without compression.",
            file,
        )


def _impossible(entry: Entry) -> bool:
    if entry.method == STORED:
        return entry.size != entry.packed and not entry.flags & ENCRYPTED
    return entry.method == DEFLATED and entry.size > _DEFLATE_RATIO * entry.packed


def _check_names(entries: list[Entry], package: str, findings: Collector) -> None:
    files: dict[str, str] = {}
    for entry in entries:
        parts = split_name(check_prefix(entry.name, findings))
        if parts:
            check_parts(parts, package, findings)
        elif not entry.is_folder:
            findings.add("container/empty-name", "an entry has no name", "Zip the package anew.")
        if not entry.is_folder:
            check_equal("/".join(parts), files, findings)
    if findings.broke("container/name-too-long"):
        return  # the number of their folders would be without bound
    for entry in entries:
        parts = entry.parts if entry.is_folder else entry.parts[:-1]
        for count in range(1, len(parts) + 1):
            file = files.get(windows_key("/".join(parts[:count])))
            if file is not None:
                findings.add(
                    "container/file-and-folder",
                    f"{shown(file)} is a file, and {shown(entry.name)} needs a folder of that name",
                    "Rename one of them.",
                    place(file),
                )
    check_junk((entry.parts for entry in entries if not entry.is_folder), findings)


def _check_contents(handle: BinaryIO, entries: list[Entry], findings: Collector) -> None:
    for entry in entries:
        if entry.flags & ENCRYPTED or entry.data_offset < 0 or entry.method not in METHODS:
            continue
        try:
            for _ in unpack(handle, entry):
                pass
        except EntryError as error:
            message, remedy = halves(error, "")
            findings.add("container/damaged-data", message, remedy, place(entry.name))
