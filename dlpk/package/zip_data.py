"""Unpack the data of one zip entry in pieces of bounded size, believing no announced size."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, Final

from ..errors import PackageError
from .names import shown

if TYPE_CHECKING:
    from .zip_reader import Entry

__all__ = ["DEFLATED", "METHODS", "STORED", "EntryError", "unpack"]

STORED: Final = 0
DEFLATED: Final = 8
METHODS: Final = (STORED, DEFLATED)
"""The two ways of compression that every reader of zips knows; no package has others."""

_CHUNK: Final = 1024 * 1024


class EntryError(PackageError):
    """The data of one entry cannot be unpacked."""

    @property
    def what(self) -> str:
        """What is wrong, without what to do about it."""
        return str(self).partition(". ")[0]


def unpack(handle: BinaryIO, entry: Entry) -> Iterator[bytes]:
    """Yield the data of `entry`, at most 1 MiB at a time.

    Nothing beyond the announced size is yielded, whatever the data hold.

    Parameters
    ----------
    handle
        The archive, open for reading; its position is moved.
    entry
        An entry of the archive whose `data_offset` is known.

    Raises
    ------
    EntryError
        If the data are damaged, do not match the checksum, or are more or fewer than announced.
    """
    name = shown(entry.name)
    again = "The archive is damaged: download or copy it again."
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
                    f"entry {name} announces {entry.size:,} bytes and holds more. {again}"
                )
            checksum = zlib.crc32(piece, checksum)
            yield piece
    except zlib.error as error:
        raise EntryError(f"the compressed data of entry {name} are damaged. {again}") from error
    if count < entry.size:
        raise EntryError(
            f"entry {name} announces {entry.size:,} bytes and holds {count:,}. {again}"
        )
    if checksum != entry.crc:
        raise EntryError(f"the data of entry {name} do not match their checksum. {again}")


def _decode(handle: BinaryIO, entry: Entry) -> Iterator[bytes]:
    handle.seek(entry.data_offset)
    left = entry.packed
    decoder = zlib.decompressobj(-zlib.MAX_WBITS) if entry.method == DEFLATED else None
    while left > 0:
        data = handle.read(min(_CHUNK, left))
        if not data:  # the file ends too early, which the count shows
            return
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
