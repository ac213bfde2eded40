"""Cutting a block into overlapping tiles and putting the results together.

The arithmetic of Esri's classifiers (contract, section 6): tiles of `size` pixels overlap by
twice the padding, and blocks reach over their output by the padding. Inside a block, overlapping
tiles are blended; at the border of a block the padding is cut off, as ArcGIS wants it.
"""

from __future__ import annotations

import math
from typing import NamedTuple


class Tile(NamedTuple):
    """One tile of a block.

    `row` and `column` are where it starts in the padded block, which is also where its cropped
    result starts in the unpadded one.
    """

    row: int
    column: int


def tile_grid(rows: int, columns: int, size: int, padding: int) -> list[Tile]:
    """Tiles that cover a block.

    Parameters
    ----------
    rows, columns : int
        Shape of the block without its padding, in pixels.
    size : int
        Side of a tile in pixels.
    padding : int
        Pixels cut from each side of a tile's result, less than half of `size`.

    Returns
    -------
    list of Tile
        Row by row. The last of a row or column may reach beyond the padded block.
    """
    step = size - 2 * padding
    if step < 1:
        raise ValueError(f"padding {padding} leaves nothing of a tile of {size} pixels")
    return [Tile(row, column) for row in range(0, rows, step) for column in range(0, columns, step)]


def padded_side(pixels: int, size: int, padding: int) -> int:
    """Side that a padded block must have for its tiles to fit.

    Parameters
    ----------
    pixels : int
        Side of the block without padding.
    size, padding : int
        As in `tile_grid`.

    Returns
    -------
    int
        At least ``pixels + 2 * padding``.
    """
    step = size - 2 * padding
    return -(-pixels // step) * step + 2 * padding


def window(size: int, padding: int) -> list[float]:
    """Weights of a tile's pixels along one side, for blending it with its neighbours.

    Half of a Hann window where two neighbouring tiles overlap. The weights of all tiles that cover
    a pixel add up to one, however many overlap: each weight is how far a ramp has risen there, less
    how far that of the next tile has.

    Parameters
    ----------
    size : int
        Side of a tile in pixels.
    padding : int
        Neighbouring tiles overlap by twice as much; less than half of `size`.

    Returns
    -------
    list of float
        `size` weights, above 0 and at most 1, the same from both ends.
    """
    overlap = 2 * padding

    def risen(place: int) -> float:
        if not 0 <= place < overlap:
            return float(place >= overlap)
        return math.sin(math.pi * (place + 0.5) / (2 * overlap)) ** 2

    step = size - overlap
    return [risen(place) - risen(place - step) for place in range(size)]
