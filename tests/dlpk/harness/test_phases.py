"""The dialog's phase alone, blocks of a grid, pictures and scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from osgeo import gdal

from dlpk.errors import ContractError, FunctionError
from dlpk.harness.phases import open_dialog
from dlpk.output.legend import LegendEntry
from dlpk.output.quicklook import draw
from dlpk.raster.dataset import Raster
from dlpk.raster.grid import BlockGrid
from tests.support.runs import make_package, make_raster


def test_dialog(tmp_path: Path) -> None:
    parameters = [
        {"name": "raster", "dataType": "raster"},
        {"name": "model", "dataType": "string"},
        {"name": "padding", "dataType": "numeric", "value": 56},
        {"name": "kind", "dataType": "string", "domain": list("abcdefgh"), "required": True},
        {"name": "odd", "dataType": "string", "domain": "abc"},
    ]
    dialog = open_dialog(make_package(tmp_path / "P", probe={"Parameters": parameters}))
    assert [row["name"] for row in dialog.parameters] == ["padding", "kind", "odd"]
    assert dialog.seconds >= 0
    lines = dialog.to_text().splitlines()
    assert lines[0].startswith("The dialog of Classify Pixels Using Deep Learning opens: 0.")
    assert lines[1].split() == ["padding", "56"]
    assert lines[2].split() == [
        "kind",
        "(required)",
        "one",
        "of",
        *(f"{letter}," for letter in "abcdef"),
        "…",
        "(8)",
    ]
    assert list(dialog.parameters) == parameters[2:]


def test_memory_of_the_dialog(tmp_path: Path) -> None:
    text = """
import numpy as np
class Heavy:
    def initialize(self, **kwargs):
        self.weights = np.ones(60_000_000)
    def getParameterInfo(self): return [{"name": "raster", "dataType": "raster"}]
"""
    dialog = open_dialog(make_package(tmp_path / "P", "Heavy", text=text))
    if dialog.memory is None:
        pytest.skip("this system does not tell")
    assert dialog.memory > 300_000_000


def test_dialogs_that_do_not_open(tmp_path: Path) -> None:
    with pytest.raises(FunctionError, match="ERROR 002667"):
        open_dialog(make_package(tmp_path / "P", probe={"RaisesIn": "validation"}))
    with pytest.raises(ContractError, match="for point cloud tools: their dialogs are not known"):
        open_dialog(make_package(tmp_path / "Q", emd={"ModelType": "PointCloudDetection"}))


@given(
    width=st.integers(1, 60),
    height=st.integers(1, 60),
    tx=st.integers(1, 70),
    ty=st.integers(1, 70),
    fixed=st.booleans(),
)
def test_blocks_cover_everything_once(
    width: int, height: int, tx: int, ty: int, fixed: bool
) -> None:
    covered = np.zeros((height, width), int)
    blocks = list(BlockGrid(width, height, tx, ty, fixed).blocks())
    for block in blocks:
        rows = slice(block.row, block.row + block.used_height)
        covered[rows, block.column : block.column + block.used_width] += 1
        assert 0 < block.used_width <= block.width <= tx
        assert 0 < block.used_height <= block.height <= ty
        assert not fixed or (block.width, block.height) == (tx, ty)
    assert (covered == 1).all()
    assert len(blocks) == len(BlockGrid(width, height, tx, ty, fixed))


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((1, 9, 9), "u1"), ((2, 1, 300), "u2"), ((4, 300, 2), "f4"), ((3, 1, 1), "i2")],
)
def test_pictures(tmp_path: Path, shape: tuple[int, int, int], dtype: str) -> None:
    raster = Raster(make_raster(tmp_path / "s.tif", shape, dtype=dtype))
    classes = np.ones((1, *shape[1:]), np.uint8)
    result = make_raster(tmp_path / "r.tif", classes, nodata=255)
    legend = [LegendEntry(1, "$water$ _x_ 水", (0, 0, 255)), LegendEntry(2, "b" * 90, (9, 9, 9))]
    for entries in (legend, []):
        path = draw(raster, result, entries, tmp_path / "p.png")
        dataset = gdal.Open(str(path))
        assert min(dataset.RasterXSize, dataset.RasterYSize) > 100
    assert sorted(file.suffix for file in tmp_path.iterdir()) == [".png", ".tif", ".tif"]
