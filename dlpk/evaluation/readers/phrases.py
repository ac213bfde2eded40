"""PhraseCut: phrases of VGPhraseCut, with polygons."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...raster.gdal_files import open_raster
from ..dataset import Dataset, Sample, need


def read(root: Path, *, split: str = "test", without: Iterable[int] = ()) -> Dataset:
    """Read ``refer_SPLIT.json`` and ``images/ID.jpg``.

    Parameters
    ----------
    root : Path
    split : str
    without : iterable of int
        Image numbers to leave out; the CLIPSeg authors leave 17 out whose sizes are wrong.
    """
    tasks = json.loads(
        need(root / f"refer_{split}.json", "the list of phrases").read_text(encoding="utf-8")
    )
    left_out = set(without)
    samples = []
    for task in tasks:
        if int(task["image_id"]) in left_out:
            continue
        image = need(root / "images" / f"{task['image_id']}.jpg", "an image of VGPhraseCut")
        truth = partial(_mask, image, task["Polygons"])
        samples.append(
            Sample(str(task["task_id"]), image, truth, str(task["phrase"]), group=image.stem)
        )
    return Dataset("phrasecut", "phrases", (), tuple(samples))


def _mask(image: Path, polygons: Any) -> np.ndarray:
    dataset = open_raster(str(image))
    rings = [ring for instance in polygons for ring in instance]
    return filled(rings, dataset.RasterYSize, dataset.RasterXSize)


def filled(rings: Iterable[Any], rows: int, columns: int) -> np.ndarray:
    """Polygons of pixel coordinates as a mask, uint8: 1 inside of any."""
    from osgeo import gdal, ogr

    target = gdal.GetDriverByName("MEM").Create("", columns, rows, 1, gdal.GDT_Byte)
    target.SetGeoTransform((0, 1, 0, 0, 0, 1))
    source = ogr.GetDriverByName("Memory").CreateDataSource("rings")
    layer = source.CreateLayer("rings", None, ogr.wkbPolygon)
    for points in rings:
        ring = ogr.Geometry(ogr.wkbLinearRing)
        for x, y in points:
            ring.AddPoint_2D(float(x), float(y))
        ring.CloseRings()
        polygon = ogr.Geometry(ogr.wkbPolygon)
        polygon.AddGeometry(ring)
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetGeometry(polygon)
        layer.CreateFeature(feature)
    gdal.RasterizeLayer(target, [1], layer, burn_values=[1])
    return np.asarray(target.ReadAsArray())
