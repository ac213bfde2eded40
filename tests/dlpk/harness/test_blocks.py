"""What a configuration asks for is what arrives in the blocks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal

from dlpk.errors import ContractError, FunctionError, RasterError
from dlpk.harness.settings import Settings
from tests.support.runs import (
    FUNCTIONS,
    all_blocks,
    calls,
    gradient,
    make_package,
    make_raster,
    running,
)

SHAPE = (3, 40, 50)


def first_calls(
    tmp_path: Path,
    configuration: dict[str, Any],
    raster: Path | None = None,
    settings: Settings | None = None,
    **more: Any,
) -> list[dict[str, Any]]:
    raster = raster or make_raster(tmp_path / "scene.tif", SHAPE)
    package = make_package(tmp_path / "P", probe={"Configuration": configuration, **more})
    with running(package, raster, settings=settings) as run:
        all_blocks(run)
        return calls(run, "updatePixels")


def pixels(call: dict[str, Any], key: str = "raster_pixels") -> np.ndarray:
    return call["blocks"][key]


@pytest.mark.parametrize(
    ("bands", "expected"),
    [
        (None, [0, 1, 2, 3]),
        ([], [0, 1, 2, 3]),
        ([2, 0], [2, 0]),
        ([1, 1], [1, 1]),
        (["nir", "Red"], [3, 0]),
        (["Band_2", 0], [1, 0]),
        (["3"], [3]),
    ],
)
def test_extract_bands(tmp_path: Path, bands: Any, expected: list[int]) -> None:
    names = ["Red", "Green", "Blue", "NIR"]
    raster = make_raster(tmp_path / "s.tif", (4, 16, 16), names=names)
    (call,) = first_calls(tmp_path, {"extractBands": bands}, raster)
    np.testing.assert_array_equal(pixels(call), gradient((4, 16, 16))[expected])


def test_a_description_counts_for_more_than_a_colour(tmp_path: Path) -> None:
    # A file of three bands is red, green and blue to GDAL, whatever it holds.
    raster = make_raster(tmp_path / "s.tif", (3, 16, 16), names=["Blue", "Green", "Red"])
    (call,) = first_calls(tmp_path, {"extractBands": ["Red"]}, raster)
    np.testing.assert_array_equal(pixels(call)[0], gradient((3, 16, 16))[2])
    raster = make_raster(tmp_path / "t.tif", (3, 16, 16))
    (call,) = first_calls(tmp_path, {"extractBands": ["blue"]}, raster)
    np.testing.assert_array_equal(pixels(call)[0], gradient((3, 16, 16))[2])


@pytest.mark.parametrize("bands", [[3], [-1], ["swir"], [0, 7]])
def test_bands_that_are_not_there(tmp_path: Path, bands: Any) -> None:
    with pytest.raises(RasterError, match="has 3 bands"):
        first_calls(tmp_path, {"extractBands": bands})


@pytest.mark.parametrize("fixed", [0, 1])
@pytest.mark.parametrize("padding", [0, 5])
def test_blocks_at_the_edges(tmp_path: Path, fixed: int, padding: int) -> None:
    configuration = {"tx": 16, "ty": 12, "fixedTileSize": fixed, "padding": padding}
    given = first_calls(tmp_path, {**configuration, "inputMask": True})
    assert len(given) == 4 * 4
    scene = gradient(SHAPE)
    margin = 100
    wide = np.pad(scene, ((0, 0), (margin, margin), (margin, margin)))
    there = np.pad(np.ones(SHAPE, "u1"), ((0, 0), (margin, margin), (margin, margin)))
    for number, call in enumerate(given):
        row, column = number // 4 * 12, number % 4 * 16
        height = 12 if fixed else min(12, 40 - row)
        width = 16 if fixed else min(16, 50 - column)
        assert call["shape"] == (height, width)
        assert (call["props"]["height"], call["props"]["width"]) == (height, width)
        rows = slice(row + margin - padding, row + margin + height + padding)
        columns = slice(column + margin - padding, column + margin + width + padding)
        np.testing.assert_array_equal(pixels(call), wide[:, rows, columns])
        np.testing.assert_array_equal(pixels(call, "raster_mask"), there[:, rows, columns])
        assert pixels(call, "raster_mask").dtype == np.uint8


def test_default_block(tmp_path: Path) -> None:
    configuration = {"tx": None, "ty": None}
    (call,) = first_calls(tmp_path, configuration)
    assert call["shape"] == (40, 50)
    large = make_raster(tmp_path / "large.tif", (1, 3, 600))
    assert [call["shape"] for call in first_calls(tmp_path, configuration, large)] == [
        (3, 512),
        (3, 88),
    ]


@pytest.mark.parametrize("wanted", [True, 1, "True", False, 0, None, "false"])
def test_masks_only_where_asked_for(tmp_path: Path, wanted: Any) -> None:
    (call, *_) = first_calls(tmp_path, {"inputMask": wanted})
    assert ("raster_mask" in call["blocks"]) == (wanted in (True, 1, "True"))


def test_beyond_the_edge(tmp_path: Path) -> None:
    raster = make_raster(tmp_path / "s.tif", np.full((1, 20, 20), 9, np.uint8), nodata=77)
    configuration = {"padding": 1, "tx": 20, "ty": 20, "inputMask": True}
    (call,) = first_calls(tmp_path, configuration, raster)
    assert pixels(call)[0, 0, :2].tolist() == [0, 0]
    assert pixels(call)[0, 1, :2].tolist() == [0, 9]
    assert pixels(call, "raster_mask")[0, 1, :2].tolist() == [0, 1]


def test_single_band(tmp_path: Path) -> None:
    raster = make_raster(tmp_path / "s.tif", (1, 10, 10))
    (call,) = first_calls(tmp_path, {"inputMask": True}, raster)
    assert pixels(call).shape == (1, 10, 10)


@pytest.mark.parametrize(
    ("bands", "shape"),
    [(1, (40, 50)), (2, (2, 40, 50))],
)
def test_output_shape(tmp_path: Path, bands: int, shape: tuple[int, ...]) -> None:
    (call,) = first_calls(
        tmp_path,
        {"tx": 50, "ty": 40},
        Output={"bandCount": bands, "pixelType": "u1"},
    )
    assert call["shape"] == shape


def test_key_metadata_of_the_file(tmp_path: Path) -> None:
    raster = make_raster(tmp_path / "s.tif", SHAPE)
    dataset = gdal.Open(str(raster), gdal.GA_Update)
    dataset.SetMetadataItem("AcquisitionDate", "2016-07-04")
    dataset = None
    wanted = {"keyMetadata": ["acquisitionDate", "SunAzimuth"]}
    for kind in ("raster", "rasters"):
        probe = {"Configuration": wanted, "RasterType": kind}
        with running(make_package(tmp_path / kind, probe=probe), raster) as run:
            (described,) = calls(run, "updateRasterInfo")
        found = {"acquisitiondate": "2016-07-04", "sunazimuth": None}
        assert described["raster_keyMetadata"] == (found if kind == "raster" else (found,))


def test_the_same_value_becomes_the_same_in_every_block(tmp_path: Path) -> None:
    # Every block has a range of its own; a stretch per block would show.
    scene = (np.arange(64)[:, None] * 40 + np.arange(64) * 30)[None].astype(np.uint16)
    raster = make_raster(tmp_path / "s.tif", scene)
    given = first_calls(tmp_path, {"dataRange": [0, 255]}, raster)
    assert len(given) == 16
    seen: dict[int, set[int]] = {}
    for number, call in enumerate(given):
        row, column = number // 4 * 16, number % 4 * 16
        before = scene[:, row : row + 16, column : column + 16]
        assert pixels(call).dtype == np.uint8
        for old, new in zip(before.ravel().tolist(), pixels(call).ravel().tolist()):
            seen.setdefault(old, set()).add(new)
    assert all(len(values) == 1 for values in seen.values())
    assert min(min(values) for values in seen.values()) == 0
    assert max(max(values) for values in seen.values()) == 255


def test_stretch_does_not_depend_on_the_extent(tmp_path: Path) -> None:
    from dlpk.raster.extent import Extent

    scene = np.arange(64 * 64, dtype=np.uint16).reshape(1, 64, 64)
    raster = make_raster(tmp_path / "s.tif", scene)
    package = make_package(tmp_path / "P", probe={"Configuration": {"dataRange": [0, 255]}})
    with running(package, raster) as run:
        whole = all_blocks(run)
    with running(package, raster, extent=Extent(500160, 3999520, 500320, 3999680)) as run:
        np.testing.assert_array_equal(all_blocks(run), whole[:, 32:48, 16:32])


@pytest.mark.parametrize(
    ("dtype", "data_range", "kind", "low", "high"),
    [
        ("u1", (0, 255), "u1", 0, 250),
        ("u1", (0, 1), "f4", 0.0, 250 / 255),
        ("u2", (0, 255), "u1", 0, 255),
        ("i2", (-1, 1), "f4", -1.0, 1.0),
        ("f4", (0, 255), "u1", 0, 255),
        ("i4", (0, 1), "f4", 0.0, 1.0),
    ],
)
def test_data_range(
    tmp_path: Path, dtype: str, data_range: tuple[int, int], kind: str, low: float, high: float
) -> None:
    raster = make_raster(tmp_path / "s.tif", (1, 64, 64), dtype=dtype)
    probe = {"Configuration": {"dataRange": list(data_range), "tx": 64, "ty": 64}}
    with running(make_package(tmp_path / "P", probe=probe), raster) as run:
        all_blocks(run)
        (call,) = calls(run, "updatePixels")
        (described,) = calls(run, "updateRasterInfo")
    assert pixels(call).dtype == np.dtype(kind)
    assert described["raster_info"]["pixelType"] == kind
    assert pixels(call).min() == pytest.approx(low)
    assert pixels(call).max() == pytest.approx(high)


def test_stretch_can_be_switched_off(tmp_path: Path) -> None:
    raster = make_raster(tmp_path / "s.tif", (1, 16, 16), dtype="u2")
    (call,) = first_calls(tmp_path, {"dataRange": [0, 255]}, raster, Settings(stretch="none"))
    np.testing.assert_array_equal(pixels(call), gradient((1, 16, 16), "u2"))


def test_nodata_stays_out_of_the_stretch(tmp_path: Path) -> None:
    scene = np.full((1, 16, 16), 60000, np.uint16)
    scene[0, :8] = np.arange(16)
    raster = make_raster(tmp_path / "s.tif", scene, nodata=60000)
    (call,) = first_calls(tmp_path, {"dataRange": [0, 255], "inputMask": True}, raster)
    assert pixels(call)[0, 0].tolist() == [17 * column for column in range(16)]
    assert not pixels(call, "raster_mask")[0, 8:].any()
    assert not pixels(call)[0, 8:].any()


def test_composite(tmp_path: Path) -> None:
    probe = {"Configuration": {"compositeRasters": True, "inputMask": True}}
    package = make_package(tmp_path / "P", probe=probe)
    with running(package, make_raster(tmp_path / "s.tif", SHAPE)) as run:
        all_blocks(run)
        call = calls(run, "updatePixels")[0]
        (described,) = calls(run, "updateRasterInfo")
    assert set(call["blocks"]) == {
        "raster_pixels",
        "raster_mask",
        "compositeraster_pixels",
        "compositeraster_mask",
    }
    assert described["compositeraster_info"]["bandCount"] == 3


@pytest.mark.parametrize(
    ("configuration", "expected"),
    [
        ({}, {"pixelType": "u2", "noData": [0], "resampling": True, "statistics": 1}),
        ({"inheritProperties": 4}, {"pixelType": "f4", "noData": None, "resampling": False}),
        ({"inheritProperties": 1 | 2 | 8}, {"pixelType": "u2", "noData": [0], "resampling": True}),
        ({"invalidateProperties": 2}, {"statistics": 0}),
        ({"invalidateProperties": 1 | 4 | 8}, {"statistics": 1}),
        ({"resampling": False}, {"resampling": False}),
        ({"inheritProperties": 4, "resampling": True}, {"resampling": True}),
    ],
)
def test_inherited_and_invalidated(
    tmp_path: Path, configuration: dict[str, Any], expected: dict[str, Any]
) -> None:
    raster = make_raster(tmp_path / "s.tif", (1, 16, 16), dtype="u2", nodata=0)
    dataset = gdal.Open(str(raster))
    dataset.GetRasterBand(1).ComputeStatistics(False)
    dataset = None
    package = make_package(tmp_path / "P", probe={"Configuration": configuration})
    with running(package, raster) as run:
        (described,) = calls(run, "updateRasterInfo")
    output, source = described["output_info"], described["raster_info"]
    assert source["statistics"][0]["maximum"] > source["statistics"][0]["mean"] > 0
    assert source["statistics"][0]["skipFactorX"] == 1
    for key, value in expected.items():
        if key == "noData":
            found = None if output[key] is None else output[key].tolist()
            assert found == value
        elif key == "statistics":
            assert len(output[key]) == value
        else:
            assert output[key] == value


@pytest.mark.parametrize("data_range", [None, [0, 1]])
def test_statistics(tmp_path: Path, data_range: list[int] | None) -> None:
    scene = np.array([[[0, 10, 20, 30]], [[0, 1, 2, 6]]], np.uint16)
    raster = make_raster(tmp_path / "s.tif", scene, nodata=0)
    package = make_package(
        tmp_path / "P",
        probe={"Configuration": {"extractBands": [1, 0], "dataRange": data_range}},
    )
    with running(package, raster) as run:
        (described,) = calls(run, "updateRasterInfo")
    second, first = described["raster_info"]["statistics"]
    values = np.array([10, 20, 30.0]) if data_range is None else np.array([0, 0.5, 1])
    assert first["minimum"] == pytest.approx(values.min())
    assert first["maximum"] == pytest.approx(values.max())
    assert first["mean"] == pytest.approx(values.mean())
    assert first["standardDeviation"] == pytest.approx(values.std())
    assert second["mean"] == pytest.approx(3 if data_range is None else 0.4)
    with running(package, raster, statistics=False) as run:
        (described,) = calls(run, "updateRasterInfo")
    assert described["raster_info"]["statistics"] == ()


@pytest.mark.parametrize(
    ("configuration", "words"),
    [
        ({"padding": -1}, "at least 0 as 'padding'"),
        ({"padding": 1.5}, "a whole number as 'padding'"),
        ({"padding": float("inf")}, "a whole number as 'padding'"),
        ({"tx": 0}, "at least 1 as 'tx'"),
        ({"ty": 10**9}, "at most 32768 as 'ty'"),
        ({"ty": "wide"}, "a whole number as 'ty'"),
        ({"dataRange": [255, 0]}, "a rising pair"),
        ({"dataRange": [0]}, "two numbers"),
        ({"dataRange": 255}, "two numbers"),
        ({"inheritProperties": "all"}, "inheritProperties"),
        ({"extractBands": [0.5]}, "band numbers"),
        ({"extractBands": [None]}, "band numbers"),
    ],
)
def test_impossible_configurations(
    tmp_path: Path, configuration: dict[str, Any], words: str
) -> None:
    with pytest.raises(ContractError, match=words) as caught:
        first_calls(tmp_path, configuration)
    assert "Probe.getConfiguration returned" in str(caught.value)


def test_numbers_as_text_are_numbers(tmp_path: Path) -> None:
    given = first_calls(tmp_path, {"padding": "2", "tx": "20", "ty": 20.0, "fixedTileSize": "1"})
    assert pixels(given[0]).shape == (3, 24, 24)
    assert len(given) == 6


def test_inherited_mask(tmp_path: Path) -> None:
    scene = np.array([[[1, 0, 0]], [[1, 1, 0]]], np.uint8)
    raster = make_raster(tmp_path / "s.tif", scene, nodata=0)
    package = make_package(tmp_path / "P", probe={"Answer": "2-d"})
    with running(package, raster) as run:
        _, mask = run.process(run.grid.block(0, 0))
    assert mask[0, 0].tolist() == [1, 1, 0]


def test_nodata_per_band(tmp_path: Path) -> None:
    scene = np.array([[[1, 9, 5]], [[1, 9, 5]]], np.uint8)
    raster = make_raster(tmp_path / "s.tif", scene[:, :, :])
    (call,) = first_calls(tmp_path, {"inputMask": True}, raster)
    assert pixels(call, "raster_mask").all()
    scene = np.array([[[1, 9, 5]], [[1, 9, 5]]], np.float32)
    scene[1, 0, 2] = np.nan
    raster = make_raster(tmp_path / "t.tif", scene, nodata=9)
    (call,) = first_calls(tmp_path, {"inputMask": True}, raster)
    assert pixels(call, "raster_mask").tolist() == [[[1, 0, 1]], [[1, 0, 0]]]


def test_whole_blocks_at_the_edge_for_functions_that_hard_code_the_size(tmp_path: Path) -> None:
    text = FUNCTIONS / "Probe.py"
    code = (
        text.read_text()
        .replace("class Probe", "class Fixed")
        .replace(
            "        rows, columns = shape[-2:]\n",
            "        rows, columns = shape[-2:]\n        assert rows == 16\n",
        )
    )
    package = make_package(tmp_path / "F", "Fixed", text=code, probe={"Answer": "2-d"})
    raster = make_raster(tmp_path / "s.tif", (1, 40, 16))
    with running(package, raster) as run, pytest.raises(FunctionError, match="edge_blocks=whole"):
        all_blocks(run)
    with running(package, raster, settings=Settings(edge_blocks="whole")) as run:
        assert all_blocks(run).shape == (1, 40, 16)
