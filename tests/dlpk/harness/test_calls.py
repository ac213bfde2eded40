"""The order of calls, and what functions get in each."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dlpk.errors import ArgumentsError, ContractError, FunctionError
from dlpk.harness.phases import open_dialog
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


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    return make_raster(tmp_path / "scene.tif", (3, 40, 50))


def test_order(tmp_path: Path, raster: Path) -> None:
    with running(make_package(tmp_path / "P"), raster) as run:
        all_blocks(run)
        names = [name for name, _ in run.function.instance.calls]
    assert names[:5] == [
        "__init__",
        "initialize",
        "getParameterInfo",
        "getConfiguration",
        "updateRasterInfo",
    ]
    assert names[5:] == ["updatePixels"] * 12


def test_run_phase_has_the_device_and_validation_has_not(tmp_path: Path, raster: Path) -> None:
    package = make_package(tmp_path / "P", probe={"RaisesIn": "validation"})
    with pytest.raises(FunctionError, match="ERROR 002667"), running(package, raster):
        pass
    with running(make_package(tmp_path / "Q"), raster, device=-2) as run:
        (given,) = calls(run, "initialize")
    assert given["device"] == -2
    assert given["model"].endswith("Q.emd")
    assert set(given) == {"model", "device"}


@pytest.mark.parametrize(
    ("written_as", "expected"),
    [
        ("text", {"threshold": "0.7", "padding": "0", "text_prompt": "a b;c", "flag": "True"}),
        ("typed", {"threshold": 0.7, "padding": 0, "text_prompt": "a b;c", "flag": True}),
    ],
)
def test_arguments(tmp_path: Path, raster: Path, written_as: str, expected: object) -> None:
    package = make_package(tmp_path / "P")
    given = {"threshold": 0.7, "text_prompt": "a b;c"}
    settings = Settings(arguments_as=written_as)
    with running(package, raster, arguments=given, settings=settings) as run:
        (scalars,) = calls(run, "getConfiguration")
        (described,) = calls(run, "updateRasterInfo")
    assert scalars == expected
    assert {name: described[name] for name in scalars} == expected


def test_unknown_argument(tmp_path: Path, raster: Path) -> None:
    package = make_package(tmp_path / "P")
    for given in ({"treshold": "1"}, {"device": "0"}, {"raster": "x"}):
        with pytest.raises(ArgumentsError), running(package, raster, arguments=given):
            pass


@pytest.mark.parametrize(
    ("kind", "name", "key"),
    [
        ("raster", "raster", "raster_pixels"),
        ("raster", "image", "image_pixels"),
        ("rasters", "rasters", "rasters_pixels"),
    ],
)
def test_name_of_the_raster_parameter(
    tmp_path: Path, raster: Path, kind: str, name: str, key: str
) -> None:
    probe = {"RasterName": name, "RasterType": kind, "Configuration": {"inputMask": True}}
    with running(make_package(tmp_path / "P", probe=probe), raster) as run:
        all_blocks(run)
        blocks = calls(run, "updatePixels")[0]["blocks"]
        (described,) = calls(run, "updateRasterInfo")
        (scalars,) = calls(run, "getConfiguration")
    assert set(blocks) == {key, key.replace("pixels", "mask")}
    assert isinstance(blocks[key], tuple) == (kind == "rasters")
    assert isinstance(described[f"{name}_info"], tuple) == (kind == "rasters")
    assert name not in scalars


def test_raster_info(tmp_path: Path) -> None:
    raster = make_raster(tmp_path / "s.tif", (4, 40, 50), dtype="u2", nodata=0)
    probe = {"Configuration": {"extractBands": [2, 0], "inheritProperties": 2 | 4 | 8}}
    with running(make_package(tmp_path / "P", probe=probe), raster) as run:
        (described,) = calls(run, "updateRasterInfo")
    info = described["raster_info"]
    assert info["bandCount"] == 2
    assert info["pixelType"] == "u2"
    assert info["noData"].tolist() == [0, 0]
    assert info["noData"].dtype == np.uint16
    assert info["cellSize"] == (10, 10)
    assert info["extent"] == info["nativeExtent"] == (500000, 3999600, 500500, 4000000)
    assert info["spatialReference"] == info["nativeSpatialReference"] == 32618
    assert info["origin"] == (500000, 4000000)
    assert described["output_info"]["pixelType"] == "f4"  # bit 1 is not set
    assert described["output_info"]["noData"].tolist() == [0, 0]
    assert described["model"].endswith(".emd")
    assert described["device"] == -1


def test_block_arguments(tmp_path: Path, raster: Path) -> None:
    probe = {"Configuration": {"tx": 16, "ty": 8}}
    with running(make_package(tmp_path / "P", probe=probe), raster) as run:
        all_blocks(run)
        given = calls(run, "updatePixels")[5]  # second row, second column of four by five
    assert given["tlc"] == (500160.0, 3999920.0)
    assert given["shape"] == (8, 16)
    assert given["props"]["extent"] == (500160.0, 3999840.0, 500320.0, 3999920.0)
    assert given["props"]["pixelType"] == "u1"
    assert given["props"]["spatialReference"] == 32618
    assert given["props"]["cellSize"] == (10, 10)
    assert (given["props"]["width"], given["props"]["height"]) == (16, 8)
    assert set(given["blocks"]) == {"raster_pixels"}
    assert given["blocks"]["raster_pixels"].shape == (3, 8, 16)


def test_json_text_as_model(tmp_path: Path, raster: Path) -> None:
    package = make_package(tmp_path / "P")
    content = json.loads((package / "P.emd").read_text())
    content["InferenceFunction"] = str(package / "Probe.py")
    text = json.dumps(content)
    with running(text, raster) as run:
        all_blocks(run)
        (given,) = calls(run, "initialize")
    assert json.loads(given["model"]) == content


def test_json_text_for_functions_that_try_a_file_first(tmp_path: Path, raster: Path) -> None:
    # The canonical code only expects FileNotFoundError; long text is an impossible name to Linux.
    package = make_package(
        tmp_path / "P", "ExportStyle", bundled=["inferencing"], emd=EXPORT | {"Long": "x" * 5000}
    )
    np.save(package / "weights.npy", np.zeros((2, 3)))
    content = json.loads((package / "P.emd").read_text())
    content["InferenceFunction"] = str(package / "ExportStyle.py")
    content["ModelFile"] = str(package / "weights.npy")
    said: list[tuple[str, str]] = []
    with running(json.dumps(content), raster, said=said) as run:
        assert all_blocks(run).min() == 1  # without class 0 there is no background
    assert any("cannot take the model definition as text" in text for _, text in said)


EXPORT = {
    "Framework": "inferencing",
    "ModelConfiguration": "_child",
    "ModelFile": "weights.npy",
    "DataRange": [0, 255],
}


@pytest.mark.parametrize("batch_size", [1, 4, 9])
def test_export_style(tmp_path: Path, batch_size: int) -> None:
    raster = make_raster(tmp_path / "s.tif", (3, 75, 61), nodata=0)
    package = make_package(tmp_path / "P", "ExportStyle", bundled=["inferencing"], emd=EXPORT)
    weights = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
    np.save(package / "weights.npy", weights)
    given = {"batch_size": batch_size, "predict_background": True}
    with running(package, raster, arguments=given, device=-2) as run:
        result = all_blocks(run)
        assert run.configuration.tx == 16 * int(batch_size**0.5)
    assert result.dtype == np.int32
    np.testing.assert_array_equal(result[0], gradient((3, 75, 61)).argmax(axis=0))


def test_draft_style(tmp_path: Path) -> None:
    raster = make_raster(tmp_path / "s.tif", (3, 75, 61))
    package = make_package(
        tmp_path / "P", "DraftStyle", bundled=["attribute_table.py"], emd={"ModelFile": "w.npy"}
    )
    np.save(package / "w.npy", np.array(2.0))
    assert open_dialog(package).parameters[0]["name"] == "padding"
    with running(package, raster, arguments={"padding": "3"}) as run:
        result = all_blocks(run)
        assert run.grid.tx == 26
        assert not run.grid.fixed
    expected = gradient((3, 75, 61))[0].astype(float) * 2 > 127
    np.testing.assert_array_equal(result[0], expected)


def test_comma_style(tmp_path: Path, raster: Path) -> None:
    package = make_package(tmp_path / "P", "CommaStyle")
    with running(package, raster, arguments={"threshold": "0,9"}) as run:
        assert run.function.instance.threshold == 0.9
        assert all_blocks(run).sum() > 0
    with running(package, raster) as run:  # the default arrives as text too
        assert run.function.instance.threshold == 0.5


def test_arguments_of_any_name(tmp_path: Path, raster: Path) -> None:
    names = ["method", "name", "function", "args", "kwargs", "answer", "shape", "key", "device2"]
    declared = [{"name": "raster", "dataType": "raster"}]
    declared += [{"name": name, "dataType": "string", "value": name} for name in names]
    package = make_package(tmp_path / "P", probe={"Parameters": declared})
    with running(package, raster) as run:
        all_blocks(run)
        (scalars,) = calls(run, "getConfiguration")
    assert scalars == dict(zip(names, names))


def test_select_rasters(tmp_path: Path, raster: Path) -> None:
    text = _probe_with("    def selectRasters(self, a, b, c):\n")
    package = make_package(tmp_path / "P", "Selecting", text=text + "        return ()\n")
    with running(package, raster) as run:
        all_blocks(run)
        assert calls(run, "updatePixels")[0]["blocks"] == {}
    package = make_package(tmp_path / "N", "Selecting", text=text + "        return None\n")
    with running(package, raster) as run:
        all_blocks(run)
        assert set(calls(run, "updatePixels")[0]["blocks"]) == {"raster_pixels"}
    package = make_package(tmp_path / "Q", "Selecting", text=text + "        return 'raster'\n")
    with running(package, raster) as run, pytest.raises(ContractError, match="a tuple of raster"):
        all_blocks(run)


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        ("{'okToRun': True}", None, ""),
        ("{'okToRun': False, 'message': 'no seat left'}", FunctionError, "no seat left"),
        ("{}", None, ""),  # "otherwise, it's assumed to be True"
        ("{'okToRun': productInfo['major'] >= 10 and productInfo['minor'] >= 3.0}", None, ""),
        ("True", ContractError, "okToRun"),
    ],
)
def test_license(
    tmp_path: Path, raster: Path, answer: str, error: type[Exception] | None, words: str
) -> None:
    text = _probe_with("    def isLicensed(self, **productInfo):\n")
    text += f"        assert productInfo['productName'] == 'Desktop'\n        return {answer}\n"
    package = make_package(tmp_path / "P", "Licensed", text=text)
    if error is None:
        with running(package, raster):
            pass
    else:
        with pytest.raises(error, match=words), running(package, raster):
            pass


def _probe_with(method: str) -> str:
    """The function `Probe` under another name, with one more method to be filled."""
    name = "Selecting" if "selectRasters" in method else "Licensed"
    return (FUNCTIONS / "Probe.py").read_text() + f"\n\nclass {name}(Probe):\n{method}"
