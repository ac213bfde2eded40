"""The result: what stands in the file, and beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal

from dlpk.classification.api import classify
from dlpk.errors import ContractError
from dlpk.harness.settings import Settings
from dlpk.output.geotiff import tiff_tile
from dlpk.package.open import open_package
from tests.support import classified
from tests.support.classified import names, result, table, vat_rows
from tests.support.runs import CLASSES, TRANSFORM, make_package, make_raster, read

ROOT = Path(__file__).parents[3]
raster = classified.raster


def test_classes(tmp_path: Path, raster: Path) -> None:
    entries = [(1, "water"), (2, "sölar, panel; “big”")]
    output = {"bandCount": 1, "pixelType": "u1", "rasterAttributeTable": table(*entries)}
    path = result(tmp_path, raster, probe={"Output": output, "Answer": "2-d"})
    dataset = gdal.Open(str(path))
    band = dataset.GetRasterBand(1)
    assert dataset.GetGeoTransform() == TRANSFORM
    assert dataset.GetSpatialRef().GetAuthorityCode(None) == "32618"
    assert band.DataType == gdal.GDT_Byte
    assert band.GetNoDataValue() is None  # none was declared: a mask tells
    assert band.GetColorTable().GetColorEntry(1) == (9, 1, 1, 255)
    assert band.GetCategoryNames() == ["background", "water", entries[1][1]]
    assert dataset.GetMetadata("IMAGE_STRUCTURE")["COMPRESSION"] == "DEFLATE"
    rat = band.GetDefaultRAT()
    assert [rat.GetValueAsString(row, 2) for row in range(3)] == [
        "background",
        *(name for _, name in entries),
    ]
    assert [rat.GetValueAsInt(row, 6) for row in range(3)] == [0, 255, 255]  # drawn as nothing
    valid = read(raster)[0] > 0
    assert rat.GetValueAsInt(1, 1) == 40 * 50 - (read(raster) == 0).all(axis=0).sum()
    np.testing.assert_array_equal(read(path)[0][valid], 1)
    assert vat_rows(path) == [(1, 2000, "water", 9, 1, 1), (2, 0, entries[1][1], 9, 2, 1)]
    assert names(path.parent) == ["r.tif", "r.tif.aux.xml", "r.tif.vat.cpg", "r.tif.vat.dbf"]


def test_tags(tmp_path: Path, raster: Path) -> None:
    settings = Settings(stretch="minmax")
    path = result(tmp_path, raster, arguments={"text_prompt": "wäter"}, settings=settings)
    tags = gdal.Open(str(path)).GetMetadata()
    assert json.loads(tags["DLPK_ARGUMENTS"])["text_prompt"] == "wäter"
    assert json.loads(tags["DLPK_SETTINGS"]) == {"stretch": "minmax"}
    assert tags["DLPK_RASTER"] == "scene.tif"
    with open_package(tmp_path / "P") as package:
        assert tags["DLPK_PACKAGE_SHA256"] == package.sha256
    assert tags["TIFFTAG_SOFTWARE"].startswith("dlpk ")
    assert "DLPK_STRETCH" not in tags


def test_stretch_is_told(tmp_path: Path) -> None:
    raster = make_raster(tmp_path / "s.tif", (1, 20, 20), dtype="u2")
    path = result(tmp_path, raster, probe={"Configuration": {"dataRange": [0, 255]}})
    told = json.loads(gdal.Open(str(path)).GetMetadata()["DLPK_STRETCH"])
    assert told["range"] == [0, 255]
    assert len(told["low"]) == len(told["high"]) == 1


def test_classes_of_the_model_definition(tmp_path: Path, raster: Path) -> None:
    path = result(tmp_path, raster, probe={"Answer": "2-d"})
    dataset = gdal.Open(str(path))
    dataset.GetMetadata()  # GDAL 3.6 reads the file beside only when asked for this
    assert dataset.GetRasterBand(1).GetCategoryNames() == [
        "background",
        *(entry["Name"] for entry in CLASSES),
    ]


@pytest.mark.parametrize(
    "classes",
    [
        None,
        "water",
        [1, 2],
        [{"Value": "1", "Name": "x"}],
        [{"Value": 1}],
        [{"Value": 1, "Name": None, "Color": [1]}],
        [{"Value": 1, "Name": "a\nb\x00\x1b", "Color": "red"}],
        [{"Value": -3, "Name": "below"}, {"Value": 70000, "Name": "above"}],
    ],
)
def test_strange_classes(tmp_path: Path, raster: Path, classes: Any) -> None:
    path = result(tmp_path, raster, probe={"Answer": "2-d"}, emd={"Classes": classes})
    assert read(path).max() == 1


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4"])
def test_types_of_classes(tmp_path: Path, raster: Path, kind: str) -> None:
    entries = [(1, "one"), (100, "hundred")]
    output = {"bandCount": 1, "pixelType": kind, "rasterAttributeTable": table(*entries)}
    path = result(tmp_path, raster, probe={"Output": output, "Answer": "2-d"})
    dataset = gdal.Open(str(path))
    assert read(path).dtype == np.dtype({"i1": "i2"}.get(kind, kind))
    assert dataset.GetRasterBand(1).GetDefaultRAT().GetRowCount() == 3
    assert (dataset.GetRasterBand(1).GetColorTable() is not None) == (kind in ("u1", "u2"))


def test_values_without_a_place_in_tables(tmp_path: Path, raster: Path) -> None:
    long = "x" * 201 + "ö" * 300
    entries = [(-5, "negative"), (2_000_000_000, long), (7, long + "!")]
    output = {"bandCount": 1, "pixelType": "i4", "rasterAttributeTable": table(*entries)}
    path = result(tmp_path, raster, probe={"Output": output, "Answer": "2-d"})
    rows = [(row[0], row[2]) for row in vat_rows(path)]
    assert rows[0] == (-5, "negative")
    # Cut, and still told apart.
    assert rows[1] == (2_000_000_000, "x" * 201 + "ö" * 19 + " (2000000000)")
    assert rows[2] == (7, "x" * 201 + "ö" * 19 + " (7)")


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        '{"features": 3}',
        '{"features": [3]}',
        '{"features": [{"attributes": {"Class": "no value"}}]}',
        '{"features": [{"attributes": {"Value": "x"}}]}',
        '{"features": [{"attributes": {"Value": 1.5}}]}',
        '{"features": [{"attributes": {"Value": 1, "Red": "red"}}]}',
        '{"features": [{"attributes": {"Value": 1e999}}]}',
    ],
)
def test_strange_tables(tmp_path: Path, raster: Path, text: str) -> None:
    output = {"bandCount": 1, "pixelType": "u1", "rasterAttributeTable": text}
    with pytest.raises(ContractError, match="'rasterAttributeTable' that cannot be read"):
        result(tmp_path, raster, probe={"Output": output})
    assert names(tmp_path / "out") == []


def test_probabilities(tmp_path: Path, raster: Path) -> None:
    text = (
        (ROOT / "tests" / "support" / "functions" / "Probe.py").read_text()
        + """

