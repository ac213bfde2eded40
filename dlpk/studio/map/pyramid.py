"""A raster as a pyramid of tiles that lie on its own pixels.

Level 0 are the raster's pixels, and each level has half as many as the one before on each side.
Tiles count from the top left corner. Nothing is warped: a tile of level 0 holds pixels as they are.
"""

from __future__ import annotations

import threading
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...errors import RasterError
from ...raster.dataset import Raster
from ...raster.sampling import find_stretch
from ...raster.stretch import Stretch

TILE = 256
RGB, BYTES = (0, 1, 2), (0.0, 255.0)
# Without overviews, averaging more pixels than this for one tile takes too long: some are picked.
MOST_AVERAGED = 4096**2


class Tile(NamedTuple):
    """A tile of a pyramid; `column` and `row` count tiles."""

    level: int
    column: int
    row: int

    @property
    def side(self) -> int:
        """Pixels of the raster along a side."""
        return TILE << self.level

    @property
    def left(self) -> int:
        """First column of the raster."""
        return self.column * self.side

    @property
    def top(self) -> int:
        """First row of the raster."""
        return self.row * self.side


class Pyramid:
    """A raster's tiles; for several threads.

    Parameters
    ----------
    path : path
        The raster.
    bands : sequence of int, optional
        0-based, those shown as red, green and blue.
    """

    def __init__(self, path: str | Path, bands: tuple[int, ...] = RGB) -> None:
        self.path = str(path)
        self.name = Path(path).name
        self.raster = Raster(path)
        self.bands = bands if max(bands) < self.raster.count else (0,)
        self._lock = threading.Lock()

    def opened_again(self) -> Raster:
        """The same raster for another thread."""
        return Raster(self.path)

    @property
    def levels(self) -> int:
        """How many levels there are: at the last, the raster is one tile."""
        longest = max(self.raster.width, self.raster.height)
        return max(0, (-(-longest // TILE) - 1).bit_length()) + 1

    def check(self, tile: Tile) -> None:
        """Refuse tiles that are not there.

        Raises
        ------
        RasterError
            Says what there is.
        """
        if not 0 <= tile.level < self.levels:
            raise RasterError(
                f"level {tile.level} is not there: levels go from 0 to {self.levels - 1}"
            )
        across = -(-self.raster.width // tile.side)
        down = -(-self.raster.height // tile.side)
        if not (0 <= tile.column < across and 0 <= tile.row < down):
            raise RasterError(
                f"tile {tile.column}, {tile.row} of level {tile.level} is not there: the raster "
                f"has {across} by {down} tiles at that level"
            )

    @cached_property
    def stretch(self) -> Stretch | None:
        """As the network sees it: the same stretch as in a run."""
        with self._lock:
            return find_stretch(self.raster, self.bands, BYTES, "percent-clip")

    def scene(self, tile: Tile) -> np.ndarray:
        """The raster itself.

        Returns
        -------
        ndarray
            uint8, shape (256, 256, 4): red, green, blue and opacity.

        Raises
        ------
        RasterError
            There is no such tile, or it cannot be read.
        """
        self.check(tile)
        stretch = self.stretch
        width = min(tile.side, self.raster.width - tile.left)
        height = min(tile.side, self.raster.height - tile.top)
        columns, rows = (-(-side // (1 << tile.level)) for side in (width, height))
        average = tile.level > 0 and width * height <= MOST_AVERAGED
        with self._lock:
            pixels, mask = self.raster.read_reduced(
                self.bands,
                rows,
                columns,
                average=average,
                window=(tile.left, tile.top, width, height),
            )
        if stretch is not None:
            pixels = stretch.apply(pixels)
        shown = np.zeros((TILE, TILE, 4), np.uint8)
        shown[:rows, :columns, :3] = np.moveaxis(pixels, 0, -1)
        shown[:rows, :columns, 3] = 255 * (mask > 0).any(axis=0)
        return shown
