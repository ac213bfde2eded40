"""Read the directory of a zip strictly, and its entries with every size counted.

Python's `zipfile` stops at the first fault, believes the sizes that an archive announces and
differs between Python versions in what it lets through. Packages come from strangers: here every
fault is collected, and what was checked is exactly what is unpacked later, by the same reader.
Where readers may differ, `zipfile` is followed, as it is what arcgis.learn unpacks with.
"""

from __future__ import annotations

import os
import stat
import struct
import zlib
from dataclasses import dataclass, field, replace
from typing import BinaryIO, Final

from ..findings import Collector
from .formats import HEAD, recognise
from .names import place, plural, shown, shown_size, split_name

__all__ = ["MAX_ENTRIES", "Entry", "read_directory"]

MAX_ENTRIES: Final = 100_000
MAX_DIRECTORY: Final = 64 * 1024 * 1024
"""Largest central directory in bytes; it is read into memory."""

ENCRYPTED: Final = 0x1 | 0x40 | 0x2000
_DESCRIPTOR: Final = 0x8
_UTF8: Final = 0x800

_END: Final = struct.Struct("<4s4H2LH")
_END64: Final = struct.Struct("<4sQ2H2L4Q")
_LOCATOR: Final = struct.Struct("<4sLQL")
_CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
_LOCAL: Final = struct.Struct("<4s5H3L2H")
_ALL32: Final = 0xFFFFFFFF
_ALL16: Final = 0xFFFF

_AGAIN: Final = "Download or copy the file again, or zip the package anew."


@dataclass(frozen=True)
class Entry:
    """One entry of a zip, as its central directory describes it.

    `offset` and `data_offset` count from the start of the file; `data_offset` is -1 where the
    local header could not be used.
    """

    name: str
    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    attributes: int
    data_offset: int = field(default=-1, compare=False)

    @property
    def parts(self) -> list[str]:
        """The parts of the name; either slash separates them."""
        return split_name(self.name)

    @property
    def path(self) -> str:
        """The name with '/' between its parts and nothing superfluous."""
        return "/".join(self.parts)

    @property
    def is_folder(self) -> bool:
        """Whether the entry stands for a folder."""
        marked = stat.S_ISDIR(self.attributes >> 16) or bool(self.attributes & 0x10)
        return self.name.endswith(("/", "\\")) or (marked and self.size == self.packed == 0)

    @property
    def special(self) -> str:
        """What the entry is if neither file nor folder: ``'a link'``, ``'a device'``; else ''."""
        kind = stat.S_IFMT(self.attributes >> 16)
        if kind == stat.S_IFLNK or self.attributes & 0x400:
            return "a link"
        return "" if kind in (0, stat.S_IFREG, stat.S_IFDIR) else "a device, pipe or socket"


@dataclass(frozen=True)
class _End:
    """The end record: where the central directory lies."""

    start: int
    size: int
    count: int
    shift: int
    """Number of bytes that stand before the archive proper."""


def read_directory(handle: BinaryIO, findings: Collector) -> list[Entry] | None:
    """Read the list of entries and their local headers.

    Parameters
    ----------
    handle
        A regular file, open for reading.
    findings
        Takes what is wrong.

    Returns
    -------
    list of Entry or None
        None where there is no list to speak of; the reason is in `findings` then.
    """
    length = handle.seek(0, os.SEEK_END)
    end = _find_end(handle, length, findings)
    if end is None:
        return None
    handle.seek(end.start)
    block = handle.read(end.size)
    entries = _read_central(block, end, findings)
    entries = _read_local_headers(handle, entries, end, findings)
    _check_overlap(entries, findings)
    return entries


