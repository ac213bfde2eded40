"""Open a deep learning package as ArcGIS does: safely, into a folder of its own."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, Union

from builder.scratch import scratch_folder
from schemas.emd.validate import parse_emd
from schemas.findings import Finding, Report
from schemas.json_text import decode

from ..errors import PackageError
from ..findings import Collector
from .archive import (
    check_container,
    inspect_archive,
    open_archive,
    peek_emd,
    report_cannot_open,
    report_unreadable,
)
from .emd_place import MAX_EMD, check_emd_place, report_large_emd, root_emds
from .files import read_file
from .folder import check_folder, walk
from .names import package_name, shown
from .package import Package
from .references import resolve
from .rules import RULES, Rule, collector
from .unpack import unpack_entries

__all__ = [
    "RULES",
    "Package",
    "Rule",
    "check_container",
    "check_folder",
    "open_package",
    "peek_emd",
    "resolve",
]

Source = Union[str, "os.PathLike[str]"]

_JSON: Final = "the EMD text"


@contextmanager
def open_package(source: Source, *, workspace: Path | None = None) -> Iterator[Package]:
    """Open a package for the time of a ``with`` block.

    A .dlpk is checked, then unpacked into a new folder ``<workspace>/…/<name>.dlpk/``, named like
    the package as ArcGIS names it, which is removed at the end of the block. Anything else is used
    where it is and never changed.

    Parameters
    ----------
    source
        A .dlpk file, a folder with one .emd file, an .emd file, or the EMD as JSON text.
    workspace
        Existing folder to unpack into; a new temporary one by default.

    Yields
    ------
    Package
        Valid until the end of the block.

    Raises
    ------
    PackageError
        If there is no such package, it is unsafe or damaged, it holds not exactly one .emd file
        at its root, its EMD is not a JSON object, or it cannot be unpacked. The text lists
        everything found.
    """
    if isinstance(source, str) and source.lstrip("\ufeff \t\r\n").startswith("{"):
        emd = _parse(_JSON, source, _JSON)
        yield Package(_JSON, "json", "emd", None, None, source, emd)
        return
    given = os.fspath(source)
    if not given:
        raise PackageError("the name of the package is empty. Give a .dlpk, a folder or an .emd.")
    path = Path(os.path.abspath(given)) if "\0" not in given else Path(given)
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        mode = stat.S_IFREG  # what is wrong with it is said below
    if stat.S_ISDIR(mode):
        yield _open_folder(given, path)
    elif path.suffix.lower() == ".emd":
        yield _load(given, "emd", path.parent, path, path.stem, Report())
    else:
        findings = collector(path.name)
        handle = open_archive(Path(given), findings)
        if handle is None:
            raise _refusal(given, findings.report())
        with _unpacked(given, path, handle, findings, workspace) as package:
            yield package


@contextmanager
def _unpacked(
    given: str, path: Path, handle: BinaryIO, findings: Collector, workspace: Path | None
) -> Iterator[Package]:
    name = package_name(path.name)
    with ExitStack() as stack:
        stack.enter_context(handle)
        before = os.fstat(handle.fileno())
        try:
            entries = inspect_archive(handle, path.name, findings)
        except OSError as error:
            report_unreadable(path, error, findings)
        report = findings.report()
        if not report.ok:
            raise _refusal(given, report)
        root = _make_room(workspace, stack) / (name + ".dlpk")
        unpack_entries(handle, entries, root)
        after = os.fstat(handle.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise PackageError(
                f"{shown(given)} was written to while it was read. Try again once it is whole."
            )
        (emd,) = root_emds([entry.path for entry in entries if not entry.is_folder])
        yield _load(given, "dlpk", root, root / emd, name, report, path, handle)


def _make_room(workspace: Path | None, stack: ExitStack) -> Path:
    if workspace is not None and not workspace.is_dir():
        raise PackageError(f"the workspace {shown(str(workspace))} is no folder. Make it first.")
    try:
        return stack.enter_context(scratch_folder(workspace))
    except OSError as error:
        raise PackageError(
            f"there is no folder for temporary files: {error.strerror or error}. "
            "Set TMPDIR to a folder that can be written."
        ) from error


def _open_folder(given: str, path: Path) -> Package:
    findings = collector(path.name)
    try:
        names = sorted(name for name in os.listdir(path) if os.path.isfile(path / name))
    except OSError as error:
        report_unreadable(path, error, findings)
        raise _refusal(given, findings.report()) from error
    emds = root_emds(names)
    if len(emds) != 1:
        # Only now the folders below are worth a look: to say where the .emd file went.
        names = [name for name, _ in walk(path) if os.path.isfile(path / name)]
    check_emd_place(names, path.name, findings)
    report = findings.report()
    if not report.ok:
        raise _refusal(given, report)
    return _load(given, "folder", path, path / emds[0], package_name(path.name), report)


def _load(
    given: str,
    kind: str,
    root: Path,
    emd_path: Path,
    name: str,
    report: Report,
    archive: Path | None = None,
    opened: BinaryIO | None = None,
) -> Package:
    findings = collector(emd_path.name)
    data = b""
    try:
        data = read_file(emd_path, MAX_EMD)
    except OSError as error:
        report_cannot_open(emd_path, error, findings)
    if len(data) > MAX_EMD:
        report_large_emd(emd_path.name, os.path.getsize(emd_path), findings)
    if findings.has_errors:
        raise _refusal(given, findings.report())
    text = decode(data)
    emd = _parse(given, text, emd_path.name)
    return Package(given, kind, name, root, emd_path, text, emd, report, archive, opened)


def _parse(given: str, text: str, file: str) -> dict[str, Any]:
    emd, report = parse_emd(text, file=file)
    if emd is None:
        raise _refusal(given, report)
    return emd


def _refusal(given: str, report: Report) -> PackageError:
    """Return the error that lists all errors of a report."""
    lines = [f"{_place(finding)}{finding.message}. {finding.remedy}" for finding in report.errors]
    what = _JSON if given == _JSON else shown(given)
    if len(lines) == 1:
        return PackageError(f"cannot open {what}: {lines[0]}")
    return PackageError("\n  ".join([f"cannot open {what}, for these reasons:", *lines]))


def _place(finding: Finding) -> str:
    if finding.line is None:
        return ""
    return f"{finding.file}, line {finding.line}, column {finding.column}: "
