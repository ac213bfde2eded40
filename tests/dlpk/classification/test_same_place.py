"""The same place gets the same classes, whatever part of the raster is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal

import dlpk
from tests.support.runs import DATA

gdal.UseExceptions()
SCENE = Path(__file__).parents[3] / "demo" / "scene.tif"


@pytest.fixture(scope="module")
def model(mini: Path) -> Any:
    with dlpk.open(mini, device="cpu") as model:
        yield model


def pixels(path: Path) -> np.ndarray:
    return np.asarray(gdal.Open(str(path)).ReadAsArray())


def referenced(folder: Path) -> Path:
    return Path(
        gdal.Translate(str(folder / "s.tif"), str(SCENE), srcWin=[0, 0, 420, 300]).GetDescription()
    )


def plain(folder: Path) -> Path:
    options = {"srcWin": [0, 0, 420, 300], "outputType": gdal.GDT_Byte, "bandList": [1, 2, 3]}
    gdal.Translate(
        str(folder / "s.png"), str(SCENE), format="PNG", scaleParams=[[0, 3000, 0, 255]], **options
    )
    (folder / "s.png.aux.xml").unlink(missing_ok=True)
    return folder / "s.png"


@pytest.mark.parametrize("make", [referenced, plain])
@pytest.mark.parametrize("scales", ["1", "1,0.5"])
def test_an_extent_is_a_part_of_the_whole(
    model: Any, tmp_path: Path, make: Any, scales: str
) -> None:
    raster = make(tmp_path)
    arguments = {"scales": scales, "return_probability_raster": "True"}
    whole, part = tmp_path / "whole.tif", tmp_path / "part.tif"
    model.classify(raster, whole, prompt="water, vegetation", arguments=arguments)
    left, top, width, height = 123, 45, 240, 200
    t = gdal.Open(str(raster)).GetGeoTransform()
    ys = sorted((t[3] + top * t[5], t[3] + (top + height) * t[5]))
    extent = (t[0] + left * t[1], ys[0], t[0] + (left + width) * t[1], ys[1])
    model.classify(raster, part, prompt="water, vegetation", arguments=arguments, extent=extent)
    expected = pixels(whole)[:, top : top + height, left : left + width]
    assert expected.max() > 0.5
    assert np.array_equal(pixels(part), expected, equal_nan=True)


def test_a_raster_with_nodata_borders(model: Any, tmp_path: Path) -> None:
    raster = DATA / "landsat_bahamas_nodata_uint8.tif"
    if not raster.exists():
        pytest.skip("no such raster here")
    t, (left, top, side) = gdal.Open(str(raster)).GetGeoTransform(), (350, 80, 256)
    whole, part = tmp_path / "whole.tif", tmp_path / "part.tif"
    model.classify(raster, whole, prompt="water")
    xmin, ymax = t[0] + left * t[1], t[3] + top * t[5]
    extent = (xmin, ymax + side * t[5], xmin + side * t[1], ymax)
    model.classify(raster, part, prompt="water", extent=extent)
    expected = pixels(whole)[top : top + side, left : left + side]
    assert set(np.unique(expected)) >= {0, 255}
    assert np.array_equal(pixels(part), expected)
