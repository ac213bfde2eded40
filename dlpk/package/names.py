"""Names of a package's entries: what they mean, and what Windows makes of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from schemas.findings import printable

from ..findings import Collector

MAX_NAME: Final = 1024
"""Longest path in characters that is looked at further; Windows stops far earlier."""
MAX_PARTS: Final = 64
MAX_PART: Final = 255
"""Longest file name, in UTF-16 units (NTFS) and in bytes (Linux)."""
MAX_WINDOWS_PATH: Final = 259
"""MAX_PATH is 260 and counts the terminating zero."""

# The folder ArcGIS Pro unpacks into, with the longest user name Windows allows (20) and a
# process id of five digits: a package is checked for the machine of whoever receives it.
_UNPACK_FOLDER: Final = (
    "C:\\Users\\" + "u" * 20 + "\\AppData\\Local\\Temp\\ArcGISProTemp" + "0" * 5 + "\\"
)
_DEVICES: Final = re.compile(
    r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[1-9\u00b9\u00b2\u00b3])[ ]*(\.|$)", re.IGNORECASE
)
_REFUSED: Final = re.compile(r'[<>:"|?*\\\x00-\x1f]')
_REZIP: Final = "Zip the package anew from inside its folder (dlpk pack does)."
_PLAIN: Final = "Rename it with plain letters a-z, digits, '-' and '_'."
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_JUNK_FOLDERS: Final = frozenset({"__macosx", "__pycache__", ".git", ".svn", ".ipynb_checkpoints"})
_JUNK_FILES: Final = frozenset({".ds_store", "thumbs.db", "desktop.ini"})


def place(name: str) -> str:
    """Return `name` fit for a report: printable, on one line, of bounded length."""
    return printable(name if len(name) <= 120 else name[:80] + "\u2026" + name[-30:])


def shown(name: str) -> str:
    """Return `name` quoted for a message."""
    return f"'{place(name)}'"


def plural(count: int, noun: str) -> str:
    """Return ``1 file`` or ``2 files``; `noun` may be given with its plural, ``entry|entries``."""
    one, _, many = noun.partition("|")
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def shown_size(count: int) -> str:
    """Return a number of bytes in words."""
    size = float(count)
    for unit in ("bytes", "KB", "MB", "GB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:,.1f} TB"


def split_name(name: str) -> list[str]:
    """Split an entry's name into its parts; either slash separates, '.' and '' vanish."""
    return [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]


def windows_key(path: str) -> str:
    """Return what Windows compares names by: each letter in upper case, one for one.

    `str.upper` is not it: it turns the German sharp s into two letters, Windows does not.
    """
    if path.isascii():
        return path.upper()
    return "".join(u if len(u := c.upper()) == 1 else c for c in path)


def unpacked_length(package: str, path: str) -> int:
    """Return the length of `path` once ArcGIS Pro has unpacked `package`, in UTF-16 units."""
    full = _UNPACK_FOLDER + package + ".dlpk\\" + path
    return len(full.encode("utf-16-le", "surrogatepass")) // 2


def package_name(file: str) -> str:
    """Return the name of a package from that of its file or folder."""
    return file[: -len(".dlpk")] if file.lower().endswith(".dlpk") else file


def is_junk(parts: list[str]) -> bool:
    """Tell whether a path is something an operating system or tool left behind."""
    lower = [part.lower() for part in parts]
    return any(part in _JUNK_FOLDERS for part in lower) or (
        bool(lower) and (lower[-1] in _JUNK_FILES or lower[-1].startswith("._"))
    )


def check_prefix(name: str, findings: Collector) -> str:
    """Report a root, drive, '..' or odd separators in an entry's name; return it without root."""

    def report(rule: str, what: str) -> None:
        findings.add(rule, f"the name of entry {shown(name)} {what}", _REZIP, place(name))

    forward = rest = name.replace("\\", "/")
    if "\\" in name:
        report("container/backslash", "separates folders with backslashes")
    absolute = True
    if forward.startswith("//"):
        report("container/absolute-path", "starts with a network share or device")
    elif forward.startswith("/"):
        report("container/absolute-path", "starts at the root of the disk")
    elif _DRIVE.match(forward):
        report("container/absolute-path", "starts with a drive letter")
        rest = forward[2:]
    else:
        absolute = False
    pieces = rest.strip("/").split("/")
    if ".." in pieces:
        report("container/parent-path", "climbs out of its folder with '..'")
    if "." in pieces or (not absolute and "" in rest.rstrip("/").split("/") and rest.strip("/")):
        report("container/dot-part", "holds an empty part or '.'")
    return rest


