"""Whole tiles of a TIFF, each written once and in an order that nothing but the blocks decides."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np


class TileWriter:
    """Collects blocks until they make up a tile of the file, and writes that.

    GDAL's cache would do so too, but when it writes what depends on what else is in it: the file
    would come out in another order from run to run. A block that is made of whole tiles is written
    at once; otherwise a row of tiles is held.

    Parameters
    ----------
    dataset : gdal.Dataset
        Open for writing.
    width, height : int
        Of its tiles, in pixels.
    """

    def __init__(self, dataset: Any, width: int, height: int) -> None:
        self._dataset = dataset
        self._width, self._height = width, height
        # Tile to its pixels and the number of pixels that are still missing.
        self._open: dict[tuple[int, int], tuple[np.ndarray, int]] = {}

    def write(self, column: int, row: int, pixels: np.ndarray) -> None:
        """Take a block; no pixel may come twice.

        Parameters
        ----------
        column, row : int
            Top left pixel.
        pixels : ndarray
            Shape (bands, rows, columns), inside the raster.

        Raises
        ------
        RuntimeError
            From GDAL.
        """
        _, rows, columns = pixels.shape
        for (down, y), (across, x) in product(
            _cut(row, rows, self._height), _cut(column, columns, self._width)
        ):
            tile = down, across
            top, left, height, width = self._tile_area(tile)
            piece = pixels[:, _moved(y, row), _moved(x, column)]
            if piece.shape[1:] == (height, width):
                self._store(tile, piece)
                continue
            held, missing = self._open.get(tile, (None, height * width))
            if held is None:
                held = np.empty((len(pixels), height, width), pixels.dtype)
            held[:, _moved(y, top), _moved(x, left)] = piece
            missing -= piece[0].size
            if missing:
                self._open[tile] = held, missing
            else:
                self._open.pop(tile, None)
                self._store(tile, held)

    def _tile_area(self, tile: tuple[int, int]) -> tuple[int, int, int, int]:
        """Top, left, height and width of the part of a tile that lies in the raster."""
        top, left = tile[0] * self._height, tile[1] * self._width
        height = min(self._height, self._dataset.RasterYSize - top)
        width = min(self._width, self._dataset.RasterXSize - left)
        return top, left, height, width

    def _store(self, tile: tuple[int, int], pixels: np.ndarray) -> None:
        top, left, _, _ = self._tile_area(tile)
        for number, band_pixels in enumerate(pixels, start=1):
            band = self._dataset.GetRasterBand(number)
            band.WriteArray(np.ascontiguousarray(band_pixels), left, top)
            band.FlushCache()  # into the file now, whatever the cache holds


def _cut(start: int, length: int, side: int) -> Iterator[tuple[int, slice]]:
    """Cut a stretch of pixels at the borders of tiles: number of each tile, and its part."""
    for number in range(start // side, -(-(start + length) // side)):
        yield number, slice(max(start, number * side), min(start + length, (number + 1) * side))


def _moved(part: slice, origin: int) -> slice:
    return slice(part.start - origin, part.stop - origin)
