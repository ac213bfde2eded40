"""An artificial raster to run functions on: smooth areas, edges and noise, the same every time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from osgeo import gdal, gdal_array, osr

TRANSFORM = (500000.0, 1.0, 0.0, 4000000.0, 0.0, -1.0)
EPSG = 32633
SEED = 7
SHAPES = 24


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
