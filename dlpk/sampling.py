"""Finding the range of a raster's values, for the one stretch that all its blocks get."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .raster import Raster
from .stretch import Stretch, find_range

# Pixels per side of the reduced image that the percentiles are taken from.
SAMPLE_SIDE, STATISTICS_SIDE = 2048, 1024
# Without overviews a reduced read decodes the whole raster; beyond this size windows are read.
WHOLE_SAMPLE_PIXELS = 64_000_000
# Windows per side come from the size of the sample, so that both ways read about as much.
SAMPLE_WINDOW = 128
PIXELS_PER_WINDOW = 100
SCAN_WINDOW = 1024


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
    raster : Raster
    bands : sequence of int
        0-based.
    data_range : (float, float)
        Range to reach.
    method : str
        ``percent-clip``, ``minmax`` or ``none``.

    Returns
    -------
    Stretch or None
    """
    if method == "none" or (raster.dtype == np.uint8 and data_range == (0.0, 255.0)):
        return None
    if raster.dtype == np.uint8:
        ends = np.zeros(len(bands)), np.full(len(bands), 255.0)
        return Stretch(*ends, data_range)
    find = _extremes if method == "minmax" else _clipped_range
    ranges = [find(raster, band) for band in bands]
    low, high = (np.array(values, np.float64) for values in zip(*ranges))
    return Stretch(low, high, data_range)


def find_statistics(
    raster: Raster, bands: Sequence[int], stretch: Stretch | None, source: str
) -> tuple[dict[str, float], ...]:
    """What a function is told of the values of its input.

    Parameters
    ----------
    raster : Raster
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
    estimated = []
    for index, band in enumerate(bands):
        values = _sample(raster, band, STATISTICS_SIDE)
        if stretch is not None:
            values = stretch.band(index).apply(values.reshape(1, 1, -1)).ravel()
        if not values.size:
            return ()
        estimated.append(
            {
                "minimum": float(values.min()),
                "maximum": float(values.max()),
                "mean": float(values.mean(dtype=np.float64)),
                "standardDeviation": float(values.std(dtype=np.float64)),
                "skipFactorX": skip,
                "skipFactorY": skip,
            }
        )
    return tuple(estimated)


def _clipped_range(raster: Raster, band: int) -> tuple[float, float]:
    return find_range(_sample(raster, band, SAMPLE_SIDE), "percent-clip")


def _extremes(raster: Raster, band: int) -> tuple[float, float]:
    """Smallest and largest value, of all pixels: a sample would miss them."""
    ranges = [find_range(values, "minmax") for values in _windows(raster, band) if values.size] or [
        (0.0, 1.0)
    ]
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def _windows(raster: Raster, band: int) -> Iterator[np.ndarray]:
    width, height = raster.native.RasterXSize, raster.native.RasterYSize
    for top in range(0, height, SCAN_WINDOW):
        for left in range(0, width, SCAN_WINDOW):
            size = min(SCAN_WINDOW, width - left), min(SCAN_WINDOW, height - top)
            pixels, mask = raster.read_native([band], (left, top, *size))
            yield pixels[mask > 0]


def _sample(raster: Raster, band: int, side: int) -> np.ndarray:
    """A few million valid pixels of a band from everywhere."""
    width, height = raster.native.RasterXSize, raster.native.RasterYSize
    overviews = raster.native.GetRasterBand(band + 1).GetOverviewCount()
    if overviews or width * height <= WHOLE_SAMPLE_PIXELS:
        shape = (min(height, side), min(width, side))
        pixels, mask = raster.read_reduced([band], *shape, native=True)
        return pixels[mask > 0]
    # Either side may be short: a raster of 100 rows can have a million columns.
    window = min(width, SAMPLE_WINDOW), min(height, SAMPLE_WINDOW)
    count = max(2, side // PIXELS_PER_WINDOW)
    columns = np.unique(np.linspace(0, width - window[0], count).astype(int))
    rows = np.unique(np.linspace(0, height - window[1], count).astype(int))
    parts = []
    for row in rows:
        for column in columns:
            pixels, mask = raster.read_native([band], (int(column), int(row), *window))
            parts.append(pixels[mask > 0])
    return np.concatenate(parts)
