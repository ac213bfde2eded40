"""Cloud Optimized GeoTIFFs: the same picture, arranged for reading over a network."""

from __future__ import annotations

import os
from pathlib import Path

from osgeo import gdal

from ..raster.gdal_files import collecting_failures

TILE = 512


def rearrange(path: Path, *, floating: bool) -> None:
    """Turn a finished GeoTIFF into a Cloud Optimized GeoTIFF, in its place.

    Pixels, overviews, colours, class names and tags stay; the overviews come first in the file, as
    the format demands, so it cannot be written in one go.

    Parameters
    ----------
    path : Path
        The file.
    floating : bool
        Whether it holds floating point numbers.

    Raises
    ------
    RuntimeError, OSError
        From GDAL, or because the disk is full.
    """
    beside = path.with_name("c" + path.suffix)
    options = [
        f"BLOCKSIZE={TILE}",
        "COMPRESS=DEFLATE",
        f"PREDICTOR={'FLOATING_POINT' if floating else 'STANDARD'}",
        "OVERVIEWS=FORCE_USE_EXISTING",
        "BIGTIFF=IF_SAFER",
    ]
    with collecting_failures() as problems:
        source = gdal.Open(str(path))
        copy = gdal.GetDriverByName("COG").CreateCopy(str(beside), source, options=options)
        copy = source = None  # noqa: F841
    if problems:
        raise OSError(problems[0])
    os.replace(beside, path)
    described = Path(f"{beside}.aux.xml")
    if described.exists():
        os.replace(described, f"{path}.aux.xml")
