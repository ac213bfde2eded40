"""Decoding PNG files (ISO/IEC 15948) with numpy and the standard library."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ...common.errors import ImageError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GRAY, COLOR, PALETTE, GRAY_ALPHA, COLOR_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GRAY: 1, COLOR: 3, PALETTE: 1, GRAY_ALPHA: 2, COLOR_ALPHA: 4}
# An example is a photo or a chip; what is larger was given by mistake.
MOST_PIXELS = 100_000_000
# A byte of zlib's data holds not more than so many.
MOST_PACKED = 1032


class Header(NamedTuple):
    """What the header says."""

    width: int
    height: int
    depth: int
    color: int
    compression: int
    filtering: int
    interlaced: int


def decode_png(data: bytes) -> np.ndarray:
    """Decode a PNG file of up to 8 bits per channel that is not interlaced.

    Parameters
    ----------
    data : bytes
        The file.

    Returns
    -------
    ndarray
        uint8, shape (bands, rows, columns): 1 band or 3, and one more with transparency.

    Raises
    ------
    ImageError
        It is damaged, or of a kind that is not read.
    """
    chunks: dict[bytes, bytes] = {}
    packed: list[bytes] = []
    for kind, body in _chunks(data):
        if kind == b"IDAT":
            packed.append(body)
        else:
            chunks.setdefault(kind, body)
    header = _header(chunks.get(b"IHDR", b""))
    channels = CHANNELS[header.color]
    line = (header.width * channels * header.depth + 7) // 8
    lines = _inflate(b"".join(packed), header.height * (1 + line))
    rows = np.frombuffer(lines, np.uint8).reshape(header.height, 1 + line)
    if header.depth == 8:
        pixels = unfiltered(rows, header.width, channels)
    else:
        packed_pixels = unfiltered(rows, line, 1)[..., 0]
        pixels = _unpacked(packed_pixels, header)[:, : header.width, None]
    with_alpha = _transparent(pixels, header, chunks)
    return np.ascontiguousarray(np.moveaxis(with_alpha, -1, 0))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    if data[:8] != SIGNATURE:
        raise ImageError("it is not a PNG file")
    place = 8
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 8 + length
        check = data[end : end + 4]
        if len(check) < 4:
            raise ImageError("its data end too early")
        if zlib.crc32(data[place + 4 : end]) != int.from_bytes(check, "big"):
            raise ImageError(f"its data are damaged: the checksum of {kind!r} is wrong")
        if kind == b"IEND":
            return
        yield kind, data[place + 8 : end]
        place = end + 4
    raise ImageError("its data end too early")


def _header(body: bytes) -> Header:
    if len(body) != 13:
        raise ImageError("its header is damaged")
    header = Header(*struct.unpack(">IIBBBBB", body))
    if header.depth == 16:
        raise ImageError("it has 16 bits per channel: convert it to 8 bit")
    if header.interlaced:
        raise ImageError("it is interlaced: save it without interlacing")
    depths = (1, 2, 4, 8) if header.color in (GRAY, PALETTE) else (8,)
    if header.color not in CHANNELS or header.depth not in depths:
        raise ImageError(f"its header is damaged: colour {header.color}, depth {header.depth}")
    if header.compression or header.filtering:
        raise ImageError("its header is damaged: its compression is not known")
    if not 0 < header.width * header.height <= MOST_PIXELS:
        raise ImageError(
            f"it has {header.width} by {header.height} pixels: cut out what it is an example of"
        )
    return header


def _inflate(packed: bytes, size: int) -> bytes:
    if size > MOST_PACKED * len(packed):
        raise ImageError("its data end too early")
    try:
        # Never more than the header promises: a small file can unpack to gigabytes.
        lines = zlib.decompressobj().decompress(packed, size)
    except zlib.error as error:
        raise ImageError(f"its data are damaged: {error}") from error
    if len(lines) < size:
        raise ImageError("its data end too early")
    return lines


def unfiltered(rows: np.ndarray, width: int, channels: int) -> np.ndarray:
    """Undo the prediction of pixels from their left, upper and upper left neighbours.

    Parameters
    ----------
    rows : ndarray
        uint8, shape (height, 1 + width · channels); each row begins with its filter.
    width, channels : int

    Returns
    -------
    ndarray
        uint8, shape (height, width, channels).

    Raises
    ------
    ImageError
        A filter is not known.
    """
    height = len(rows)
    filters = rows[:, 0].astype(np.int16)[:, None]
    if filters.max() > 4:
        raise ImageError("its data are damaged: a line has an unknown filter")
    # All that a pixel depends on lies on diagonals before its own, so that a diagonal is computed
    # at once. A row above and a column to the left hold what counts as 0 beyond the edge.
    stride = width + 1
    grid = np.zeros((height + 1, stride, channels), np.uint8)
    grid[1:, 1:] = rows[:, 1:].reshape(height, width, channels)
    flat = grid.reshape(-1, channels)
    for diagonal in range(height + width - 1):
        top, end = max(0, diagonal - width + 1), min(height, diagonal + 1)
        kind = filters[top:end]
        if not kind.any():
            continue
        first = (top + 1) * stride + diagonal - top + 1
        place = slice(first, first + (end - top - 1) * (stride - 1) + 1, stride - 1)
        left, up, corner = (
            flat[place.start - back : place.stop - back : place.step].astype(np.int16)
            for back in (1, stride, stride + 1)
        )
        to_left, to_up = np.abs(up - corner), np.abs(left - corner)
        to_corner = np.abs(left + up - 2 * corner)
        nearest = np.where(to_up <= to_corner, up, corner)
        nearest = np.where((to_left <= to_up) & (to_left <= to_corner), left, nearest)
        guess = np.where(kind == 3, (left + up) >> 1, nearest)
        guess = np.where(kind == 2, up, np.where(kind == 1, left, guess))
        flat[place] += np.where(kind == 0, 0, guess).astype(np.uint8)
    return grid[1:, 1:]


def _unpacked(packed: np.ndarray, header: Header) -> np.ndarray:
    """Pixels of 1, 2 or 4 bits, several to a byte; gray is spread over 0 to 255."""
    depth = header.depth
    shifts = np.arange(8 - depth, -1, -depth, dtype=np.uint8)
    values = (packed[..., None] >> shifts) & np.uint8(2**depth - 1)
    values = values.reshape(len(packed), -1)
    return values if header.color == PALETTE else values * np.uint8(255 // (2**depth - 1))


def _transparent(pixels: np.ndarray, header: Header, chunks: dict[bytes, bytes]) -> np.ndarray:
    """Look up the palette, and add transparency that stands outside of the pixels."""
    given = chunks.get(b"tRNS")
    if header.color == PALETTE:
        palette = np.frombuffer(chunks.get(b"PLTE", b""), np.uint8)
        if not 3 <= len(palette) <= 768 or len(palette) % 3:
            raise ImageError("its palette is damaged")
        table = np.zeros((256, 4), np.uint8)
        table[:, 3] = 255
        table[: len(palette) // 3, :3] = palette.reshape(-1, 3)
        if given is not None:
            alphas = np.frombuffer(given, np.uint8)[:256]
            table[: len(alphas), 3] = alphas
        return np.asarray(table[pixels[..., 0], : 3 if given is None else 4])
    if given is None or header.color not in (GRAY, COLOR) or len(given) != 2 * pixels.shape[-1]:
        return pixels
    clear = np.frombuffer(given, ">u2").astype(np.int64)
    if header.depth < 8:
        clear = clear * (255 // (2**header.depth - 1))
    alpha = np.where((pixels == clear).all(axis=-1, keepdims=True), 0, 255)
    return np.concatenate([pixels, alpha.astype(np.uint8)], axis=-1)
