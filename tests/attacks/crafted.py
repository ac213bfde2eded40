"""Write zips that no honest tool writes: every field of every header can lie."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

STORED, DEFLATED = 0, 8

EMD = (
    b'{"ModelType": "ImageClassification", "InferenceFunction": "Model.py", "ImageHeight": 64, '
    b'"ImageWidth": 64, "ExtractBands": [0, 1, 2], '
    b'"Classes": [{"Value": 1, "Name": "water", "Color": [0, 0, 255]}]}'
)
FUNCTION = b"class Model:\n    def __init__(self):\n        self.name = 'Model'\n"


def deflate(data: bytes) -> bytes:
    """Return `data` as a raw deflate stream."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


def zeros_deflated(mebibytes: int) -> bytes:
    """Return a raw deflate stream that unpacks to so many MiB of zeros, made in no time."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    head = compressor.compress(bytes(1 << 20)) + compressor.flush(zlib.Z_FULL_FLUSH)
    # After a full flush a block refers to nothing before it, so it can be repeated.
    block = compressor.compress(bytes(1 << 20)) + compressor.flush(zlib.Z_FULL_FLUSH)
    return head + block * (mebibytes - 1) + compressor.flush()


@dataclass
class Crafted:
    """One entry; what is None follows from the data, as an honest writer has it.

    `local_*` stand in the header in front of the data, the rest in the central directory.
    `at` points the directory to another header; `hidden` leaves the entry out of the directory.
    """

    name: bytes
    data: bytes = b""
    method: int = DEFLATED
    packed: bytes | None = None
    flags: int = 0
    size: int | None = None
    packed_size: int | None = None
    crc: int | None = None
    mode: int = 0o100644
    attributes: int = 0
    extra: bytes = b""
    at: int | None = None
    hidden: bool = False
    local_name: bytes | None = None
    local_method: int | None = None
    local_flags: int | None = None
    local_size: int | None = None
    local_crc: int | None = None
    local_extra: bytes = b""
    disk: int = 0
    offset: int = field(default=0, init=False)


@dataclass
class Archive:
    """A zip to be; call `build` for its bytes."""

    entries: list[Crafted]
    prefix: bytes = b""
    suffix: bytes = b""
    comment: bytes = b""
    count: int | None = None
    directory_size: int | None = None
    directory_offset: int | None = None
    disk: int = 0
    zip64: bool = False

    def build(self) -> bytes:
        """Return the file."""
        body = bytearray()
        for entry in self.entries:
            entry.offset = len(body)
            body += _local(entry)
        directory = b"".join(_central(entry) for entry in self.entries if not entry.hidden)
        start = len(body)
        body += directory
        count = sum(not entry.hidden for entry in self.entries)
        count = count if self.count is None else self.count
        size = len(directory) if self.directory_size is None else self.directory_size
        offset = start if self.directory_offset is None else self.directory_offset
        if self.zip64:
            record = len(body)
            numbers = (44, 45, 45, 0, 0, count, count, size, offset)
            body += struct.pack("<4sQ2H2L4Q", b"PK\6\6", *numbers)
            body += struct.pack("<4sLQL", b"PK\6\7", 0, record, 1)
            count, size, offset = 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF
        body += struct.pack(
            "<4s4H2LH",
            b"PK\5\6",
            self.disk,
            self.disk,
            count & 0xFFFF,
            count & 0xFFFF,
            size,
            offset,
            len(self.comment),
        )
        return self.prefix + bytes(body) + self.comment + self.suffix


def package(*more: Crafted) -> list[Crafted]:
    """Return the entries of a small honest package, and `more`."""
    return [Crafted(b"Model.emd", EMD), Crafted(b"Model.py", FUNCTION), *more]


def _packed(entry: Crafted) -> bytes:
    if entry.packed is not None:
        return entry.packed
    return deflate(entry.data) if entry.method == DEFLATED else entry.data


def _either(value: int | None, otherwise: int) -> int:
    return otherwise if value is None else value


def _local(entry: Crafted) -> bytes:
    packed = _packed(entry)
    name = entry.name if entry.local_name is None else entry.local_name
    header = struct.pack(
        "<4s5H3L2H",
        b"PK\3\4",
        20,
        _either(entry.local_flags, entry.flags),
        _either(entry.local_method, entry.method),
        0,
        0x21,
        _either(entry.local_crc, _either(entry.crc, zlib.crc32(entry.data))),
        _either(entry.packed_size, len(packed)),
        _either(entry.local_size, _either(entry.size, len(entry.data))),
        len(name),
        len(entry.local_extra),
    )
    return header + name + entry.local_extra + packed


def _central(entry: Crafted) -> bytes:
    header = struct.pack(
        "<4s6H3L5H2L",
        b"PK\1\2",
        (3 << 8) | 20,
        20,
        entry.flags,
        entry.method,
        0,
        0x21,
        _either(entry.crc, zlib.crc32(entry.data)),
        _either(entry.packed_size, len(_packed(entry))),
        _either(entry.size, len(entry.data)),
        len(entry.name),
        len(entry.extra),
        0,
        entry.disk,
        0,
        (entry.mode << 16) | entry.attributes,
        _either(entry.at, entry.offset),
    )
    return header + entry.name + entry.extra
