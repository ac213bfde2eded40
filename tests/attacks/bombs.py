"""Zip bombs, each of its own kind."""

from __future__ import annotations

import struct

from tests.attacks.crafted import Archive, Crafted, package, zeros_deflated

MIB = 1 << 20


def overlapping(count: int) -> bytes:
    """Return a zip whose directory names one kernel of data many times."""
    kernel = Crafted(b"kernel.bin", packed=zeros_deflated(64), size=64 * MIB, crc=0)
    entries = package(kernel)
    Archive(entries).build()  # fixes the offset
    entries += [
        Crafted(
            b"copy%04d.bin" % number,
            at=kernel.offset,
            packed_size=len(kernel.packed or b""),
            size=64 * MIB,
            crc=0,
        )
        for number in range(count)
    ]
    return Archive(entries).build()


def quoted_overlap(count: int) -> bytes:
    """Return a zip whose entries quote the headers of the next ones in stored deflate blocks."""
    kernel = zeros_deflated(32)
    names = [b"quote%03d.bin" % number for number in range(count)]
    headers: list[bytes] = []
    body = kernel
    sizes: list[tuple[int, int]] = []
    size = 32 * MIB
    for name in reversed(names):
        sizes.insert(0, (len(body), size))
        header = struct.pack(
            "<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 0x21, 0, len(body), size, len(name), 0
        )
        headers.insert(0, header + name)
        quoted = header + name
        body = b"\x00" + struct.pack("<HH", len(quoted), len(quoted) ^ 0xFFFF) + quoted + body
        size += len(quoted)
    whole = headers[0] + body[5 + len(headers[0]) :]
    start = _prefix_length()
    entries = package(Crafted(names[0], packed=whole[len(headers[0]) :], size=sizes[0][1], crc=0))
    at = start
    for number, name in enumerate(names[1:], 1):
        at += len(headers[number - 1]) + 5
        entries.append(
            Crafted(name, at=at, packed_size=sizes[number][0], size=sizes[number][1], crc=0)
        )
    return Archive(entries).build()


def _prefix_length() -> int:
    """Return how many bytes the entries of an honest package take."""
    return Archive(package()).build().index(b"PK\1\2")


def nested(depth: int) -> bytes:
    """Return zip in zip in zip ... around a bomb."""
    data = Archive([Crafted(b"bomb.bin", packed=zeros_deflated(300), size=300 * MIB)]).build()
    for level in range(depth):
        data = Archive([Crafted(b"level%d.zip" % level, data)]).build()
    return data
