"""Large results: cloud optimized, in little memory, blocks without data left out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal

from dlpk.classification.api import classify
from tests.support.classified import names, result, table, vat_rows
from tests.support.runs import TRANSFORM, make_package, make_raster

ROOT = Path(__file__).parents[3]


MEMORY = """
import resource, sys
from dlpk.classification.api import classify
classify(sys.argv[1], sys.argv[2], sys.argv[3], device="cpu")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_raster(tmp_path: Path) -> None:
    probe = {"Configuration": {"tx": 512, "ty": 512, "padding": 32, "inputMask": True}}
    package = make_package(tmp_path / "P", "Forgetful", text=FORGETFUL, probe=probe)
    peaks = []
    for side in (1500, 6000):
        raster = tmp_path / f"{side}.tif"
        driver = gdal.GetDriverByName("GTiff")
        dataset = driver.Create(str(raster), side, side, 3, options=["TILED=YES", "SPARSE_OK=NO"])
        dataset.SetGeoTransform(TRANSFORM)
        dataset = None
        command = [sys.executable, "-c", MEMORY, str(package), str(raster), str(tmp_path / "o.tif")]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout))
    assert peaks[1] < 1.1 * peaks[0], peaks


FORGETFUL = """
import numpy as np
class Forgetful:
    def initialize(self, **kwargs): pass
    def getParameterInfo(self): return [{"name": "raster", "dataType": "raster"}]
    def getConfiguration(self, **scalars):
        return {"tx": 512, "ty": 512, "padding": 32, "inputMask": True, "fixedTileSize": 1}
    def updateRasterInfo(self, **kwargs):
        kwargs["output_info"].update(bandCount=1, pixelType="u1")
        return kwargs
    def updatePixels(self, tlc, shape, props, **pixelBlocks):
        return {"output_pixels": np.ones(shape, "u1")}
"""


CLASSES_TABLE = table((1, "water"), (2, "wood"))


@pytest.mark.parametrize("floating", [False, True])
def test_cloud_optimized(tmp_path: Path, floating: bool) -> None:
    """Arranged as the format demands, with all that the plain file holds."""
    from osgeo_utils.samples import validate_cloud_optimized_geotiff as checker

    raster = make_raster(tmp_path / "s.tif", (1, 900, 1300))
    kind = "f4" if floating else "u1"
    info = {"pixelType": kind, "noData": -1.0 if floating else 255}
    if not floating:
        info["rasterAttributeTable"] = CLASSES_TABLE
    probe = {"Configuration": {"tx": 100, "ty": 100}, "Output": info, "Answer": "2-d"}
    plain = gdal.Open(str(result(tmp_path, raster, probe=probe)))
    pixels, tags = plain.ReadAsArray(), plain.GetMetadata()
    path = result(tmp_path, raster, probe=probe, cog=True)
    warnings, errors, _ = checker.validate(str(path), full_check=True)
    assert not errors
    assert not warnings
    cog = gdal.Open(str(path))
    assert np.array_equal(cog.ReadAsArray(), pixels)
    assert {key: cog.GetMetadata()[key] for key in tags} == tags
    band = cog.GetRasterBand(1)
    assert band.GetNoDataValue() == plain.GetRasterBand(1).GetNoDataValue()
    assert band.GetOverviewCount() > 0
    if not floating:
        assert band.GetCategoryNames()[1:] == ["water", "wood"]
        assert band.GetColorTable().GetColorEntry(2) == (9, 2, 1, 255)
        assert (
            band.GetDefaultRAT().GetRowCount()
            == plain.GetRasterBand(1).GetDefaultRAT().GetRowCount()
        )
        assert vat_rows(path)
    assert not any(name.startswith((".dlpk", "c.")) for name in names(tmp_path / "out"))


def test_blocks_without_data(tmp_path: Path) -> None:
    """They are not asked for."""
    pixels = np.zeros((3, 200, 200), np.uint8)
    pixels[:, 130:150, 130:170] = 7
    raster = make_raster(tmp_path / "s.tif", pixels, nodata=0)
    out = tmp_path / "out.tif"
    package = make_package(tmp_path / "P", "Counting", text=COUNTING)
    classify(package, raster, out, device="cpu")
    calls = int((tmp_path / "P" / "calls").read_text())
    assert calls == 2
    made = gdal.Open(str(out)).ReadAsArray()
    assert (made == np.where(pixels[0] > 0, 1, 255)).all()


COUNTING = """
import os
import numpy as np
class Counting:
    calls = 0
    def initialize(self, **kwargs): self.folder = os.path.dirname(kwargs["model"])
    def getParameterInfo(self): return [{"name": "raster", "dataType": "raster"}]
    def getConfiguration(self, **scalars):
        return {"tx": 50, "ty": 50, "padding": 8, "inputMask": True}
    def updateRasterInfo(self, **kwargs):
        kwargs["output_info"].update(bandCount=1, pixelType="u1", noData=np.array([255]))
        return kwargs
    def updatePixels(self, tlc, shape, props, **pixelBlocks):
        Counting.calls += 1
        with open(os.path.join(self.folder, "calls"), "w") as file:
            file.write(str(Counting.calls))
        return {"output_pixels": np.ones(shape, "u1")}
"""
