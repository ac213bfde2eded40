"""Finding the range of a raster's values, for the one stretch that all its blocks get."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from .dataset import Raster
from .stretch import Stretch, find_range

# Pixels per side of the reduced image that the percentiles are taken from.
SAMPLE_SIDE, STATISTICS_SIDE = 2048, 1024
# No more than about this many pixels are decoded for a sample.
DECODED_PIXELS = 32_000_000
# Windows are whole blocks of the file, and about this large on a side.
WINDOW = 512
# Nothing larger is read at once, in pixels.
LARGEST_WINDOW = 2048 * 2048
# Bands that are sampled at once: what a file interleaves by pixel is decoded once for them.
BANDS_AT_ONCE = 4
# Windows with data that are looked for where a sample has met nothing but NoData.
FURTHER_WINDOWS = 8

# Left, top, width and height.
Window = tuple[int, int, int, int]
Found = TypeVar("Found")


def find_stretch(
    raster: Raster, bands: Sequence[int], data_range: tuple[float, float], method: str
) -> Stretch | None:
    """The stretch that brings a raster to a range; None if it needs none.

    It is taken from all of the file, also when only a part is classified or the cell size is
    another, so that a pixel looks the same to the function in every run. 8-bit rasters are used as
    they are for the range 0 to 255, and their whole range 0 to 255 counts as actual for any other,
    so that pictures keep their brightness.

    Parameters
    ----------
    bands : sequence of int
        0-based.
    data_range : (float, float)
        Range to reach.
    method : str
        ``percent-clip``, ``minmax`` or ``none``.
    """
    if method == "none" or (raster.dtype == np.uint8 and data_range == (0.0, 255.0)):
        return None
    if raster.dtype == np.uint8:
        ends = np.zeros(len(bands)), np.full(len(bands), 255.0)
        return Stretch(*ends, data_range)
    find = _extremes if method == "minmax" else _clipped_ranges
    ranges = _by_bands(bands, lambda some: find(raster, some))
    low, high = (np.array(values, np.float64) for values in zip(*ranges))
    return Stretch(low, high, data_range)


def find_statistics(
    raster: Raster, bands: Sequence[int], stretch: Stretch | None, source: str
) -> tuple[dict[str, float], ...]:
    """What a function is told of the values of its input.

    Parameters
    ----------
    bands : sequence of int
        0-based.
    stretch : Stretch or None
        What is done to the values before the function sees them.
    source : str
        ``file``: what the file itself says; ``estimated``: that, or else from a sample.

    Returns
    -------
    tuple of dict
        One per band; empty where nothing is known.
    """
    found = [raster.statistics[band] for band in bands]
    if stretch is None and all(entry is not None for entry in found):
        return tuple(dict(entry) for entry in found if entry is not None)
    if source == "file":
        return ()
    skip = max(1, max(raster.native.RasterXSize, raster.native.RasterYSize) // STATISTICS_SIDE)

    def estimated(some: Sequence[int]) -> list[dict[str, float]]:
        samples = _samples(raster, some, STATISTICS_SIDE)
        if stretch is not None:
            parts = (stretch.band(list(bands).index(band)) for band in some)
            samples = [p.apply(v.reshape(1, 1, -1)).ravel() for p, v in zip(parts, samples)]
        return [_statistics(values, skip) for values in samples]

    described = _by_bands(bands, estimated)
    return tuple(described) if all(described) else ()


def _statistics(values: np.ndarray, skip: int) -> dict[str, float]:
    if not values.size:
        return {}
    return {
        "minimum": float(values.min()),
        "maximum": float(values.max()),
        "mean": float(values.mean(dtype=np.float64)),
        "standardDeviation": float(values.std(dtype=np.float64)),
        "skipFactorX": skip,
        "skipFactorY": skip,
    }


def _by_bands(bands: Sequence[int], work: Callable[[Sequence[int]], list[Found]]) -> list[Found]:
    """Work on a few bands at a time: rasters may have hundreds."""
    starts = range(0, len(bands), BANDS_AT_ONCE)
    return [found for start in starts for found in work(bands[start : start + BANDS_AT_ONCE])]


def _clipped_ranges(raster: Raster, bands: Sequence[int]) -> list[tuple[float, float]]:
    samples = _samples(raster, bands, SAMPLE_SIDE)
    return [find_range(values, "percent-clip") for values in samples]


def _extremes(raster: Raster, bands: Sequence[int]) -> list[tuple[float, float]]:
    """Smallest and largest value, of all pixels: a sample would miss them."""
    ranges: list[tuple[float, float] | None] = [None] * len(bands)
    for window in _windows(raster, None):
        pixels, mask = raster.read_native(bands, window)
        for index, (values, known) in enumerate(zip(pixels, mask > 0)):
            if known.any():
                here, before = find_range(values[known], "minmax"), ranges[index]
                ranges[index] = (
                    (min(here[0], before[0]), max(here[1], before[1])) if before else here
                )
    return [found or (0.0, 1.0) for found in ranges]


def _samples(raster: Raster, bands: Sequence[int], side: int) -> list[np.ndarray]:
    """Up to a few million valid pixels of every band, from everywhere."""
    windows = list(_windows(raster, DECODED_PIXELS))
    step = max(1, math.ceil(math.sqrt(sum(w * h for _, _, w, h in windows)) / side))
    parts: list[list[np.ndarray]] = [[] for _ in bands]

    def take(window: Window) -> None:
        pixels, mask = raster.read_native(bands, window)
        # Windows may be a pixel high: where a step begins goes on from one to the next.
        first = tuple(slice(-start % step, None, step) for start in (window[1], window[0]))
        for found, values, known in zip(parts, pixels, mask > 0):
            found.append(values[first][known[first]])

    for window in windows:
        take(window)
    if not all(_known(found) for found in parts):
        # Data may lie in a corner, or in a strip between the windows.
        taken = set(windows)
        for window in _windows(raster, None):
            if window not in taken:
                take(window)
            if all(_known(found) >= FURTHER_WINDOWS for found in parts):
                break
    return [np.concatenate(found) for found in parts]


def _known(parts: Sequence[np.ndarray]) -> int:
    """In how many windows there was data."""
    return sum(part.size > 0 for part in parts)


def _windows(raster: Raster, most: int | None) -> Iterator[Window]:
    """Windows that are made of whole blocks of the file, so that each is decoded once.

    Blocks larger than `LARGEST_WINDOW` are read in parts all the same.

    Parameters
    ----------
    most : int or None
        About how many pixels they are to have in all, spread evenly; None for the whole file.
    """
    width, height = raster.native.RasterXSize, raster.native.RasterYSize
    block = raster.native.GetRasterBand(1).GetBlockSize()
    across = min(width, block[0] * max(1, math.ceil(WINDOW / block[0])))
    # Strips are as wide as the raster; as many pixels of them are less high.
    down = min(height, block[1] * max(1, math.ceil(WINDOW * WINDOW / across / block[1])))
    # Some formats have one block, whatever its size.
    across = min(across, LARGEST_WINDOW)
    down = min(down, max(1, LARGEST_WINDOW // across))
    columns, rows = math.ceil(width / across), math.ceil(height / down)
    some_columns, some_rows = columns, rows
    wanted = columns * rows if most is None else max(1, most // (across * down))
    if wanted < columns * rows:
        some_rows = _between(2, round(rows * math.sqrt(wanted / (columns * rows))), rows)
        some_columns = _between(2, wanted // some_rows, columns)
        some_rows = _between(2, wanted // some_columns, rows)
    for row in _spread(rows, some_rows):
        for column in _spread(columns, some_columns):
            left, top = column * across, row * down
            yield left, top, min(across, width - left), min(down, height - top)


def _between(least: int, wanted: int, most: int) -> int:
    return min(most, max(least, wanted))


def _spread(count: int, some: int) -> list[int]:
    """Some of so many numbers: those in the middle of equal parts."""
    return [(2 * place + 1) * count // (2 * some) for place in range(some)]
