"""The demo scene and its reference: a crop that the training never sees."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from osgeo import gdal

from training.data import references
from training.data.rasters import read, read_swir
from training.data.references import RULES, index
from training.data.split import GAP, demo_window

gdal.UseExceptions()

OPTIONS = ["TILED=YES", "BLOCKXSIZE=256", "BLOCKYSIZE=256", "COMPRESS=DEFLATE", "ZLEVEL=9"]
CREDIT = "Contains modified Copernicus Sentinel data 2016"
BANDS = ("B04 red", "B03 green", "B02 blue")
CLASSES = ("other", "water", "vegetation")
COLOURS = ((235, 230, 215), (35, 110, 200), (50, 150, 60))


def write_demo(scene: Path, swir: Path, folder: Path) -> None:
    """Write ``scene.tif`` and ``reference.tif``.

    Parameters
    ----------
    scene : Path
        Sentinel-2 bands B04, B03, B02, B08.
    swir : Path
        Sentinel-2 band B11 (first band of the file).
    folder : Path
        Where the two files go; it must exist.
    """
    window = demo_window()
    rgbn = read(scene)
    labels = references.sentinel2(rgbn, read_swir(swir, scene))
    source = gdal.Open(str(scene))
    left, width, _, top, _, height = source.GetGeoTransform()
    transform = (
        left + window.left * width,
        width,
        0.0,
        top + window.top * height,
        0.0,
        height,
    )
    cropped = rgbn[:3, window.slices[0], window.slices[1]].astype(np.uint16)
    classes = np.zeros((window.height, window.width), dtype=np.uint8)
    classes[labels[index("vegetation")][window.slices] == 1] = CLASSES.index("vegetation")
    # The two rules agree almost nowhere; where they do, water counts.
    classes[labels[index("water")][window.slices] == 1] = CLASSES.index("water")
    projection = source.GetProjection()
    _write_scene(folder / "scene.tif", cropped, transform, projection)
    _write_reference(folder / "reference.tif", classes, transform, projection)


def _create(
    path: Path,
    bands: int,
    kind: int,
    transform: tuple[float, ...],
    projection: str,
    options: list[str],
) -> gdal.Dataset:
    window = demo_window()
    dataset = gdal.GetDriverByName("GTiff").Create(
        str(path), window.width, window.height, bands, kind, [*OPTIONS, *options]
    )
    dataset.SetGeoTransform(transform)
    dataset.SetProjection(projection)
    return dataset


def _write_scene(
    path: Path, pixels: np.ndarray, transform: tuple[float, ...], projection: str
) -> None:
    beside = path.with_name("~" + path.name)
    options = ["PREDICTOR=2", "PHOTOMETRIC=RGB"]
    dataset = _create(beside, 3, gdal.GDT_UInt16, transform, projection, options)
    dataset.SetMetadata(
        {
            "TIFFTAG_IMAGEDESCRIPTION": "Sentinel-2 level 1C, Virginia coast (United States): "
            "top-of-atmosphere reflectance times 10000",
            "TIFFTAG_COPYRIGHT": CREDIT,
            "SPLIT": f"held out of the training of the miniature weights, with {GAP} pixels around",
        }
    )
    interpretations = (gdal.GCI_RedBand, gdal.GCI_GreenBand, gdal.GCI_BlueBand)
    for number, (name, interpretation) in enumerate(zip(BANDS, interpretations), start=1):
        band = dataset.GetRasterBand(number)
        band.SetDescription(name)
        band.SetColorInterpretation(interpretation)
        band.WriteArray(pixels[number - 1])
    dataset = None
    _rename(beside, path)


def _write_reference(
    path: Path, classes: np.ndarray, transform: tuple[float, ...], projection: str
) -> None:
    beside = path.with_name("~" + path.name)
    dataset = _create(beside, 1, gdal.GDT_Byte, transform, projection, [])
    dataset.SetMetadata(
        {
            "TIFFTAG_IMAGEDESCRIPTION": "Reference for the demo scene, from bands that are not in "
            "it",
            "TIFFTAG_COPYRIGHT": CREDIT,
            "RULE_1_WATER": RULES["water"],
            "RULE_2_VEGETATION": RULES["vegetation"] + ", no water",
        }
    )
    band = dataset.GetRasterBand(1)
    colours = gdal.ColorTable()
    for value, colour in enumerate(COLOURS):
        colours.SetColorEntry(value, (*colour, 255))
    colours.SetColorEntry(255, (0, 0, 0, 0))
    band.SetColorTable(colours)
    band.SetCategoryNames(list(CLASSES))
    band.SetDescription("land cover")
    band.SetNoDataValue(255)
    band.WriteArray(classes)
    dataset = None
    _rename(beside, path)


def _rename(beside: Path, path: Path) -> None:
    """Give a finished raster its name, and the file beside it that holds its category names."""
    os.replace(beside, path)
    notes = beside.with_name(beside.name + ".aux.xml")
    if notes.exists():
        os.replace(notes, path.with_name(path.name + ".aux.xml"))
