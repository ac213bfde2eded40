"""PNG files of tiles."""

from __future__ import annotations

import struct
import zlib

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOR_TYPES = {1: 0, 3: 2, 4: 6}  # bands to grey, RGB, RGBA
FAST = 1


def png_bytes(pixels: np.ndarray) -> bytes:
    """A PNG file.

    Parameters
    ----------
    pixels : ndarray
        uint8, shape (rows, columns, 1, 3 or 4): grey, RGB or RGB with opacity.
    """
    rows, columns, bands = pixels.shape
    lines = np.zeros((rows, 1 + columns * bands), np.uint8)  # each begins with its filter: none
    lines[:, 1:] = pixels.reshape(rows, -1)
    header = struct.pack(">IIBBBBB", columns, rows, 8, COLOR_TYPES[bands], 0, 0, 0)
    body = zlib.compress(lines.tobytes(), FAST)
    return SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
