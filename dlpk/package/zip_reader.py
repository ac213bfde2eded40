"""Read the directory of a zip strictly: what is announced is compared before it is believed.

Python's `zipfile` lists the entries, as it does for arcgis.learn; but it takes memory for as many
as there are, and compares neither their number nor the headers in front of their data.
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass, field, replace
from typing import BinaryIO, Final

from ..findings import Collector
from .formats import HEAD, recognise
from .names import place, plural, shown, shown_size, split_name

MAX_ENTRIES: Final = 100_000
MAX_DIRECTORY: Final = 64 * 1024 * 1024
"""Largest directory in bytes; it is read into memory."""

ENCRYPTED: Final = 0x1 | 0x40 | 0x2000
_DESCRIPTOR: Final = 0x8
_UTF8: Final = 0x800

_END: Final = struct.Struct("<4s4H2LH")
_END64: Final = struct.Struct("<4sQ2H2L4Q")
_LOCATOR: Final = struct.Struct("<4sLQL")
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
    """The end record: where the directory lies, and how many entries it announces."""

    start: int
    size: int
    count: int


def read_directory(handle: BinaryIO, findings: Collector) -> list[Entry]:
    """Return the entries of an open file, in the directory's order, and report what is wrong."""
    length = handle.seek(0, os.SEEK_END)
    end = _find_end(handle, length, findings)
    if end is None:
        return []
    handle.seek(end.start)
    count = handle.read(end.size).count(b"PK\1\2")  # `zipfile` takes memory for each
    if count > MAX_ENTRIES:
        _report_too_many(count, end.size, findings)
        return []
    try:
        with zipfile.ZipFile(handle) as archive:
            infos, start = archive.infolist(), archive.start_dir
    except UnicodeDecodeError:
        findings.add(
            "container/name-encoding",
            "the name of an entry is marked as UTF-8 and is not",
            "Rename the file with plain ASCII letters and zip the package anew.",
        )
        return []
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, struct.error) as error:
        _damaged(f"Python says of its directory: {error}", findings)
        return []
    # Old writers without zip64 let the 16-bit count wrap around.
    if start != end.start or end.count not in (len(infos), len(infos) & _ALL16):
        _damaged(f"it announces {end.count:,} entries and lists {len(infos):,}", findings)
    entries = [_read_local_header(handle, info, end, findings) for info in infos]
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
            record = max(0, position - _LOCATOR.size - _END64.size)
            handle.seek(record)
            fields = _END64.unpack(handle.read(_END64.size).ljust(_END64.size, b"\0"))
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
    if start < offset:
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
    return _End(start, size, count)


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


def _second_name(info: zipfile.ZipInfo) -> str | None:
    """Return the name in a Unicode Path extra field, if it belongs to the entry's own."""
    at = 0
    while at + 4 <= len(info.extra):
        key, size = struct.unpack_from("<HH", info.extra, at)
        block = info.extra[at + 4 : at + 4 + size]
        at += 4 + size
        own = zlib.crc32(_raw_name(info)).to_bytes(4, "little")
        if key == 0x7075 and block[:5] == b"\1" + own:
            return block[5:].decode("utf-8", "replace")
    return None


def _raw_name(info: zipfile.ZipInfo) -> bytes:
    return info.orig_filename.encode("utf-8" if info.flag_bits & _UTF8 else "cp437")


def _read_local_header(
    handle: BinaryIO, info: zipfile.ZipInfo, end: _End, findings: Collector
) -> Entry:
    """Compare an entry with the header in front of its data, and find the data."""
    name, at = info.orig_filename, info.header_offset
    entry = Entry(
        name=name,
        flags=info.flag_bits,
        method=info.compress_type,
        crc=info.CRC,
        packed=info.compress_size,
        size=info.file_size,
        offset=at,
        attributes=info.external_attr,
    )
    second = _second_name(info)
    if second is not None and second != name:
        findings.add(
            "container/second-name",
            f"entry {shown(name)} has a second name, {shown(second)}",
            "Zip the package anew with plain ASCII names.",
            place(name),
        )
    header = b""
    if 0 <= at <= end.start - _LOCAL.size:
        handle.seek(at)
        header = handle.read(_LOCAL.size)
    if header[:4] != b"PK\3\4":
        findings.add(
            "container/truncated-entry",
            f"there is no entry {shown(name)} at byte {at:,}, where the directory has it",
            _AGAIN,
            place(name),
        )
        return entry
    _, _, flags, method, _, _, crc, packed, size, name_size, extra_size = _LOCAL.unpack(header)
    raw_name = handle.read(name_size)
    differs = []
    if raw_name != _raw_name(info):
        other = raw_name.decode("utf-8" if flags & _UTF8 else "cp437", "replace")
        differs.append(f"the name {shown(other)}")
    if method != entry.method:
        differs.append(f"compression method {method} instead of {entry.method}")
    if (flags ^ entry.flags) & 0x1:
        differs.append("another answer to whether it is encrypted")
    if not flags & _DESCRIPTOR and (crc, packed, size) != (0, 0, 0):
        wide = packed not in (_ALL32, entry.packed) or size not in (_ALL32, entry.size)
        if wide or crc != entry.crc:
            differs.append("another size or checksum")
    if differs:
        findings.add(
            "container/local-header",
            f"in front of the data of entry {shown(name)} stands {', '.join(differs)}",
            "Take the file from its author again; zip the package anew.",
            place(name),
        )
    data_offset = at + _LOCAL.size + name_size + extra_size
    if data_offset + entry.packed > end.start:
        findings.add(
            "container/truncated-entry",
            f"the data of entry {shown(name)} reach beyond the place for data",
            _AGAIN,
            place(name),
        )
        return entry
    return replace(entry, data_offset=data_offset)


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
