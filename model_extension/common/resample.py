"""Between the pixels of a raster and those of a tile at another scale.

Weights depend on the place in the raster alone, never on the block that the pixels came in.
"""

from __future__ import annotations

import numpy as np

from .tiles import Side


def averages(side: Side, start: int) -> tuple[int, np.ndarray]:
    """How a tile's pixels are averaged from those of the raster.

    A triangle as wide as two pixels of the coarser of both, which is bilinear interpolation where
    the raster is enlarged and leaves no moiré where it is reduced.

    Parameters
    ----------
    side : Side
    start : int
        Where the tile starts, in pixels of the network.

    Returns
    -------
    first : int
        The first pixel of the raster that is used.
    weights : ndarray
        float32, shape (pixels of the tile, pixels of the raster). Rows add up to one; those of
        pixels that lie outside of the raster are zero.
    """
    width = max(1.0, 1.0 / side.factor)
    middles = (start + np.arange(side.size) + 0.5) / side.factor
    inside = (middles > 0) & (middles < side.pixels)
    first = max(0, int(np.floor(middles[inside][0] - width)))
    last = min(side.pixels, int(np.ceil(middles[inside][-1] + width)))
    distance = np.abs(np.arange(first, last)[None] + 0.5 - middles[:, None])
    weights = np.clip(1.0 - distance / width, 0.0, None) * inside[:, None]
    total = weights.sum(axis=1, keepdims=True)
    weights /= np.where(total > 0, total, 1.0)
    return first, weights.astype(np.float32)


def neighbours(
    side: Side, start: int, first: int, last: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Between which of a tile's pixels those of the raster lie, for bilinear interpolation.

    Parameters
    ----------
    side : Side
    start : int
        Where the tile starts, in pixels of the network.
    first, last : int
        Pixels of the raster.

    Returns
    -------
    lower, upper : ndarray
        int64: pixels of the tile.
    share : ndarray
        float32: share of the upper one.
    """
    places = (np.arange(first, last) + 0.5) * side.factor - 0.5 - start
    places = np.clip(places, 0.0, side.size - 1.0)
    lower = np.minimum(places.astype(np.int64), side.size - 1)
    return lower, np.minimum(lower + 1, side.size - 1), (places - lower).astype(np.float32)
