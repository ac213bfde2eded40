"""What GDAL is told for the time of a run: how much it may keep, and how many threads it has."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from osgeo import gdal

from .dataset import Raster

# The block cache of GDAL in bytes.
SMALLEST_CACHE, LARGEST_CACHE = 8 << 20, 256 << 20
# Threads that decode and compress tiles; graphics cards wait for fewer.
MOST_THREADS = 8
THREADS = "GDAL_NUM_THREADS"


@contextmanager
def block_cache() -> Iterator[None]:
    """Limit how much of rasters GDAL keeps, for the time of a ``with`` block.

    Its own default is a share of the machine's memory, which large rasters fill.
    """
    before = gdal.GetCacheMax()
    gdal.SetCacheMax(SMALLEST_CACHE)
    try:
        yield
    finally:
        gdal.SetCacheMax(before)


def cache_bytes(raster: Raster, width: int, height: int) -> int:
    """What reading blocks of so many pixels needs, and no more.

    Where the file is stored in strips that is a row of blocks: each strip is decoded once then,
    not once per block. Tiles of the result never wait in the cache.
    """
    side = raster.dataset.GetRasterBand(1).GetBlockSize()
    columns = min(raster.dataset.RasterXSize, width + 2 * side[0])
    rows = height + 2 * side[1]
    needed = columns * rows * (raster.dataset.RasterCount + 1) * raster.dtype.itemsize
    return int(min(LARGEST_CACHE, max(SMALLEST_CACHE, needed)))


@contextmanager
def threads(number: int | None = None) -> Iterator[None]:
    """Let GDAL decode and compress in several threads, for the time of a ``with`` block.

    Parameters
    ----------
    number : int, optional
        How many. By default as many as there are processors, up to `MOST_THREADS`, unless
        ``GDAL_NUM_THREADS`` is set: who has set it is obeyed.
    """
    before = gdal.GetConfigOption(THREADS)
    if number is None and before is not None:
        yield
        return
    gdal.SetConfigOption(THREADS, str(number or min(MOST_THREADS, processors())))
    try:
        yield
    finally:
        gdal.SetConfigOption(THREADS, before)


def processors() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
