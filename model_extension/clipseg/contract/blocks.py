"""Pixel blocks as ArcGIS delivers them, checked and brought into one form."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...common.blocks import bands_valid
from ...common.errors import BlockError
from .definition import ModelDefinition


def read_block(
    pixels: Any, mask: Any, definition: ModelDefinition
) -> tuple[np.ndarray, np.ndarray]:
    """Check a block and find out which of its pixels hold data.

    Parameters
    ----------
    pixels : array
        Shape (bands, rows, columns), 0 to 255.
    mask : array or None
        Shape of `pixels` or of one band of it; 0 where a band has no data.
    definition : ModelDefinition
        Says which bands to take when more are delivered than were asked for.

    Returns
    -------
    pixels : ndarray
        Shape (3, rows, columns), finite.
    valid : ndarray
        bool, shape (rows, columns). A pixel is without data where all its bands are: a dark band
        whose value happens to be the NoData value does not hide what the others show.

    Raises
    ------
    BlockError
        Too few bands, a mask of another shape, or values outside of 0 to 255.
    """
    block: np.ndarray = np.ma.getdata(pixels)
    if block.ndim != 3 or block.shape[0] < 3:
        bands = block.shape[0] if block.ndim == 3 else 1
        raise BlockError(
            f"the raster delivers {bands} band{'s' if bands > 1 else ''}, the model needs 3 (red, "
            "green, blue): choose a raster with three bands, or compose one from single bands"
        )
    valid = bands_valid(pixels, mask)
    if block.shape[0] > 3:
        chosen = definition.extract_bands
        # ArcGIS delivers the bands asked for; who delivers all of them leaves the choice to us.
        chosen = chosen if max(chosen) < block.shape[0] else (0, 1, 2)
        block, valid = block[list(chosen)], valid[list(chosen)]
    if block.dtype != np.uint8:
        if block.dtype.kind == "f":
            valid = valid & np.isfinite(block)
        # As in 8 bit, a band without data keeps its value where that can be one.
        usable = valid | ((block >= 0) & (block <= 255))
        block = np.where(usable, block, np.zeros((), block.dtype))
        low, high = float(block.min(initial=0)), float(block.max(initial=0))
        # Resampling overshoots a little.
        if low < -1.0 or high > 256.0:
            raise BlockError(
                f"pixel values from {low:g} to {high:g} were delivered, the model needs 0 to 255: "
                "convert the raster to 8 bit (with one stretch for the whole raster)"
            )
    return block, np.any(valid, axis=0)
