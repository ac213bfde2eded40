"""Unpack the data of one zip entry in pieces of bounded size, believing no announced size."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, Final

from ..errors import PackageError
from .names import shown

if TYPE_CHECKING:
    from .zip_reader import Entry

STORED: Final = 0
DEFLATED: Final = 8
METHODS: Final = (STORED, DEFLATED)
"""The two ways of compression that every reader of zips knows; no package has others."""

_CHUNK: Final = 1024 * 1024
_AGAIN: Final = "The archive is damaged: download or copy it again."


class EntryError(PackageError):
    """The data of one entry cannot be unpacked."""


def unpack(handle: BinaryIO, entry: Entry) -> Iterator[bytes]:
    """Yield the data of an entry whose place is known, some 1 MiB at a time, none beyond its size.

    Raises
    ------
    EntryError
        If the data are damaged, do not match the checksum, or are more or fewer than announced.
    """
    name = shown(entry.name)
    if entry.method not in METHODS:
        raise EntryError(
            f"entry {name} is compressed with method {entry.method}. Zip the package anew with "
            "deflate."
        )
    checksum = count = 0
    try:
        for piece in _decode(handle, entry):
            count += len(piece)
            if count > entry.size:
                raise EntryError(
                    f"entry {name} announces {entry.size:,} bytes and holds more. {_AGAIN}"
                )
            checksum = zlib.crc32(piece, checksum)
            yield piece
    except zlib.error as error:
        raise EntryError(f"the compressed data of entry {name} are damaged. {_AGAIN}") from error
    if count < entry.size:
        raise EntryError(
            f"entry {name} announces {entry.size:,} bytes and holds {count:,}. {_AGAIN}"
        )
    if checksum != entry.crc:
        raise EntryError(f"the data of entry {name} do not match their checksum. {_AGAIN}")


def _decode(handle: BinaryIO, entry: Entry) -> Iterator[bytes]:
    handle.seek(entry.data_offset)
    left = entry.packed
    decoder = zlib.decompressobj(-zlib.MAX_WBITS) if entry.method == DEFLATED else None
    while left > 0 and (data := handle.read(min(_CHUNK, left))):
        left -= len(data)
        if decoder is None:
            yield data
            continue
        while data and not decoder.eof:
            yield decoder.decompress(data, _CHUNK)
            data = decoder.unconsumed_tail
        if decoder.eof:
            return
    if decoder is not None:
        yield decoder.flush()
