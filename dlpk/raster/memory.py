"""Arrays as rasters."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from osgeo import gdal

from ..errors import RasterError
from .dataset import DATA_TYPES, Raster


@contextmanager
def array_raster(
    array: np.ndarray,
    mask: np.ndarray | None = None,
    nodata: float | None = None,
    cell_size: float = 1.0,
) -> Iterator[Raster]:
    """An array as a raster that is there inside a ``with`` block.

    Parameters
    ----------
    array : ndarray
        Shape (bands, rows, columns).
    mask : ndarray, optional
        Shape (rows, columns), 0 where there is no data.
    nodata : float, optional
        Value that stands for no data.
    cell_size : float
        Side of a pixel; rows run down from 0.

    Raises
    ------
    RasterError
        Its shape, its type or the mask's shape is none of a raster, or its bands come last.
    """
    array = np.asarray(array)
    kind = DATA_TYPES.get(f"{array.dtype.kind}{array.dtype.itemsize}")
    if array.ndim != 3 or 0 in array.shape or kind is None:
        raise RasterError(
            f"the array is {array.dtype}{list(array.shape)}; it must be (bands, rows, columns) of "
            f"{', '.join(DATA_TYPES)}"
        )
    bands, rows, columns = array.shape
    if columns in (3, 4) and bands > columns and rows > columns:
        raise RasterError(
            f"the array's shape {array.shape} looks like (rows, columns, bands), and bands come "
            "first: np.moveaxis(array, -1, 0)"
        )
    if mask is not None and mask.shape != (rows, columns):
        raise RasterError(
            f"the mask has the shape {mask.shape}; it must be that of a band, {(rows, columns)}"
        )
    path = f"/vsimem/dlpk-{uuid.uuid4().hex}.tif"
    try:
        dataset = gdal.GetDriverByName("GTiff").Create(path, columns, rows, bands, kind)
        dataset.SetGeoTransform((0.0, cell_size, 0.0, 0.0, 0.0, -cell_size))
        if nodata is not None:
            for number in range(bands):
                dataset.GetRasterBand(number + 1).SetNoDataValue(nodata)
        dataset.WriteArray(array)
        if mask is not None:
            dataset.CreateMaskBand(gdal.GMF_PER_DATASET)
            band = dataset.GetRasterBand(1).GetMaskBand()
            band.WriteArray(np.where(mask != 0, 255, 0).astype(np.uint8))
        band = dataset = None  # writes what is left
        yield Raster(path, label="the array")
    finally:
        for file in (path, f"{path}.msk"):
            if gdal.VSIStatL(file) is not None:
                gdal.Unlink(file)
