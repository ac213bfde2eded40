"""A raster classified by the function Probe, and what lies beside the result."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from osgeo import ogr

from dlpk.classification.api import classify
from tests.support.runs import make_package, make_raster


def table(*entries: tuple[int, str]) -> str:
    return json.dumps(
        {
            "features": [
                {"attributes": {"Value": v, "Class": n, "Red": 9, "Green": v % 256, "Blue": 1}}
                for v, n in entries
            ]
        }
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def vat_rows(path: Path) -> list[tuple[Any, ...]]:
    source = ogr.Open(f"{path}.vat.dbf")
    fields = ("Value", "Count", "Class", "Red", "Green", "Blue")
    rows = [tuple(feature[name] for name in fields) for feature in source.GetLayer(0)]
    assert rows[0][0] != 0 or rows[0][2] == "background"
    return rows[rows[0][0] == 0 :]


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    return make_raster(tmp_path / "scene.tif", (3, 40, 50), nodata=0)


def result(tmp_path: Path, raster: Path, **options: Any) -> Path:
    probe = options.pop("probe", {})
    package = make_package(tmp_path / "P", probe=probe, emd=options.pop("emd", {}))
    (tmp_path / "out").mkdir(exist_ok=True)
    return classify(package, raster, tmp_path / "out" / "r.tif", device="cpu", **options).path
