"""The tiles of a grid that reach into a block, cut from the block's pixels."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Hashable
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .resample import averages
from .tiles import Grid, Place, moved

# The first row and column of the raster that are meant, and the first behind them.
Spans = tuple[tuple[int, int], tuple[int, int]]


class Block(NamedTuple):
    """What of a block lies in the raster.

    Parameters
    ----------
    pixels, valid : ndarray
        Shape (3, rows, columns) and (rows, columns), with what of the padding is in the raster.
    row, column : int
        Where they start in the raster.
    rows, columns : (int, int)
        Where the block's output starts in the raster, and what is the first behind it.
    inner : (slice, slice)
        Where this lies in the output that was asked for, which may reach beyond the raster.
    """

    pixels: np.ndarray
    valid: np.ndarray
    row: int
    column: int
    rows: tuple[int, int]
    columns: tuple[int, int]
    inner: tuple[slice, slice]

    @classmethod
    def cut(cls, pixels: np.ndarray, valid: np.ndarray, place: Place, padding: int) -> Block:
        """Cut away what lies beyond the raster.

        Parameters
        ----------
        pixels, valid, place, padding
            Of the whole block, with `padding` pixels on each side; see `tiles.Place`.
        """
        padded, inside, inner = [], [], []
        sides = zip(place[:2], valid.shape, place[2:])
        for first, pixels_there, end in sides:
            padded.append((max(0, first), min(end, first + pixels_there)))
            wanted = (first + padding, first + pixels_there - padding)
            inside.append((max(0, wanted[0]), min(end, wanted[1])))
            inner.append(slice(inside[-1][0] - wanted[0], inside[-1][1] - wanted[0]))
        here = tuple(
            slice(low - first, max(low, high) - first)
            for (low, high), first in zip(padded, place[:2])
        )
        return cls(
            pixels[(slice(None), *here)],
            valid[here],
            padded[0][0],
            padded[1][0],
            inside[0],
            inside[1],
            (inner[0], inner[1]),
        )

    @property
    def empty(self) -> bool:
        """Whether there is nothing in it to look at."""
        outside = self.rows[0] >= self.rows[1] or self.columns[0] >= self.columns[1]
        return outside or not self.valid.any()


class Tiles:
    """The tiles of one grid over one block.

    Parameters
    ----------
    block : Block
    grid : Grid
    image, seen : Tensor
        The block's pixels and what of them is valid, on the device that computes.
    scale, shift : Tensor
        Normalisation, shape (3, 1, 1): v·scale + shift.
    """

    def __init__(
        self,
        block: Block,
        grid: Grid,
        image: Tensor,
        seen: Tensor,
        scale: Tensor,
        shift: Tensor,
    ) -> None:
        self.block, self.grid = block, grid
        self._image, self._seen = image, seen
        self._scale, self._shift = scale, shift
        self._averages: dict[tuple[int, int], _Averaged] = {}

    def starts(self) -> list[tuple[int, int]]:
        """Where the tiles start that give something to the block, row by row.

        A tile is there for what lies nearest to its middle: where none of that is valid, its
        neighbours do without it. Tiles whose border is empty are moved, see `common.tiles.moved`.
        """
        found = []
        for row in self.grid.rows.reaching(*self.block.rows):
            for column in self.grid.columns.reaching(*self.block.columns):
                core = (self.grid.rows.core(row), self.grid.columns.core(column))
                if not self._valid(core).any():
                    continue
                start = (self.grid.rows.starts[row], self.grid.columns.starts[column])
                start = self._moved(start)
                if self._gives(start):
                    found.append(start)
        return list(dict.fromkeys(found))

    def others(self, start: tuple[int, int]) -> int:
        """To how many other blocks of this size a tile also gives something."""
        blocks = 1
        wanted = (self.block.rows, self.block.columns)
        for (first, last), (low, high) in zip(self._spans(start), wanted):
            beyond = (max(0, low - first), max(0, last - high))
            blocks *= 1 + sum(math.ceil(pixels / (high - low)) for pixels in beyond)
        return blocks - 1

    def content(self, start: tuple[int, int]) -> Hashable:
        """All that the image of a tile depends on."""
        spans = self._averaged(0, start[0]).span, self._averaged(1, start[1]).span
        # Where pixels are averaged, also how they lie to those of the raster.
        lies = [
            (side.size, side.factor, first / side.factor - span[0], span[1] - span[0])
            for side, first, span in zip(self.grid, start, spans)
        ]
        rows, columns = self._here(spans)
        pixels, valid = self.block.pixels[:, rows, columns], self._valid(spans)
        # As a hash, since the pixels themselves would take as much memory as what is made of them.
        digest = hashlib.blake2b(pixels.tobytes(), digest_size=32)
        digest.update(valid.tobytes())
        return (*lies, pixels.dtype.char, digest.digest())

    def image(self, start: tuple[int, int]) -> Tensor:
        """A tile as the network sees it, normalised, shape (3, rows, columns).

        Pixels without data have the mean of those with data, which disturbs the network least.
        """
        down, across = (self._averaged(along, start[along]) for along in (0, 1))
        here = self._here((down.span, across.span))
        seen = self._seen[here].to(self._scale.dtype)
        image = self._image[(slice(None), *here)].to(self._scale.dtype)
        image = image.mul(self._scale).add_(self._shift).mul_(seen)
        if down.weights is not None and across.weights is not None:
            image = down.weights @ image @ across.weights.T
            seen = down.weights @ seen @ across.weights.T
            image = image / seen.clamp(min=1e-6)
        rows, columns = (side.size for side in self.grid)
        missing = (0, columns - image.shape[2], 0, rows - image.shape[1])
        if not any(missing) and self._valid((down.span, across.span)).all():
            return image
        image, seen = F.pad(image, missing), F.pad(seen, missing)
        there = seen > 0.5
        # In double precision: the number of threads does not show in the single one.
        mean = (image * there).sum((1, 2), keepdim=True, dtype=torch.float64) / there.sum()
        return torch.where(there, image, mean.to(image.dtype))

    def _moved(self, start: tuple[int, int]) -> tuple[int, int]:
        valid = self._valid(self._spans(start))
        if valid.all():
            return start
        rows, columns = self.grid
        return (
            moved(rows, start[0], np.any(valid, axis=1)),
            moved(columns, start[1], np.any(valid, axis=0)),
        )

    def _gives(self, start: tuple[int, int]) -> bool:
        wanted = (self.block.rows, self.block.columns)
        return all(
            span[0] < last and span[1] > first
            for span, (first, last) in zip(self._spans(start), wanted)
        )

    def _spans(self, start: tuple[int, int]) -> Spans:
        return self.grid.rows.span(start[0]), self.grid.columns.span(start[1])

    def _here(self, spans: Spans) -> tuple[slice, slice]:
        """A part of the raster in what there is of the block."""
        (top, bottom), (left, right) = spans
        row, column = self.block.row, self.block.column
        return slice(top - row, bottom - row), slice(left - column, right - column)

    def _valid(self, spans: Spans) -> np.ndarray:
        return self.block.valid[self._here(spans)]

    def _averaged(self, along: int, start: int) -> _Averaged:
        if (along, start) not in self._averages:
            side = self.grid[along]
            if side.factor == 1.0:
                self._averages[along, start] = _Averaged(side.span(start), None)
            else:
                first, weights = averages(side, start)
                self._averages[along, start] = _Averaged(
                    (first, first + weights.shape[1]), torch.from_numpy(weights).to(self._scale)
                )
        return self._averages[along, start]


class _Averaged(NamedTuple):
    """What a tile's pixels are made of, along one side."""

    span: tuple[int, int]  # pixels of the raster
    weights: Tensor | None  # None: the raster's own pixels
