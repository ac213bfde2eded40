"""Real clusters of processes on this machine, and something cheap to run on them."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal

from dlpk.classification.cluster.connect import connected
from dlpk.output.geotiff import result_files
from tests.support.runs import TRANSFORM

SIDE = 48 * 9 + 20
BLOCKS = 10 * 10


@contextmanager
def cluster(workers: int) -> Iterator[Any]:
    """A client of a cluster; what its processes leave to the collector is not the tests' matter."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with connected(workers) as client:
            yield client


def scene(path: Path, dtype: type = np.uint8) -> Path:
    """A raster of noise, of 10 by 10 blocks of the function Steady, some of them without data."""
    kind = {np.uint8: gdal.GDT_Byte, np.uint16: gdal.GDT_UInt16}[dtype]
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), SIDE, SIDE, 3, kind)
    dataset.SetGeoTransform(TRANSFORM)
    pixels = np.random.default_rng(0).integers(1, np.iinfo(dtype).max, (3, SIDE, SIDE), dtype)
    pixels[:, 60:200, 100:300] = 0
    dataset.WriteArray(pixels)
    for number in (1, 2, 3):
        dataset.GetRasterBand(number).SetNoDataValue(0)
    return path


def corner(across: int, down: int) -> str:
    """Easting and northing of a block of that raster."""
    return f"{TRANSFORM[0] + across * 48 * 10} {TRANSFORM[3] - down * 48 * 10}"


def everything(path: Path) -> dict[str, str]:
    """Hashes of a result and of all files beside it."""
    return {
        file.name.removeprefix(path.name): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in result_files(path)
        if file.exists()
    }