def _find_end(handle: BinaryIO, length: int, findings: Collector) -> _End | None:
    """Find the end record as `zipfile` does: right at the end, else the last before it."""
    tail_length = min(length, _END.size + _ALL16)
    handle.seek(length - tail_length)
    tail = handle.read(tail_length)
    at = len(tail) - _END.size
    if at < 0 or tail[at : at + 4] != b"PK\5\6" or tail[-2:] != b"\0\0":
        at = tail.rfind(b"PK\5\6")
    if at < 0 or at + _END.size > len(tail):
        _report_no_end(handle, length, findings)
        return None
    _, disk, first_disk, _, count, size, offset, comment = _END.unpack_from(tail, at)
    position = length - tail_length + at
    surplus = length - position - _END.size - comment
    if surplus > 0:
        findings.add(
            "container/trailing-data",
            f"{plural(surplus, 'byte')} stand behind the end of the archive",
            "Zip the package anew.",
        )
    elif surplus < 0:
        findings.add(
            "container/truncated", "the file ends within the archive's closing comment", _AGAIN
        )
        return None
    record = position
    if position >= _LOCATOR.size:
        handle.seek(position - _LOCATOR.size)
        mark, locator_disk, _, disks = _LOCATOR.unpack(handle.read(_LOCATOR.size))
        if mark == b"PK\6\7":
            record = position - _LOCATOR.size - _END64.size
            if record < 0:
                _damaged("its zip64 end record is missing", findings)
                return None
            handle.seek(record)
            fields = _END64.unpack(handle.read(_END64.size))
            if fields[0] != b"PK\6\6":
                _damaged("its zip64 end record is missing", findings)
                return None
            disk, first_disk, _, count, size, offset = fields[4:]
            disk = max(disk, locator_disk, disks - 1)
    if disk not in (0, _ALL16) or first_disk not in (0, _ALL16):
        findings.add(
            "container/multi-part",
            "this is the last part of an archive that is split over several files",
            "Join the parts, or zip the package in one file.",
        )
        return None
    start = record - size
    if start < 0 or start - offset < 0:
        _damaged(
            f"its directory of {shown_size(size)} at byte {offset:,} does not fit in front of "
            f"its end at byte {record:,}",
            findings,
        )
        return None
    if size > MAX_DIRECTORY or count > MAX_ENTRIES:
        _report_too_many(count, size, findings)
        return None
    if start - offset > 0:
        findings.add(
            "container/leading-data",
            f"{plural(start - offset, 'byte')} stand before the archive",
            "Zip the package anew.",
        )
    return _End(start, size, count, start - offset)


def _report_no_end(handle: BinaryIO, length: int, findings: Collector) -> None:
    handle.seek(0)
    head = handle.read(HEAD)
    if head[:4] in (b"PK\3\4", b"PK\7\x08", b"PK00"):
        findings.add(
            "container/truncated",
            f"the file begins as a zip, but of its end nothing is there; {length:,} bytes arrived",
            "Download or copy the file again and compare its size.",
        )
        return
    kind, remedy = recognise(head)
    findings.add("container/not-a-zip", f"this is not a zip archive: it is {kind}", remedy)


def _report_too_many(count: int, size: int, findings: Collector) -> None:
    findings.add(
        "container/too-many-entries",
        f"the archive lists {plural(count, 'entry|entries')} in {shown_size(size)}; at most "
        f"{MAX_ENTRIES:,} in {shown_size(MAX_DIRECTORY)} are read",
        "Leave out what the function does not need.",
    )


def _damaged(what: str, findings: Collector) -> None:
    findings.add("container/damaged-directory", f"the archive is damaged: {what}", _AGAIN)


def _read_central(block: bytes, end: _End, findings: Collector) -> list[Entry]:
    entries: list[Entry] = []
    at = 0
    while at < len(block):
        if len(entries) >= MAX_ENTRIES:
            _report_too_many(len(entries) + 1, end.size, findings)
            return entries
        header = block[at : at + _CENTRAL.size]
        if len(header) < _CENTRAL.size or header[:4] != b"PK\1\2":
            _damaged(f"number {len(entries) + 1} in its directory is no entry", findings)
            return entries
        fields = _CENTRAL.unpack(header)
        name_size, extra_size, comment_size = fields[10:13]
        at += _CENTRAL.size
        raw_name = block[at : at + name_size]
        extra = block[at + name_size : at + name_size + extra_size]
        at += name_size + extra_size + comment_size
        if at > len(block):
            _damaged(f"number {len(entries) + 1} in its directory is cut off", findings)
            return entries
        entries.append(_entry(fields, raw_name, extra, end.shift, findings))
    # Old writers without zip64 let the 16-bit count wrap around.
    if len(entries) != end.count and len(entries) & _ALL16 != end.count:
        _damaged(f"it announces {end.count:,} entries and lists {len(entries):,}", findings)
    return entries


