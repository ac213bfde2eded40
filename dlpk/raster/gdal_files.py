"""Opening files with GDAL, and making virtual rasters of them."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from osgeo import gdal, ogr, osr

from ..errors import RasterError

gdal.UseExceptions()
ogr.UseExceptions()
osr.UseExceptions()
# A server that says nothing ends the run, in seconds; whoever has set them is obeyed.
for _name, _value in (("CONNECTTIMEOUT", 30), ("LOW_SPEED_TIME", 60), ("LOW_SPEED_LIMIT", 1)):
    if gdal.GetConfigOption(f"GDAL_HTTP_{_name}") is None:
        gdal.SetConfigOption(f"GDAL_HTTP_{_name}", str(_value))

# How pixels are resampled (names of GDAL's).
RESAMPLINGS = ("bilinear", "nearest", "cubic", "average")
# What decoders only warn of although pixels are missing.
DAMAGE = ("premature end", "corrupt")
UNREFERENCED = (0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@contextmanager
def listening() -> Iterator[None]:
    """Take what GDAL would print: warnings become Python's, warnings of damage errors.

    Raises
    ------
    RuntimeError
        From GDAL, or because a file is damaged.
    """
    heard: list[str] = []

    def hear(kind: int, number: int, message: str) -> None:
        if kind == gdal.CE_Warning:
            heard.append(message.split(" (this warning can be")[0])

    gdal.PushErrorHandler(hear)
    try:
        yield
    finally:
        gdal.PopErrorHandler()
    for message in heard:
        if any(word in message.lower() for word in DAMAGE):
            raise RuntimeError(message)
        warnings.warn(message, stacklevel=3)


def open_raster(path: str) -> Any:
    """Open a raster for reading.

    Parameters
    ----------
    path : str
        Anything GDAL opens.

    Raises
    ------
    RasterError
        It cannot be opened, has no bands or no pixels.
    """
    if not path.strip():
        raise RasterError("no raster was named")
    try:
        with listening():
            dataset = gdal.OpenEx(path, gdal.OF_RASTER | gdal.OF_VERBOSE_ERROR)
    except (RuntimeError, ValueError) as error:
        reason = "there is no such file" if _is_missing(path) else str(error)
        if os.path.isdir(path):
            reason = "it is a folder; name a raster in it"
        raise RasterError(f"the raster {path} cannot be opened: {reason}") from error
    if dataset.RasterCount == 0:
        subdatasets = [name for name, _ in dataset.GetSubDatasets()]
        hint = f": choose one of {', '.join(subdatasets[:5])}" if subdatasets else ""
        raise RasterError(f"the raster {path} has no bands{hint}")
    if dataset.RasterXSize == 0 or dataset.RasterYSize == 0:
        raise RasterError(f"the raster {path} is empty")
    return dataset


def _is_missing(path: str) -> bool:
    try:
        return not os.path.exists(path) and "://" not in path and not path.startswith("/vsi")
    except ValueError:  # a zero byte
        return True


def absolute(name: str) -> str:
    """A file's absolute path; what names no file, such as a connection text, as it is.

    Functions may change the working directory while a raster is being read.
    """
    try:
        return os.path.abspath(name) if os.path.exists(name) else name
    except ValueError:
        return name


def is_referenced(dataset: Any) -> bool:
    """Whether a dataset has a place on a map."""
    return tuple(dataset.GetGeoTransform()) != UNREFERENCED


def is_turned(dataset: Any) -> bool:
    """Whether rows and columns of a dataset are not parallel to the axes."""
    transform = dataset.GetGeoTransform()
    return bool(transform[2] or transform[4])


def has_own_mask(dataset: Any) -> bool:
    """Whether validity is kept in a mask beside the bands, neither NoData value nor alpha band."""
    flags = dataset.GetRasterBand(1).GetMaskFlags()
    return bool(flags & gdal.GMF_PER_DATASET) and not flags & gdal.GMF_ALPHA


def unpaletted(dataset: Any, target: str = "") -> Any:
    """Turn an image with a colour table into red, green and blue.

    Parameters
    ----------
    target : str
        VRT file to make; in memory by default.

    Returns
    -------
    gdal.Dataset
        The same if it has no colour table. Transparent colours become a mask.
    """
    band = dataset.GetRasterBand(1)
    table = band.GetColorTable()
    if dataset.RasterCount != 1 or table is None:
        return dataset
    entries = [table.GetColorEntry(index) for index in range(table.GetCount())]
    if band.GetNoDataValue() is None and all(entry[3] == 255 for entry in entries):
        return gdal.Translate(target, dataset, format="VRT", rgbExpand="rgb")
    expanded = gdal.Translate(_inner(target), dataset, format="VRT", rgbExpand="rgba")
    return with_mask(expanded, target)


def with_mask(dataset: Any, target: str = "") -> Any:
    """Turn the last band, an alpha band, into a mask."""
    count = dataset.RasterCount - 1
    return gdal.Translate(
        target, dataset, format="VRT", bandList=list(range(1, count + 1)), maskBand=str(count + 1)
    )


def _inner(target: str) -> str:
    return f"{target}.inner.vrt" if target else ""


def warped(dataset: Any, target: str = "", *, masked: bool, **options: Any) -> Any:
    """Warp a raster to the grid that `options` describe.

    Parameters
    ----------
    target : str
        VRT file to make; in memory by default.
    masked : bool
        Whether what the raster does not cover has to be kept apart by a mask.
    **options
        Of ``gdal.Warp``.
    """
    if not masked:
        return gdal.Warp(target, dataset, format="VRT", **options)
    inner = gdal.Warp(_inner(target), dataset, format="VRT", dstAlpha=True, **options)
    if target:
        inner.FlushCache()
    return with_mask(inner, target)


@contextmanager
def collecting_failures() -> Iterator[list[str]]:
    """Collect what goes wrong while a dataset is closed: a destructor cannot raise."""
    heard: list[str] = []

    def hear(kind: int, number: int, message: str) -> None:
        if kind >= gdal.CE_Failure:
            heard.append(message)

    def catch(unraisable: Any) -> None:
        heard.append(str(unraisable.exc_value))

    before, sys.unraisablehook = sys.unraisablehook, catch
    gdal.PushErrorHandler(hear)
    try:
        yield heard
    finally:
        gdal.PopErrorHandler()
        sys.unraisablehook = before
