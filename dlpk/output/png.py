"""Images as PNG."""

from __future__ import annotations

import io

import numpy as np


def png_bytes(pixels: np.ndarray) -> bytes:
    """A PNG file.

    Parameters
    ----------
    pixels : ndarray
        uint8, shape (rows, columns, 3 or 4): RGB, or RGB with opacity.
    """
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()
