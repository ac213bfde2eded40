"""PNG files written as the standard says, right and wrong, and noise to fill them with."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from model_extension.clipseg.files.png import SIGNATURE

GRAY, COLOR, PALETTE, GRAY_ALPHA, COLOR_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GRAY: 1, COLOR: 3, PALETTE: 1, GRAY_ALPHA: 2, COLOR_ALPHA: 4}


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def filtered(pixels: np.ndarray, kinds: list[int]) -> bytes:
    """Lines with their filters, pixel by pixel as the standard says."""
    height, width, channels = pixels.shape
    data = pixels.astype(int)
    lines = bytearray()
    for row in range(height):
        kind = kinds[row % len(kinds)]
        lines.append(kind)
        for column in range(width):
            for channel in range(channels):
                left = data[row, column - 1, channel] if column else 0
                up = data[row - 1, column, channel] if row else 0
                corner = data[row - 1, column - 1, channel] if row and column else 0
                estimate = left + up - corner
                nearest = min((left, up, corner), key=lambda value: abs(estimate - value))
                guess = [0, left, up, (left + up) // 2, nearest][kind]
                lines.append((data[row, column, channel] - guess) % 256)
    return bytes(lines)


def png(
    pixels: np.ndarray,
    color: int,
    kinds: list[int] | None = None,
    *,
    header: dict[int, int] | None = None,
    extra: tuple[tuple[bytes, bytes], ...] = (),
    parts: int = 1,
) -> bytes:
    """Write a PNG file of 8 bits; `pixels` has shape (height, width, channels)."""
    height, width = pixels.shape[:2]
    values = [width, height, 8, color, 0, 0, 0]
    for place, value in (header or {}).items():
        values[place] = value
    packed = zlib.compress(filtered(pixels, kinds or [0]))
    cuts = [len(packed) * part // parts for part in range(parts + 1)]
    return (
        SIGNATURE
        + chunk(b"IHDR", struct.pack(">IIBBBBB", *values))
        + b"".join(chunk(kind, body) for kind, body in extra)
        + b"".join(chunk(b"IDAT", packed[a:b]) for a, b in zip(cuts, cuts[1:]))
        + chunk(b"IEND", b"")
    )


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