class Naming(Probe):
    def updateKeyMetadata(self, names, bandIndex, **keyMetadata):
        if bandIndex == -1:
            keyMetadata["datatype"] = "Generic"
        else:
            keyMetadata["bandname"] = ["wäter", "trees"][bandIndex]
        return keyMetadata
"""
    )
    # Esri's functions hand a table of classes over with probabilities too.
    output = {"bandCount": 2, "pixelType": "f4", "rasterAttributeTable": table((1, "one"))}
    probe = {"Output": output, "Answer": "masked", "Configuration": {"inheritProperties": 4}}
    package = make_package(tmp_path / "N", "Naming", text=text, probe=probe)
    path = classify(package, raster, tmp_path / "p.tif", device="cpu").path
    dataset = gdal.Open(str(path))
    assert [dataset.GetRasterBand(i).GetDescription() for i in (1, 2)] == ["wäter", "trees"]
    assert dataset.GetRasterBand(1).DataType == gdal.GDT_Float32
    assert np.isnan(dataset.GetRasterBand(1).GetNoDataValue())
    assert np.isnan(read(path)[0, 0, 1])
    assert read(path)[0, 0, 0] == 1
    assert dataset.GetMetadata()["DataType"] == "Generic"
    assert dataset.GetRasterBand(1).GetCategoryNames() is None
    assert not Path(f"{path}.vat.dbf").exists()


@pytest.mark.parametrize("cog", [False, True])
@pytest.mark.parametrize(
    ("kind", "declared", "nodata"),
    [
        ("u1", None, None),
        ("u1", [7], 7),
        ("u1", [1], None),  # a class
        ("u1", [0], None),  # the background
        ("u1", [900], None),
        ("i2", None, None),
        ("f4", [-1], -1),
    ],
)
def test_nodata(
    tmp_path: Path, raster: Path, kind: str, declared: Any, nodata: float | None, cog: bool
) -> None:
    output = {"bandCount": 1, "pixelType": kind, "noData": declared}
    probe = {"Output": output, "Answer": "mask"}
    path = result(tmp_path, raster, probe=probe, cog=cog)
    dataset = gdal.Open(str(path))
    band = dataset.GetRasterBand(1)
    assert band.GetNoDataValue() == nodata
    mask = band.GetMaskBand().ReadAsArray()
    assert (mask[0] == 0).all()  # the function masks every other row
    assert (mask[1] == 255).all()
    assert (read(path)[0, 1] == 1).all()
    assert not Path(f"{path}.msk").exists()


def test_no_value_of_a_function_becomes_nodata(tmp_path: Path) -> None:
    """Without a declared NoData value, every value may be a result; those in no class are named."""
    pixels = np.zeros((1, 600, 300), np.uint8)
    pixels[0, :, ::2] = 255
    raster = make_raster(tmp_path / "s.tif", pixels)
    said: list[tuple[str, str]] = []
    output = {"bandCount": 1, "pixelType": "u1"}
    path = result(
        tmp_path,
        raster,
        probe={"Output": output},
        say=lambda level, text: said.append((level, text)),
    )
    dataset = gdal.Open(str(path))
    band = dataset.GetRasterBand(1)
    assert band.GetNoDataValue() is None
    assert band.GetMaskFlags() == gdal.GMF_ALL_VALID
    assert [text for _, text in said if text.endswith("in no class: 255")]


def test_valid_pixels_that_become_nodata_are_warned_of(tmp_path: Path, raster: Path) -> None:
    said: list[tuple[str, str]] = []
    output = {"bandCount": 1, "pixelType": "u1", "noData": [1]}
    result(
        tmp_path,
        raster,
        probe={"Output": output, "Answer": "2-d"},
        emd={"Classes": []},
        say=lambda level, text: said.append((level, text)),
    )
    assert any("2000 valid pixels" in text for _, text in said)


def test_overviews(tmp_path: Path) -> None:
    raster = make_raster(tmp_path / "s.tif", (1, 300, 700))
    probe = {"Configuration": {"tx": 256, "ty": 128}, "Answer": "2-d"}
    path = result(tmp_path, raster, probe=probe)
    dataset = gdal.Open(str(path))
    band = dataset.GetRasterBand(1)
    assert band.GetBlockSize() == [256, 128]
    assert [band.GetOverview(i).XSize for i in range(band.GetOverviewCount())] == [350, 175]
    assert names(path.parent) == ["r.tif", "r.tif.aux.xml", "r.tif.vat.cpg", "r.tif.vat.dbf"]
    assert (band.GetOverview(1).ReadAsArray() == 1).all()


@pytest.mark.parametrize(
    ("side", "tile"),
    [(352, 352), (704, 352), (64, 64), (48, 256), (100, 256), (512, 512), (4096, 512), (530, 256)],
)
def test_tiles(side: int, tile: int) -> None:
    assert tiff_tile(side) == tile


def test_without_georeference(tmp_path: Path) -> None:
    raster = make_raster(tmp_path / "s.tif", (3, 20, 20), transform=None)
    dataset = gdal.Open(str(result(tmp_path, raster)))
    assert dataset.GetGeoTransform(can_return_null=True) is None
    assert dataset.GetProjection() == ""


@pytest.mark.parametrize(
    "options",
    [
        {"transform": (500000, 8, 6, 4000000, 6, -8)},
        {"transform": (500000, 10, 0, 4000000, 0, 10)},
        {"transform": (1.5e7 + 0.123, 0.1, 0, 2.5e7 + 0.456, 0, -0.1), "epsg": 3857},
        {"pixels": (3, 1, 1)},
        {"pixels": (3, 1, 70)},
        {"pixels": (3, 70, 1)},
    ],
)
def test_place_and_size_are_those_of_the_input(tmp_path: Path, options: dict[str, Any]) -> None:
    raster = make_raster(tmp_path / "s.tif", **options)
    path = result(tmp_path, raster, probe={"Configuration": {"fixedTileSize": 1, "padding": 3}})
    ours, theirs = gdal.Open(str(path)), gdal.Open(str(raster))
    assert ours.GetGeoTransform() == theirs.GetGeoTransform()
    assert ours.GetProjection() == theirs.GetProjection()
    np.testing.assert_array_equal(read(path), read(raster)[:1])


def test_sidecars_of_a_replaced_file_go(tmp_path: Path, raster: Path) -> None:
    path = result(tmp_path, raster)
    for suffix in (".ovr", ".msk"):
        Path(f"{path}{suffix}").write_text("of the old file")
    output = {"bandCount": 1, "pixelType": "f4"}
    result(tmp_path, raster, probe={"Output": output})
    assert names(path.parent) == ["r.tif"]
