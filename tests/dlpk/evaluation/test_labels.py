"""Labels of all kinds on the grid of a raster."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal, ogr, osr

from dlpk.errors import TruthError
from dlpk.evaluation.grids import Grid
from dlpk.evaluation.labels import open_truth
from dlpk.evaluation.measures.counts import IGNORED
from tests.support.runs import boxes, make_raster

gdal.UseExceptions()
ogr.UseExceptions()


def like(width: int = 20, height: int = 10) -> Grid:
    dataset = gdal.GetDriverByName("MEM").Create("", width, height, 1, gdal.GDT_Float32)
    dataset.SetGeoTransform((500000, 10, 0, 4000000, 0, -10))
    system = osr.SpatialReference()
    system.ImportFromEPSG(32618)
    dataset.SetProjection(system.ExportToWkt())
    return Grid.of(dataset)


def test_one_class_alone_labels_everything(tmp_path: Path) -> None:
    labels = boxes(tmp_path / "l.geojson", ("water", (2, 1, 6, 4)))
    read = open_truth(labels, like(), ["water"], tmp_path).read((0, 0, 20, 10))
    assert (read[1:4, 2:6] == 1).all()
    assert (read == 1).sum() == 12
    assert (read == 0).sum() == 200 - 12


def test_several_classes_leave_the_rest_unknown(tmp_path: Path) -> None:
    labels = boxes(
        tmp_path / "l.geojson",
        ("Roof", (0, 0, 2, 2)),
        ("water", (2, 1, 6, 4)),
        ("other", (10, 5, 12, 7)),
    )
    read = open_truth(labels, like(), ["water", "roof"], tmp_path).read((0, 0, 20, 10))
    assert (read[1:4, 2:6] == 1).all()
    assert (read[0:2, 0:2] == 2).all()
    assert (read[5:7, 10:12] == 0).all()
    assert (read == IGNORED).sum() == 200 - 12 - 4 - 4


def test_raster_labels(tmp_path: Path) -> None:
    target = like()
    values = np.zeros((10, 20), np.uint8)
    values[2:4, 3:9], values[9, 19], values[0, 0] = 1, 2, 255
    labels = make_raster(tmp_path / "l.tif", values, epsg=None, nodata=255)
    read = open_truth(labels, target, ["a", "b"], tmp_path).read((0, 0, 20, 10))
    assert (read[2:4, 3:9] == 1).all()
    assert read[9, 19] == 2
    assert read[0, 0] == IGNORED
    assert read[5, 5] == 0


def test_labels_that_do_not_fit(tmp_path: Path) -> None:
    labels = boxes(tmp_path / "l.geojson", ("lava", (0, 0, 2, 2)))
    with pytest.raises(TruthError, match=r"none of the classes water; they name: lava"):
        open_truth(labels, like(), ["water"], tmp_path)
    odd = boxes(tmp_path / "o.geojson", ("water", (0, 0, 2, 2)), field="kind")
    with pytest.raises(TruthError, match=r"no field that is called like a class"):
        open_truth(odd, like(), ["water", "roof"], tmp_path)
    assert open_truth(odd, like(), ["water", "roof"], tmp_path, field="kind")
    with pytest.raises(TruthError, match="has no field 'sort'"):
        open_truth(odd, like(), ["water"], tmp_path, field="sort")
    with pytest.raises(TruthError, match="cannot be opened"):
        open_truth(tmp_path / "missing.shp", like(), ["water"], tmp_path)
    named = make_raster(tmp_path / "n.tif", np.ones((10, 20), np.uint8), categories=["", "water"])
    with pytest.raises(TruthError, match=r"call 1 water, not castle.*--classes castle=1"):
        open_truth(named, like(), ["castle"], tmp_path)
