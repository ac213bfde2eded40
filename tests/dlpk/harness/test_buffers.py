"""Functions that use their arrays again, and what GDAL is told for the time of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal

from dlpk.classification.api import classify
from dlpk.classification.session import Session
from dlpk.harness.phases import LoadedFunction
from dlpk.package.open import open_package
from dlpk.raster import gdal_config as gdal_settings
from dlpk.raster.dataset import Raster
from tests.support.runs import make_package, make_raster, read

# One buffer for all blocks, as a function may keep that delivers what a graphics card writes into.
REUSES = """
import numpy as np

class Reuses:
    def initialize(self, **kwargs):
        self.pixels = np.zeros((1, 16, 16), "u1")
        self.mask = np.zeros((1, 16, 16), "MASK")

    def getParameterInfo(self):
        return [{"name": "raster", "dataType": "raster", "value": None, "required": True,
                 "displayName": "Raster", "description": "What to classify."}]

    def getConfiguration(self, **scalars):
        return {"tx": 16, "ty": 16, "fixedTileSize": 1, "inheritProperties": 4 | 8}

    def updateRasterInfo(self, **kwargs):
        kwargs["output_info"].update(bandCount=1, pixelType="u1", noData=np.array([255], "u1"))
        return kwargs

    def updatePixels(self, tlc, shape, props, **blocks):
        np.copyto(self.pixels, blocks["raster_pixels"][:1])
        np.copyto(self.mask, blocks["raster_pixels"][1:2] > 20, casting="unsafe")
        return {"output_pixels": self.pixels, "output_mask": self.mask}
"""


@pytest.mark.parametrize("mask", ["u1", "i4", "?"])
def test_a_function_may_use_its_arrays_again(tmp_path: Path, mask: str) -> None:
    """As in ArcGIS: what it returned is taken before the next block is asked for."""
    package = make_package(tmp_path / "P", "Reuses", text=REUSES.replace("MASK", mask))
    pixels = np.random.default_rng(0).integers(0, 255, (2, 100, 130)).astype(np.uint8)
    raster = make_raster(tmp_path / "s.tif", pixels)
    classify(package, raster, tmp_path / "r.tif", device="cpu")
    expected = np.where(pixels[1] > 20, pixels[0], 255)
    np.testing.assert_array_equal(read(tmp_path / "r.tif")[0], expected)
    # And results that are compared with each other stay what they were.
    with open_package(package) as opened:
        run = Session.start(LoadedFunction(opened, -1), Raster(raster), {})
        one, other = (run.process(run.grid.block(place, 0)) for place in (0, 1))
    for found, start in ((one, 0), (other, 16)):
        np.testing.assert_array_equal(found[0][0], pixels[0, :16, start : start + 16])
        np.testing.assert_array_equal(found[1][0], pixels[1, :16, start : start + 16] > 20)


def option() -> str | None:
    found: str | None = gdal.GetConfigOption(gdal_settings.THREADS)
    return found


def test_threads_for_the_time_of_a_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gdal.SetConfigOption(gdal_settings.THREADS, None)
    monkeypatch.delenv(gdal_settings.THREADS, raising=False)
    for processors, threads in ((1, "1"), (3, "3"), (200, "8")):
        monkeypatch.setattr(gdal_settings, "processors", lambda count=processors: count)
        with gdal_settings.threads():
            assert option() == threads
        assert option() is None
    gdal.SetConfigOption(gdal_settings.THREADS, "5")
    try:
        with gdal_settings.threads():
            assert option() == "5"
        assert option() == "5"
    finally:
        gdal.SetConfigOption(gdal_settings.THREADS, None)
    package = make_package(tmp_path / "P")
    raster = make_raster(tmp_path / "s.tif", (3, 40, 50))
    classify(package, raster, tmp_path / "r.tif", device="cpu")
    assert option() is None


@pytest.mark.parametrize("cog", [False, True])
def test_the_same_bytes_with_any_number_of_threads(tmp_path: Path, cog: bool) -> None:
    """With overviews, whose tiles GDAL writes in another order where it has many threads."""
    text = REUSES.replace("16", "512").replace("MASK", "u1")
    package = make_package(tmp_path / "P", "Reuses", text=text)
    pixels = np.random.default_rng(0).integers(0, 255, (2, 40, 40)).astype(np.uint8)
    pixels = pixels.repeat(125, axis=1).repeat(125, axis=2)
    raster = make_raster(tmp_path / "s.tif", pixels)
    results = []
    for threads in ("1", "5", "8"):
        gdal.SetConfigOption(gdal_settings.THREADS, threads)
        try:
            classify(package, raster, tmp_path / "r.tif", device="cpu", cog=cog)
        finally:
            gdal.SetConfigOption(gdal_settings.THREADS, None)
        results.append((tmp_path / "r.tif").read_bytes())
    assert results[0] == results[1] == results[2]