def check_parts(parts: list[str], package: str, findings: Collector) -> None:
    """Report what Windows refuses in, or makes of, the path `parts` of the package `package`."""
    path = "/".join(parts)

    def report(rule: str, message: str, remedy: str) -> None:
        findings.add(rule, message, remedy, place(path))

    if (
        len(path) > MAX_NAME
        or len(parts) > MAX_PARTS
        or any(_longest(part) > MAX_PART for part in parts)
    ):
        report(
            "container/name-too-long",
            f"the name {shown(path)} has {plural(len(path), 'character')} in "
            f"{plural(len(parts), 'part')}; a part may have {MAX_PART}",
            "Shorten the file's name or its folders' names.",
        )
        return
    for part in parts:
        if part == "..":
            continue
        where = shown(part) if part == path else f"{shown(part)} in {shown(path)}"
        if _DEVICES.match(part):
            what = f"{where} is the name of a device on Windows"
            report("container/reserved-name", what, "Rename it.")
        if part[-1] in ". ":
            what, remedy = f"{where} ends with a dot or a space", "Rename it without that."
            report("container/trailing-dot-or-space", what, remedy)
        refused = sorted(set(_REFUSED.findall(part)))
        if refused:
            listed = " ".join(c if c.isprintable() else f"U+{ord(c):04X}" for c in refused)
            what = f"{where} holds what Windows refuses in names: {listed}"
            report("container/windows-character", what, _PLAIN)
    if not path.isascii():
        what = f"the name {shown(path)} holds characters beyond ASCII"
        report("container/non-ascii", what, _PLAIN)
    length = unpacked_length(package, path)
    if length > MAX_WINDOWS_PATH:
        report(
            "container/path-too-long",
            f"unpacked by ArcGIS Pro, {shown(path)} gets a path of up to {length} characters; "
            f"Windows programs stop at {MAX_WINDOWS_PATH}",
            "Shorten the names of the package, the folders or the file.",
        )


def check_package_name(file: str, findings: Collector) -> None:
    """Report what is wrong with the name of the .dlpk file itself."""
    if not file.lower().endswith(".dlpk"):
        findings.add(
            "container/extension",
            f"{shown(file)} does not end in .dlpk",
            "Rename it to .dlpk.",
            place(file),
        )
    if not file.isascii():
        findings.add(
            "container/non-ascii",
            f"the name of the package, {shown(file)}, holds characters beyond ASCII",
            _PLAIN,
            place(file),
        )


def check_equal(path: str, seen: dict[str, str], findings: Collector) -> None:
    """Report that a file has the name of one before it; `seen` maps Windows's names to ours."""
    key = windows_key(path)
    if key not in seen:
        seen[key] = path
        return
    first = seen[key]
    rule, message = "container/duplicate-entry", f"there are two entries named {shown(path)}"
    if first != path:
        rule = "container/case-collision"
        message = f"the names {shown(first)} and {shown(path)} are the same on Windows"
    findings.add(rule, message, "Rename or remove one of them.", place(path))


def check_junk(paths: Iterable[list[str]], findings: Collector) -> None:
    """Report what operating systems and tools left behind, all in one."""
    junk = ["/".join(parts) for parts in paths if is_junk(parts)]
    if junk:
        findings.add(
            "container/junk",
            f"the package holds {plural(len(junk), 'item')} of no use to ArcGIS, "
            f"such as {shown(junk[0])}",
            "Leave such things out; dlpk build does.",
            place(junk[0]),
        )


def _longest(part: str) -> int:
    """Return the length of a file name in the unit that runs out first."""
    if part.isascii():
        return len(part)
    return max(
        len(part.encode("utf-8", "surrogatepass")),
        len(part.encode("utf-16-le", "surrogatepass")) // 2,
    )
