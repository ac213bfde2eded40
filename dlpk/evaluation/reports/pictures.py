"""Small pictures of samples for reports."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..grids import Window

LARGEST = 256


def shrunk(classes: np.ndarray) -> np.ndarray:
    """Classes in at most 256 pixels a side, every n-th pixel."""
    step = -(-max(classes.shape[:2]) // LARGEST)
    return classes[::step, ::step]


def thumbnail(dataset: Any, window: Window) -> np.ndarray:
    """Red, green and blue of a window, stretched, uint8, shape (rows, columns, 3)."""
    scale = -(-max(window[2:]) // LARGEST)
    rows, columns = -(-window[3] // scale), -(-window[2] // scale)
    count = 3 if dataset.RasterCount >= 3 else 1
    bands = [
        dataset.GetRasterBand(number)
        .ReadAsArray(*window, buf_xsize=columns, buf_ysize=rows)
        .astype(np.float32)
        for number in range(1, count + 1)
    ]
    pixels = np.stack(bands if count == 3 else bands * 3, axis=-1)
    if dataset.GetRasterBand(1).DataType != 1:  # GDT_Byte needs no stretch
        low, high = np.nanpercentile(pixels, (2, 98))
        pixels = (pixels - low) * (255 / max(high - low, 1e-9))
    return np.asarray(np.clip(np.nan_to_num(pixels), 0, 255).astype(np.uint8))
