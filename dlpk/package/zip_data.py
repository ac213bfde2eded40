"""Unpack the data of one zip entry in pieces of bounded size, believing no announced size."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, Final

from ..errors import PackageError
from .names import shown

if TYPE_CHECKING:
    from typing import Protocol

    from .zip_reader import Entry

    class _Decoder(Protocol):
        @property
        def eof(self) -> bool: ...
        @property
        def needs_input(self) -> bool: ...
        def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


__all__ = ["BZIP2", "COMMON", "DEFLATED", "LZMA", "METHOD_NAMES", "STORED", "EntryError", "unpack"]

STORED: Final = 0
DEFLATED: Final = 8
BZIP2: Final = 12
LZMA: Final = 14
COMMON: Final = (STORED, DEFLATED)
METHOD_NAMES: Final = {
    1: "Shrink",
    6: "Implode",
    9: "Deflate64",
    10: "IBM TERSE",
    12: "bzip2",
    14: "LZMA",
    20: "an old Zstandard",
    93: "Zstandard",
    95: "xz",
    97: "WavPack",
    98: "PPMd",
    99: "AES encryption",
}

_AGAIN: Final = "The archive is damaged: download or copy it again."
_CHUNK: Final = 1024 * 1024
_INPUT: Final = 128 * 1024
_LZMA_DICTIONARY: Final = 256 * 1024 * 1024
"""Largest dictionary in bytes; the decoder allocates what the entry asks for."""


class EntryError(PackageError):
    """The data of one entry cannot be unpacked.

    Parameters
    ----------
    what, remedy
        The two halves of the message.
    """

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}. {remedy}")
        self.what = what
        self.remedy = remedy


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
    checksum = 0
    count = 0
    try:
        for piece in _decode(handle, entry):
            count += len(piece)
            if count > entry.size:
                raise EntryError(
                    f"entry {shown(entry.name)} announces {entry.size:,} bytes and holds more",
                    "The archive is damaged or forged: take it from its author again.",
                )
            checksum = zlib.crc32(piece, checksum)
            yield piece
    except (_DamageError, EOFError) as error:
        raise EntryError(
            f"the compressed data of entry {shown(entry.name)} are damaged ({error})", _AGAIN
        ) from error
    if count < entry.size:
        raise EntryError(
            f"entry {shown(entry.name)} announces {entry.size:,} bytes and holds {count:,}", _AGAIN
        )
    if checksum != entry.crc:
        raise EntryError(
            f"the data of entry {shown(entry.name)} do not match their checksum", _AGAIN
        )


def _decode(handle: BinaryIO, entry: Entry) -> Iterator[bytes]:
    handle.seek(entry.data_offset)
    left = entry.packed
    if entry.method == STORED:
        while left > 0:
            data = handle.read(min(_CHUNK, left))
            if not data:
                raise EOFError("the file ends too early")
            left -= len(data)
            yield data
        return
    decoder, left = _decoder(handle, entry)
    while not decoder.eof:
        data = b""
        if decoder.needs_input and left > 0:
            data = handle.read(min(_INPUT, left))
            if not data:
                raise EOFError("the file ends too early")
            left -= len(data)
        try:
            piece = decoder.decompress(data, _CHUNK)
        except Exception as error:  # each decoder has its own kind, bz2 even OSError
            raise _DamageError(str(error)) from error
        if piece:
            yield piece
        elif not data and left == 0:
            return


def _decoder(handle: BinaryIO, entry: Entry) -> tuple[_Decoder, int]:
    """Return a decoder, and how many bytes are left for it to read."""
    if entry.method == DEFLATED:
        return _Inflate(), entry.packed
    try:
        if entry.method == BZIP2:
            import bz2

            return bz2.BZ2Decompressor(), entry.packed
        if entry.method == LZMA:
            return _lzma_decoder(handle, entry)
    except ImportError as error:
        raise EntryError(
            f"entry {shown(entry.name)} is compressed with {METHOD_NAMES[entry.method]}, which "
            "this Python was built without",
            "Zip the package anew with deflate.",
        ) from error
    raise EntryError(
        f"entry {shown(entry.name)} is compressed with unknown method {entry.method}",
        "Zip the package anew with deflate.",
    )


def _lzma_decoder(handle: BinaryIO, entry: Entry) -> tuple[_Decoder, int]:
    """Read the properties that a zip puts in front of LZMA data (APPNOTE 5.8)."""
    import lzma

    if entry.packed < 9:
        raise EOFError("its LZMA header is cut off")
    _, _, length, bits, dictionary = struct.unpack("<BBHBL", handle.read(9))
    if length != 5 or bits >= 9 * 5 * 5 or dictionary > _LZMA_DICTIONARY:
        raise _DamageError("its LZMA header is not understood")
    chain = [
        {
            "id": lzma.FILTER_LZMA1,
            "dict_size": max(dictionary, 4096),
            "lc": bits % 9,
            "lp": bits // 9 % 5,
            "pb": bits // 45,
        }
    ]
    try:
        decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=chain)
    except (lzma.LZMAError, ValueError, MemoryError) as error:
        raise _DamageError(str(error)) from error
    return decoder, entry.packed - 9


class _DamageError(Exception):
    """Compressed data that cannot be decoded."""


class _Inflate:
    """Raw deflate with the bounded interface of the other decoders."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(-zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
