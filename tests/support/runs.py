"""Packages around small raster functions, rasters, and runs of one over the other."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal, gdal_array, osr

from dlpk.classification.session import Session
from dlpk.harness.environment import Environment
from dlpk.harness.phases import LoadedFunction
from dlpk.harness.settings import Settings
from dlpk.package.open import open_package
from dlpk.raster.dataset import Raster

gdal.UseExceptions()
FUNCTIONS = Path(__file__).parent / "functions"
CLASSES = [
    {"Value": 1, "Name": "bright", "Color": [255, 0, 0]},
    {"Value": 2, "Name": "dark", "Color": [0, 0, 255]},
]
TRANSFORM = (500000.0, 10.0, 0.0, 4000000.0, 0.0, -10.0)
DATA = Path(os.environ.get("DLPK_DATA", Path(__file__).parents[3] / "shared" / "data"))


def make_package(
    folder: Path,
    function: str = "Probe",
    *,
    probe: Mapping[str, Any] | None = None,
    emd: Mapping[str, Any] | None = None,
    text: str | None = None,
    bundled: Sequence[str] = (),
) -> Path:
    """Make a package folder around a function of tests/support/functions, or around a text."""
    folder.mkdir(parents=True, exist_ok=True)
    if text is None:
        shutil.copy(FUNCTIONS / f"{function}.py", folder)
    else:
        (folder / f"{function}.py").write_text(text)
    for name in bundled:
        source = FUNCTIONS / "bundled" / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder)
    content = {
        "ModelType": "ImageClassification",
        "InferenceFunction": f"{function}.py",
        "ImageHeight": 32,
        "ImageWidth": 32,
        "ExtractBands": [0, 1, 2],
        "Classes": CLASSES,
        "Probe": dict(probe or {}),
        **(emd or {}),
    }
    (folder / f"{folder.name}.emd").write_text(json.dumps(content))
    return folder


def boxes(
    path: Path, *entries: tuple[str, tuple[float, ...]], field: str = "class", **more: str
) -> Path:
    """Polygons around pixels (left, top, right, bottom) of a raster of ours; names fill `more`."""
    features = []
    for name, (left, top, right, bottom) in entries:
        x = [500000 + 10 * left, 500000 + 10 * right]
        y = [4000000 - 10 * bottom, 4000000 - 10 * top]
        ring = [[x[0], y[0]], [x[1], y[0]], [x[1], y[1]], [x[0], y[1]], [x[0], y[0]]]
        properties = {field: name, **{key: value.format(name) for key, value in more.items()}}
        geometry = {"type": "Polygon", "coordinates": [ring]}
        features.append({"type": "Feature", "properties": properties, "geometry": geometry})
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32618"}}
    path.write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": features}))
    return path


def make_raster(
    path: Path,
    pixels: np.ndarray | tuple[int, ...] = (3, 40, 50),
    *,
    dtype: str = "u1",
    transform: Sequence[float] | None = TRANSFORM,
    epsg: int | None = 32618,
    nodata: Any = None,
    options: Sequence[str] = (),
    names: Sequence[str] = (),
    categories: Sequence[str] = (),
) -> Path:
    """Write a GeoTIFF; a shape stands for pixels that all differ from their neighbours."""
    if isinstance(pixels, tuple):
        pixels = gradient(pixels, dtype)
    pixels = pixels if pixels.ndim == 3 else pixels[None]
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = gdal_array.NumericTypeCodeToGDALTypeCode(pixels.dtype.type)
    driver = gdal.GetDriverByName("GTiff")
    dataset = driver.Create(
        str(path), pixels.shape[2], pixels.shape[1], pixels.shape[0], kind, list(options)
    )
    if transform is not None:
        dataset.SetGeoTransform(list(transform))
    if epsg is not None and transform is not None:
        system = osr.SpatialReference()
        system.ImportFromEPSG(epsg)
        dataset.SetProjection(system.ExportToWkt())
    for index in range(pixels.shape[0]):
        band = dataset.GetRasterBand(index + 1)
        value = nodata[index] if isinstance(nodata, (list, tuple)) else nodata
        if value is not None:
            band.SetNoDataValue(value)
        if index < len(names):
            band.SetDescription(names[index])
    if categories:
        dataset.GetRasterBand(1).SetCategoryNames(list(categories))
    dataset.WriteArray(pixels)
    dataset = None
    return path


def make_picture(path: Path, pixels: np.ndarray) -> Path:
    """Write a PNG, JPEG or TIFF that lies nowhere on the ground."""
    kind = {".png": "PNG", ".jpg": "JPEG"}.get(path.suffix.lower(), "GTiff")
    path.parent.mkdir(parents=True, exist_ok=True)
    options = ["QUALITY=100"] if kind == "JPEG" else []
    source = gdal_array.OpenArray(pixels if pixels.ndim == 3 else pixels[None])
    gdal.GetDriverByName(kind).CreateCopy(str(path), source, options=options).FlushCache()
    return path


def gradient(shape: tuple[int, ...], dtype: str = "u1") -> np.ndarray:
    """Pixels whose value tells where they are."""
    bands, rows, columns = shape
    band, row, column = np.indices(shape)
    values = (row * 7 + column * 3 + band * 31) % 251
    return values.reshape(bands, rows, columns).astype(dtype)


@contextmanager
def running(
    package: Path | str,
    raster: Path | str,
    *,
    arguments: Mapping[str, Any] | None = None,
    device: int = -1,
    settings: Settings | None = None,
    statistics: bool = True,
    said: list[tuple[str, str]] | None = None,
    **options: Any,
) -> Iterator[Session]:
    """A run that has been started, for the time of a ``with`` block."""
    heard: list[tuple[str, str]] = [] if said is None else said

    def say(level: str, text: str) -> None:
        heard.append((level, text))

    source = Raster(raster, **options)
    with open_package(package) as opened, Environment(opened, say, device=device):
        loaded = LoadedFunction(opened, device, statistics=statistics)
        yield Session.start(loaded, source, arguments or {}, settings)


def calls(run: Session, method: str) -> list[dict[str, Any]]:
    """What the function `Probe` remembers of one of its methods."""
    return [given for name, given in run.function.instance.calls if name == method]


def all_blocks(run: Session) -> np.ndarray:
    """The result of a run as one array."""
    whole = np.zeros((run.info.bands, run.raster.height, run.raster.width), run.info.pixel_type)
    for block in run.grid.blocks():
        pixels, _ = run.process(block)
        rows = slice(block.row, block.row + block.used_height)
        columns = slice(block.column, block.column + block.used_width)
        whole[:, rows, columns] = pixels[:, : block.used_height, : block.used_width]
    return whole


def read(path: Path | str) -> np.ndarray:
    """All pixels of a raster, shape (bands, rows, columns)."""
    array = gdal.Open(str(path)).ReadAsArray()
    return array if array.ndim == 3 else array[None]
