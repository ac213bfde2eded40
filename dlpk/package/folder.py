"""Judge an unzipped package: what ArcGIS, or whoever zips it, would trip over."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from schemas.findings import Report

from ..findings import Collector
from .archive import report_missing, report_unreadable
from .emd_place import MAX_EMD, check_emd_place, report_large_emd
from .names import check_equal, check_junk, check_parts, is_junk, package_name, place, shown
from .rules import collector
from .zip_reader import MAX_ENTRIES


def check_folder(path: str | os.PathLike[str]) -> Report:
    """Report everything wrong with a folder that holds an unzipped package.

    Nothing is changed, run or followed out of the folder.
    """
    root = Path(path)
    findings = collector(root.name or str(root))
    try:
        mode = os.stat(root).st_mode
    except (FileNotFoundError, NotADirectoryError):
        report_missing(root, findings)
        return findings.report()
    except (OSError, ValueError) as error:
        report_unreadable(root, error, findings)
        return findings.report()
    if not stat.S_ISDIR(mode):
        findings.add(
            "container/not-a-folder",
            f"{shown(str(root))} is not a folder",
            "Name the folder that holds the .emd file.",
            root.name,
        )
        return findings.report()
    _check_contents(root, findings)
    return findings.report()


def walk(root: Path, findings: Collector | None = None) -> Iterator[tuple[str, os.stat_result]]:
    """Yield each path below `root`, relative and with '/', with what it is itself.

    Links are yielded and not followed; folders that tools left behind are yielded and not
    entered. At most `MAX_ENTRIES` paths come, in the order of their names.
    """

    def unreadable(error: OSError) -> None:
        if findings is not None:
            report_unreadable(Path(str(error.filename)), error, findings)

    count = 0
    for folder, folders, files in os.walk(root, onerror=unreadable):
        relative = os.path.relpath(folder, root)
        prefix = "" if relative == "." else relative.replace(os.sep, "/") + "/"
        names = sorted(folders) + sorted(files)
        folders[:] = [name for name in sorted(folders) if not is_junk([name])]
        for name in names:
            count += 1
            if count > MAX_ENTRIES:
                if findings is not None:
                    findings.add(
                        "container/too-many-entries",
                        f"{shown(str(root))} holds more than {MAX_ENTRIES:,} files and folders",
                        "Name the folder of one package, not one above it.",
                    )
                return
            try:
                status = os.lstat(os.path.join(folder, name))
            except OSError as error:
                unreadable(error)
                continue
            yield prefix + name, status


def is_inside(path: Path, root: Path) -> bool:
    """Tell whether `path`, all links followed, lies in `root` or is `root`."""
    real, base = os.path.realpath(path), os.path.realpath(root)
    try:
        return os.path.commonpath([real, base]) == base
    except ValueError:  # on another drive
        return False


def _check_contents(root: Path, findings: Collector) -> None:
    package = package_name(root.resolve().name)
    files: list[str] = []
    junk: list[list[str]] = []
    seen: dict[str, str] = {}
    for path, status in walk(root, findings):
        parts = path.split("/")
        if is_junk(parts):
            junk.append(parts)
            continue
        check_parts(parts, package, findings)
        if stat.S_ISDIR(status.st_mode):
            continue
        check_equal(path, seen, findings)
        if os.path.isfile(root / path):
            files.append(path)
        if stat.S_ISLNK(status.st_mode):
            _check_link(root, path, findings)
        elif not stat.S_ISREG(status.st_mode):
            what = f"{shown(path)} is a device, pipe or socket"
            findings.add("container/special-entry", what, "Remove it.", place(path))
        elif path.lower().endswith(".emd") and status.st_size > MAX_EMD:
            report_large_emd(path, status.st_size, findings)
    check_junk(junk, findings)
    check_emd_place(files, root.name or str(root), findings)


def _check_link(root: Path, path: str, findings: Collector) -> None:
    link, remedy = root / path, "Put the file itself there."
    try:
        exists = link.exists()
    except (OSError, RuntimeError):  # a loop of links
        exists = False
    if not exists:
        what = f"the link {shown(path)} leads nowhere"
        findings.add("container/broken-link", what, remedy, place(path))
    elif not is_inside(link, root):
        to = shown(os.path.realpath(link))
        what = f"the link {shown(path)} leads out of the package, to {to}"
        findings.add("container/link-outside", what, remedy, place(path))