def _entry(
    fields: tuple[int, ...], raw_name: bytes, extra: bytes, shift: int, findings: Collector
) -> Entry:
    _, _, _, flags, method, _, _, crc, packed, size, _, _, _, _, _, attributes, offset = fields
    name = _decode(raw_name, flags, findings)
    blocks = _extra_blocks(extra)
    wide = blocks.get(1, b"")
    values = []
    for value in (size, packed, offset):
        if value == _ALL32 and 1 in blocks:
            if len(wide) < 8:
                _damaged(f"the zip64 sizes of entry {shown(name)} are missing", findings)
                break
            value = int.from_bytes(wide[:8], "little")
            wide = wide[8:]
        values.append(value)
    else:
        size, packed, offset = values
    second = _second_name(blocks.get(0x7075, b""), raw_name)
    if second is not None and second != name:
        findings.add(
            "container/second-name",
            f"entry {shown(name)} has a second name, {shown(second)}",
            "Zip the package anew with plain ASCII names.",
            place(name),
        )
    return Entry(name, raw_name, flags, method, crc, packed, size, offset + shift, attributes)


def _decode(raw_name: bytes, flags: int, findings: Collector) -> str:
    if not flags & _UTF8:
        return raw_name.decode("cp437")
    try:
        return raw_name.decode("utf-8")
    except UnicodeDecodeError:
        name = raw_name.decode("utf-8", "replace")
        findings.add(
            "container/name-encoding",
            f"the name of entry {shown(name)} is marked as UTF-8 and is not",
            "Rename the file with plain ASCII letters and zip the package anew.",
            place(name),
        )
        return name


def _extra_blocks(extra: bytes) -> dict[int, bytes]:
    blocks: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(extra):
        key, size = struct.unpack_from("<HH", extra, at)
        blocks.setdefault(key, extra[at + 4 : at + 4 + size])
        at += 4 + size
    return blocks


def _second_name(block: bytes, raw_name: bytes) -> str | None:
    """Return the name in a Unicode Path extra field, if it belongs to `raw_name`."""
    if len(block) < 6 or block[0] != 1:
        return None
    if int.from_bytes(block[1:5], "little") != zlib.crc32(raw_name):
        return None
    return block[5:].decode("utf-8", "replace")


def _read_local_headers(
    handle: BinaryIO, entries: list[Entry], end: _End, findings: Collector
) -> list[Entry]:
    """Compare each entry with the header in front of its data, and find the data."""
    checked = []
    for entry in entries:
        file = place(entry.name)
        header = b""
        if 0 <= entry.offset <= end.start - _LOCAL.size:
            handle.seek(entry.offset)
            header = handle.read(_LOCAL.size)
        if header[:4] != b"PK\3\4":
            findings.add(
                "container/truncated-entry",
                f"there is no entry {shown(entry.name)} at byte {entry.offset:,}, where the "
                "directory has it",
                _AGAIN,
                file,
            )
            checked.append(entry)
            continue
        _, _, flags, method, _, _, crc, packed, size, name_size, extra_size = _LOCAL.unpack(header)
        raw_name = handle.read(name_size)
        data_offset = entry.offset + _LOCAL.size + name_size + extra_size
        differs = []
        if raw_name != entry.raw_name:
            other = raw_name.decode("utf-8" if flags & _UTF8 else "cp437", "replace")
            differs.append(f"the name {shown(other)}")
        if method != entry.method:
            differs.append(f"compression method {method} instead of {entry.method}")
        if (flags ^ entry.flags) & 0x1:
            differs.append("another answer to whether it is encrypted")
        if not flags & _DESCRIPTOR and not (crc == packed == size == 0):
            wide = (entry.packed if packed == _ALL32 else packed) != entry.packed or (
                entry.size if size == _ALL32 else size
            ) != entry.size
            if wide or crc != entry.crc:
                differs.append("another size or checksum")
        if differs:
            findings.add(
                "container/local-header",
                f"in front of the data of entry {shown(entry.name)} stands {', '.join(differs)}",
                "Take the file from its author again; zip the package anew.",
                file,
            )
        if data_offset + entry.packed > end.start:
            findings.add(
                "container/truncated-entry",
                f"the data of entry {shown(entry.name)} reach beyond the place for data",
                _AGAIN,
                file,
            )
            data_offset = -1
        checked.append(replace(entry, data_offset=data_offset))
    return checked


def _check_overlap(entries: list[Entry], findings: Collector) -> None:
    reached = 0
    last = ""
    for entry in sorted(entries, key=lambda entry: entry.offset):
        if entry.offset < reached:
            findings.add(
                "container/overlap",
                f"the data of entries {shown(last)} and {shown(entry.name)} overlap",
                "Do not unpack it; take the file from its author again.",
                place(entry.name),
            )
        end = entry.data_offset + entry.packed if entry.data_offset >= 0 else entry.offset + 1
        if end > reached:
            reached, last = end, entry.name
