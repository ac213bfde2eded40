"""One grid of overlapping tiles for a whole raster, whatever blocks it is asked for in.

Tiles lie where the raster and the arguments put them, all of them inside the raster: what is found
at a place does not depend on the block that asks for it. A block needs every tile that reaches into
it, which is what the padding around it is for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Place(NamedTuple):
    """Where a block lies in its raster, in pixels.

    Parameters
    ----------
    row, column : int
        First row and column of the block with its padding; may lie outside of the raster.
    rows, columns : int
        Size of the raster.
    """

    row: int
    column: int
    rows: int
    columns: int


class Side(NamedTuple):
    """The tiles of a grid along one side of the raster.

    Parameters
    ----------
    pixels : int
        Side of the raster in its own pixels.
    size : int
        Side of a tile in pixels of the network.
    factor : float
        Pixels of the network per pixel of the raster.
    starts : tuple of int
        Where tiles start, in pixels of the network.
    """

    pixels: int
    size: int
    factor: float
    starts: tuple[int, ...]

    @property
    def most_shift(self) -> int:
        """How far a tile may move from its start towards valid data, in pixels of the network."""
        return self.size // 4

    def span(self, start: int) -> tuple[int, int]:
        """The pixels of the raster that a tile sees: the first, and the first behind them."""
        first, last = start / self.factor, (start + self.size) / self.factor
        return math.floor(first), min(self.pixels, math.ceil(last))

    def core(self, number: int) -> tuple[int, int]:
        """The pixels of the raster that lie nearer to a tile's middle than to any other's."""
        start = self.starts[number]
        before = self.starts[number - 1] if number else -start - self.size
        behind = self.starts[number + 1 : number + 2]
        first = (before + start + self.size) / (2 * self.factor)
        last = (start + behind[0] + self.size) / (2 * self.factor) if behind else self.pixels
        return math.floor(first), min(self.pixels, math.ceil(last))

    def reaching(self, first: int, last: int) -> list[int]:
        """Numbers of the tiles that see, or may be moved to see, some of a range of pixels."""
        room = math.ceil(self.most_shift / self.factor)
        spans = [self.span(start) for start in self.starts]
        return [
            number
            for number, span in enumerate(spans)
            if span[0] - room < last and span[1] + room > first
        ]


class Grid(NamedTuple):
    """The tiles of one scale."""

    rows: Side
    columns: Side


def grids(place: Place, size: int, patch: int, overlap: int, scales: Sequence[float]) -> list[Grid]:
    """The grids that a raster is looked at in, one per scale.

    Where the raster is smaller than a tile, so are the tiles. It is not reduced to less than one
    tile: at scales that would do so it is looked at whole.

    Parameters
    ----------
    place : Place
        Size of the raster.
    size : int
        Side of a tile, in pixels of the network.
    patch : int
        Sides of tiles are multiples of this.
    overlap : int
        Least overlap of neighbouring tiles, in pixels of the network, less than `size`.
    scales : sequence of float
        Pixels of the network per pixel of the raster.

    Returns
    -------
    list of Grid
        Scales that come to the same are there once.
    """
    whole = min(1.0, size / min(place.rows, place.columns))
    found = []
    for scale in scales:
        factor = max(scale, whole) if scale < 1 else scale
        sides = (
            _side(pixels, size, patch, overlap, factor) for pixels in (place.rows, place.columns)
        )
        found.append(Grid(*sides))
    return list(dict.fromkeys(found))


def _side(pixels: int, size: int, patch: int, overlap: int, scale: float) -> Side:
    scaled = max(1, round(pixels * scale))
    factor = scaled / pixels
    room = scaled - size
    if room <= 0:
        return Side(pixels, -(-scaled // patch) * patch, factor, (0,))
    steps = math.ceil(room / (size - overlap))
    starts = tuple((2 * step * room + steps) // (2 * steps) for step in range(steps + 1))
    return Side(pixels, size, factor, starts)


def reach(size: int, scales: Sequence[float]) -> int:
    """Pixels of the raster around a block that decide what is found in it.

    Parameters
    ----------
    size : int
        Side of a tile, in pixels of the network.
    scales : sequence of float
        As in `grids`.
    """
    # A tile, how far it may be moved, and what its outermost pixels are averaged from.
    return math.ceil((size + size // 4 + 2) / min(*scales, 1.0))


def moved(side: Side, start: int, valid: np.ndarray) -> int:
    """Where a tile with an empty border starts when it is moved towards what is valid.

    Parameters
    ----------
    side : Side
    start : int
        Where the tile starts, in pixels of the network.
    valid : ndarray
        bool: whether any pixel is valid, for each row or column of the raster in the tile's
        `span`; at least one is.

    Returns
    -------
    int
        All valid pixels are still in the tile, which stays inside the raster.
    """
    first, last = int(valid.argmax()), int(valid[::-1].argmax())
    if first and last:
        return start
    shift = math.trunc((first - last) * side.factor)
    shift = max(-side.most_shift, min(shift, side.most_shift))
    return max(0, min(start + shift, max(side.starts[-1], start)))


def weights(side: Side, start: int) -> np.ndarray:
    """Weights of a tile's result along one side, for blending it with its neighbours.

    A Hann window over the whole tile: its middle, which sees most around it, counts most. Sums of
    blended tiles are divided by the sum of their weights.

    Parameters
    ----------
    side : Side
    start : int
        Where the tile starts, in pixels of the network.

    Returns
    -------
    ndarray
        float32, above 0, one for each pixel of the raster in the tile's `span`.
    """
    places = ((np.arange(*side.span(start)) + 0.5) * side.factor - start) / side.size
    return (np.sin(np.pi * np.clip(places, 0.001, 0.999)) ** 2).astype(np.float32)
