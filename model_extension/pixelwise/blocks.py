"""Blocks of a raster with any number of bands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..common.blocks import bands_valid
from ..common.errors import BlockError
from .definition import Definition

# A band without data keeps its value where that can be one: within so many standard deviations.
PLAUSIBLE = 10.0


def read_block(blocks: Mapping[str, Any], definition: Definition) -> tuple[np.ndarray, np.ndarray]:
    """Check a block and find out which of its pixels hold data.

    Parameters
    ----------
    blocks : mapping
        What ``updatePixels`` is given: ``raster_pixels``, shape (bands, rows, columns), and
        ``raster_mask``, 0 where there is no data.
    definition : Definition
        Says which bands the network takes.

    Returns
    -------
    pixels : ndarray
        Shape (bands, rows, columns), in the network's order, finite.
    valid : ndarray
        bool, shape (rows, columns): where any of the bands has data.

    Raises
    ------
    BlockError
        Too few bands, or a mask of another shape.
    """
    pixels = blocks["raster_pixels"]
    pixels = pixels[None] if pixels.ndim == 2 else pixels
    valid = bands_valid(pixels, blocks.get("raster_mask"))
    block: np.ndarray = np.ma.getdata(pixels)
    wanted = len(definition.bands)
    if len(block) != wanted:
        # ArcGIS delivers the bands asked for; who delivers all of them leaves the choice to us.
        if max(definition.bands) >= len(block):
            raise BlockError(
                f"the raster delivers {len(block)} band{'s' if len(block) > 1 else ''}, the model "
                f"needs {wanted}: number {', '.join(str(band + 1) for band in definition.bands)}"
            )
        block, valid = block[list(definition.bands)], valid[list(definition.bands)]
    if block.dtype.kind == "f":
        valid = valid & np.isfinite(block)
    somewhere: np.ndarray = np.any(valid, axis=0)
    # What is no number, or overflows, would spread from where there is no data.
    if (block.dtype.kind == "f" and not valid.all()) or (somewhere & ~valid.all(axis=0)).any():
        mean, std = (
            np.array(values, np.float32)[:, None, None]
            for values in (definition.mean, definition.std)
        )
        with np.errstate(invalid="ignore", over="ignore"):
            plausible = np.abs(block - mean) <= PLAUSIBLE * std
        block = np.where(valid | plausible, block.astype(np.float32, copy=False), mean)
    return block, somewhere
