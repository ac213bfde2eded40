"""Blocks of any size and order become whole tiles, each written once."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from osgeo import gdal

from dlpk.output.tile_writer import TileWriter
from dlpk.raster.grid import BlockGrid


class Counting:
    """A dataset that counts how often each pixel is written."""

    def __init__(self, dataset: Any) -> None:
        self.RasterXSize, self.RasterYSize = dataset.RasterXSize, dataset.RasterYSize
        self._dataset = dataset
        self.written = np.zeros((dataset.RasterCount, self.RasterYSize, self.RasterXSize), int)
        self.calls: list[tuple[int, int, int]] = []

    def GetRasterBand(self, number: int) -> Any:
        outer = self

        class Band:
            def WriteArray(self, pixels: np.ndarray, left: int, top: int) -> None:
                outer.calls.append((number, left, top))
                rows, columns = pixels.shape
                outer.written[number - 1, top : top + rows, left : left + columns] += 1
                outer._dataset.GetRasterBand(number).WriteArray(pixels, left, top)

            def FlushCache(self) -> None:
                outer._dataset.GetRasterBand(number).FlushCache()

        return Band()


@settings(max_examples=120, deadline=None)
@given(
    st.integers(1, 150),
    st.integers(1, 150),
    st.integers(1, 90),
    st.integers(1, 90),
    st.sampled_from([16, 32, 64]),
    st.sampled_from([16, 48]),
    st.sampled_from(["rows", "columns", "shuffled"]),
    st.integers(1, 2),
)
def test_any_blocks(
    width: int, height: int, tx: int, ty: int, across: int, down: int, order: str, bands: int
) -> None:
    options = ["TILED=YES", f"BLOCKXSIZE={across}", f"BLOCKYSIZE={down}", "INTERLEAVE=BAND"]
    name = "/vsimem/tiles.tif"
    dataset = gdal.GetDriverByName("GTiff").Create(name, width, height, bands, options=options)
    expected = np.random.default_rng(0).integers(0, 255, (bands, height, width), np.uint8)
    counting = Counting(dataset)
    writer = TileWriter(counting, across, down)
    blocks = list(BlockGrid(width, height, tx, ty, False).blocks())
    if order == "columns":
        blocks.sort(key=lambda block: block.column)
    elif order == "shuffled":
        Random(0).shuffle(blocks)
    for block in blocks:
        rows = slice(block.row, block.row + block.used_height)
        columns = slice(block.column, block.column + block.used_width)
        writer.write(block.column, block.row, expected[:, rows, columns])
    assert (counting.written == 1).all()
    assert len(set(counting.calls)) == len(counting.calls)
    dataset.FlushCache()
    found = gdal.Open(name).ReadAsArray().reshape(expected.shape)
    assert np.array_equal(found, expected)
    gdal.Unlink(name)
