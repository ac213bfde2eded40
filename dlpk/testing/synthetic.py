"""An artificial raster to run functions on: smooth areas, edges and noise, the same every time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal, gdal_array, osr

from ..harness.answers import Configuration

TRANSFORM = (500000.0, 1.0, 0.0, 4000000.0, 0.0, -1.0)
EPSG = 32633
SEED = 7
SHAPES = 24
# Sides of a raster in blocks: two whole ones, and a part of one at the edge.
WHOLE_BLOCKS, LARGEST_SIDE = 2, 3000


def raster_for(
    configuration: Configuration,
    emd: Mapping[str, Any],
    path: Path,
    *,
    size: tuple[int, int] | None = None,
    nodata: float | None = None,
) -> Path:
    """Write a raster that has the bands that a function asks for.

    Parameters
    ----------
    size : (int, int), optional
        Rows and columns; by default two blocks and a third of one each way.
    """
    if size is None:
        size = (_side(configuration.ty), _side(configuration.tx))
    bands, names = _bands_wanted(configuration, emd)
    return write_raster(path, synthetic_pixels(bands, *size), nodata=nodata, names=names)


def _side(block: int) -> int:
    return min(WHOLE_BLOCKS * block + max(1, block // 3), LARGEST_SIDE)


def _bands_wanted(configuration: Configuration, emd: Mapping[str, Any]) -> tuple[int, list[str]]:
    """How many bands a raster needs for a function, and what they have to be called."""
    wanted: Sequence[Any] = configuration.bands or ()
    if not wanted and isinstance(emd.get("ExtractBands"), list):
        wanted = emd["ExtractBands"]
    numbers = [band for band in wanted if isinstance(band, int) and 0 <= band < 1000]
    names = [band for band in wanted if isinstance(band, str)]
    count = max([*(number + 1 for number in numbers), len(wanted)], default=0) or 3
    # Names go to bands that no number asks for.
    free = [band for band in range(count + len(names)) if band not in numbers]
    named = [""] * (max([count, *(free[: len(names)] and [free[len(names) - 1] + 1])]))
    for band, name in zip(free, names):
        named[band] = name
    return len(named), named


def synthetic_pixels(bands: int, rows: int, columns: int) -> np.ndarray:
    """Make a picture.

    Returns
    -------
    ndarray
        uint8, shape (bands, rows, columns), values 1 to 254.
    """
    random = np.random.default_rng(SEED)
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    picture = np.zeros((bands, rows, columns), np.float32)
    for band in range(bands):
        for period in (61.0, 173.0, 467.0):
            angle, phase = random.uniform(0, 2 * np.pi, 2)
            wave = np.cos(angle) * x + np.sin(angle) * y
            picture[band] += np.sin(wave * (2 * np.pi / period) + phase)
    picture = 128 + 28 * picture
    for _ in range(SHAPES):
        row, column = random.integers(0, rows), random.integers(0, columns)
        height, width = random.integers(4, 90, 2)
        color = random.uniform(20, 235, (bands, 1, 1))
        picture[:, row : row + height, column : column + width] = color
    picture += random.normal(0, 6, picture.shape)
    return np.clip(np.rint(picture), 1, 254).astype(np.uint8)


def write_raster(
    path: Path, pixels: np.ndarray, *, nodata: float | None = None, names: Sequence[str] = ()
) -> Path:
    """Write a picture as a GeoTIFF with a place on the map.

    Parameters
    ----------
    pixels : ndarray
        Numbers, shape (bands, rows, columns).
    names : sequence of str
        Of the bands, from the first.
    """
    bands, rows, columns = pixels.shape
    kind = gdal_array.NumericTypeCodeToGDALTypeCode(pixels.dtype.type)
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), columns, rows, bands, kind)
    dataset.SetGeoTransform(TRANSFORM)
    system = osr.SpatialReference()
    system.ImportFromEPSG(EPSG)
    dataset.SetProjection(system.ExportToWkt())
    for number in range(bands):
        band = dataset.GetRasterBand(number + 1)
        if nodata is not None:
            band.SetNoDataValue(nodata)
        if number < len(names) and names[number]:
            band.SetDescription(names[number])
    dataset.WriteArray(pixels)
    dataset = None  # closes the file
    return path
