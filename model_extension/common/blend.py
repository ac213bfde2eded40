"""Results of overlapping tiles, put together in the pixels of the raster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .resample import neighbours
from .tiles import Grid, weights


class Blend:
    """Adds up the tiles of one grid over one block, with weights that fade towards their edges.

    A pixel gets the same whatever the block around it: tiles are added in their order in the grid,
    and by sums and products of single values alone.

    Parameters
    ----------
    grid : Grid
    rows, columns : (int, int)
        First row and column of the raster that the block's output has, and the first behind it.
    bands : int
        Values per pixel.
    like : Tensor
        Gives device and precision.
    """

    def __init__(
        self,
        grid: Grid,
        rows: tuple[int, int],
        columns: tuple[int, int],
        bands: int,
        like: Tensor,
    ) -> None:
        self._sides = ((grid.rows, rows), (grid.columns, columns))
        self._parts: dict[tuple[int, int], _Part] = {}
        shape = (rows[1] - rows[0], columns[1] - columns[0])
        self._sum = torch.zeros((bands, *shape), dtype=like.dtype, device=like.device)
        self._weight = torch.zeros(shape, dtype=like.dtype, device=like.device)

    def add(self, starts: Sequence[tuple[int, int]], values: Tensor) -> None:
        """Add tiles.

        Parameters
        ----------
        starts : sequence of (int, int)
            Where they start, in rows and columns of the network's pixels.
        values : Tensor
            Shape (tiles, bands, rows of a tile, columns of a tile).
        """
        for (row, column), tile in zip(starts, values):
            down = self._part(0, row)
            across = self._part(1, column)
            weight = down.weights[:, None] * across.weights
            part = across.of(down.of(tile, -2), -1)
            self._sum[:, down.place, across.place] += part * weight
            self._weight[down.place, across.place] += weight

    def result(self) -> tuple[Tensor, Tensor]:
        """The blended values, 0 where no tile lies, and where one does; to be asked for once."""
        seen = self._weight > 0
        return self._sum.div_(self._weight.masked_fill_(~seen, 1.0)), seen

    def _part(self, along: int, start: int) -> _Part:
        if (along, start) not in self._parts:
            side, pixels = self._sides[along]
            span = side.span(start)
            first, last = max(span[0], pixels[0]), min(span[1], pixels[1])
            weight = weights(side, start)[first - span[0] : last - span[0]]
            lower, upper, share = neighbours(side, start, first, last)
            self._parts[along, start] = _Part(
                slice(first - pixels[0], last - pixels[0]),
                self._there(weight),
                self._there(lower),
                self._there(upper),
                self._there(share),
                exact=side.factor == 1.0,
            )
        return self._parts[along, start]

    def _there(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(self._sum.device)


class _Part(NamedTuple):
    """What a tile gives to a block, along one side."""

    place: slice  # in the block
    weights: Tensor
    lower: Tensor
    upper: Tensor
    share: Tensor
    exact: bool  # the tile has the raster's own pixels

    def of(self, tile: Tensor, side: int) -> Tensor:
        """The values of a tile for the pixels of the raster along one side."""
        lower = tile.index_select(side, self.lower)
        if self.exact:
            return lower
        share = self.share[:, None] if side == -2 else self.share
        return lower + (tile.index_select(side, self.upper) - lower) * share
