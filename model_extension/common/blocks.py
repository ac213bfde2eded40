"""Pixel blocks as ArcGIS delivers them: which of their pixels hold data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .errors import BlockError


def bands_valid(pixels: Any, mask: Any) -> np.ndarray:
    """Which values of a block are data.

    Parameters
    ----------
    pixels : array
        Shape (bands, rows, columns); may be a masked array.
    mask : array or None
        Shape of `pixels` or of one band of it; 0 where a band has no data.

    Returns
    -------
    ndarray
        bool, shape of `pixels`.

    Raises
    ------
    BlockError
        The mask has another shape.
    """
    block, masked = np.ma.getdata(pixels), np.ma.getmask(pixels)
    given = np.ones(block.shape, bool) if mask is None else np.asarray(mask)
    if given.shape not in (block.shape, block.shape[1:], (1, *block.shape[1:])):
        raise BlockError(
            f"a mask of shape {given.shape} was delivered for pixels of shape {block.shape}: it "
            "must have the shape of the pixels or of one band"
        )
    seen = np.broadcast_to(given != 0, block.shape)
    # Most blocks are no masked arrays, and graphics cards wait for what is done with them.
    return seen if masked is np.ma.nomask else seen & ~masked


def without_padding(valid: np.ndarray, shape: Sequence[int], padding: int) -> np.ndarray:
    """Cut the padding off a block.

    Parameters
    ----------
    valid : ndarray
        Shape (rows + 2·padding, columns + 2·padding).
    shape : sequence of int
        Shape of the output; its last two sides are rows and columns.
    padding : int
        Pixels on each side.

    Returns
    -------
    ndarray
        Shape (rows, columns).

    Raises
    ------
    BlockError
        The block is not as large as that.
    """
    rows, columns = (int(side) for side in shape[-2:])
    if valid.shape != (rows + 2 * padding, columns + 2 * padding):
        raise BlockError(
            f"a block of {valid.shape[0]} × {valid.shape[1]} pixels was delivered for an output "
            f"of {rows} × {columns}: with a padding of {padding} it must have "
            f"{rows + 2 * padding} × {columns + 2 * padding}"
        )
    return valid[padding : padding + rows, padding : padding + columns]
