"""Answers of functions: what is accepted, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlpk.errors import ContractError, FunctionError
from tests.support.runs import all_blocks, gradient, make_package, make_raster, running


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    return make_raster(tmp_path / "scene.tif", (3, 16, 18))


def answer(tmp_path: Path, raster: Path, kind: str, **probe: Any) -> tuple[np.ndarray, np.ndarray]:
    probe.setdefault("Configuration", {"tx": 18, "ty": 16})
    with running(make_package(tmp_path / "P", probe={"Answer": kind, **probe}), raster) as run:
        return run.process(run.grid.block(0, 0))


@pytest.mark.parametrize("kind", ["first", "2-d", "strided", "bool", "itself"])
def test_accepted(tmp_path: Path, raster: Path, kind: str) -> None:
    pixels, mask = answer(tmp_path, raster, kind)
    assert pixels.shape == mask.shape == (1, 16, 18)
    assert pixels.dtype == mask.dtype == np.uint8
    assert mask.all()


def test_masked_array(tmp_path: Path, raster: Path) -> None:
    _, mask = answer(tmp_path, raster, "masked")
    assert mask[0, 0].tolist() == [1, 0] * 9


def test_mask(tmp_path: Path, raster: Path) -> None:
    _, mask = answer(tmp_path, raster, "mask")
    assert mask[0, :, 0].tolist() == [0, 1] * 8
    output = {"bandCount": 3, "pixelType": "u1"}
    _, mask = answer(tmp_path, raster, "mask-2-d", Output=output)
    assert mask.shape == (3, 16, 18)
    assert not mask.any()


def test_whole_blocks_at_the_edge(tmp_path: Path) -> None:
    # As Esri's draft template answers, which leaves fixedTileSize at 0.
    raster = make_raster(tmp_path / "s.tif", (1, 20, 30))
    text = """
import numpy as np
class Whole:
    def initialize(self, **kwargs): pass
    def getParameterInfo(self): return [{"name": "raster", "dataType": "raster"}]
    def getConfiguration(self, **scalars): return {"tx": 16, "ty": 16}
    def updatePixels(self, tlc, shape, props, **pixelBlocks):
        out = np.zeros((1, 16, 16), "u1")
        block = pixelBlocks["raster_pixels"]
        out[:, : block.shape[1], : block.shape[2]] = block
        return {"output_pixels": out}
"""
    said: list[tuple[str, str]] = []
    with running(make_package(tmp_path / "P", "Whole", text=text), raster, said=said) as run:
        np.testing.assert_array_equal(all_blocks(run), gradient((1, 20, 30)))
    assert [level for level, text in said if "ArcGIS may refuse it" in text] == ["warning"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("none", "read method returned a non-dictionary object.*NoneType"),
        ("array", r"read method returned a non-dictionary object.*an array uint8\[1, 16, 18\]"),
        ("no-pixels", "no 'output_pixels', only: 'output_mask'"),
        ("list", "a numpy array as 'output_pixels'"),
        ("wrong-shape", r"shape \(1, 15, 18\), expected \(1, 16, 18\) or \(16, 18\)"),
        ("two-bands", r"shape \(2, 16, 18\), expected \(1, 16, 18\)"),
    ],
)
def test_refused(tmp_path: Path, raster: Path, kind: str, words: str) -> None:
    with pytest.raises(ContractError, match=words):
        answer(tmp_path, raster, kind)


def test_wrong_type_in_the_words_of_arcgis(tmp_path: Path, raster: Path) -> None:
    output = {"bandCount": 1, "pixelType": "i4"}
    with pytest.raises(ContractError, match="incoming 2304 bytes, expected 1152 bytes") as caught:
        answer(tmp_path, raster, "int64", Output=output)
    assert "int64" in str(caught.value)
    assert "int32" in str(caught.value)
    with pytest.raises(ContractError, match="incoming 1152 bytes"):
        answer(tmp_path, raster, "big-endian", Output=output)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ({"bandCount": 1, "pixelType": "uint8"}, "one of i1, i2"),
        ({"bandCount": 1, "pixelType": None}, "one of i1, i2"),
        ({"bandCount": 0, "pixelType": "u1"}, "at least 1 as 'bandCount'"),
        (
            {"bandCount": 1, "pixelType": "u1", "rasterAttributeTable": {"features": []}},
            "json.dumps",
        ),
    ],
)
def test_impossible_outputs(
    tmp_path: Path, raster: Path, output: dict[str, Any], words: str
) -> None:
    with pytest.raises(ContractError, match=words):
        answer(tmp_path, raster, "first", Output=output)


def test_small_and_large_letters_of_types(tmp_path: Path, raster: Path) -> None:
    for kind, dtype in (("T2", "u1"), ("t1", "u1"), ("U2", "u2"), ("f4", "f4")):
        pixels, _ = answer(tmp_path, raster, "2-d", Output={"bandCount": 1, "pixelType": kind})
        assert pixels.dtype == np.dtype(dtype)


@pytest.mark.parametrize(
    ("method", "returned", "words"),
    [
        ("getParameterInfo", "()", "Parameter information returned is not a python list"),
        ("getParameterInfo", "None", "Parameter information returned is not a python list"),
        ("getParameterInfo", "['raster']", "a dictionary as entry 0"),
        ("getParameterInfo", "[{'name': 'raster'}]", "entry 0 has no text 'dataType'"),
        ("getParameterInfo", "[{'dataType': 'raster'}]", "entry 0 has no text 'name'"),
        (
            "getParameterInfo",
            "[{'name': 'a', 'dataType': 'raster'}] * 2",
            "two parameters are called 'a'",
        ),
        (
            "getParameterInfo",
            "[{'name': 'a', 'dataType': 'string'}]",
            "no parameter of dataType 'raster'",
        ),
        ("updateRasterInfo", "None", "its keywords with 'output_info'"),
        ("updateRasterInfo", "{}", "its keywords with 'output_info'"),
        ("updateRasterInfo", "{'output_info': []}", "its keywords with 'output_info'"),
    ],
)
def test_wrong_answers(
    tmp_path: Path, raster: Path, method: str, returned: str, words: str
) -> None:
    text = f"""
class Answering:
    def initialize(self, **kwargs): pass
    def getParameterInfo(self): return [{{"name": "raster", "dataType": "raster"}}]
    def getConfiguration(self, **scalars): return {{}}
    def updatePixels(self, tlc, shape, props, **pixelBlocks): return {{}}
    def {method}(self, **kwargs): return {returned}
"""
    package = make_package(tmp_path / "P", "Answering", text=text)
    with pytest.raises(ContractError, match=words), running(package, raster):
        pass


@pytest.mark.parametrize("method", ["getParameterInfo", "updatePixels"])
def test_methods_that_must_be_there(tmp_path: Path, raster: Path, method: str) -> None:
    text = """
class Lacking:
    def getParameterInfo(self): return [{"name": "raster", "dataType": "raster"}]
    def updatePixels(self, tlc, shape, props, **pixelBlocks): return {}
""".replace(f"def {method}(", "def other(")
    package = make_package(tmp_path / "P", "Lacking", text=text)
    with pytest.raises(FunctionError, match=f"no method {method}"), running(package, raster) as run:
        all_blocks(run)


def test_all_other_methods_are_optional(tmp_path: Path, raster: Path) -> None:
    said: list[tuple[str, str]] = []
    text = """
class Least:
    def getParameterInfo(self): return [{"name": "r", "dataType": "raster"}]
    def updatePixels(self, tlc, shape, props, **pixelBlocks):
        return {"output_pixels": pixelBlocks["r_pixels"]}
"""
    with running(make_package(tmp_path / "P", "Least", text=text), raster, said=said) as run:
        assert (run.info.bands, run.info.pixel_type) == (3, "u1")
        assert all_blocks(run).shape == (3, 16, 18)
    assert said[0] == (
        "warning",
        "Least has no method initialize, through which ArcGIS hands over the model",
    )


def test_an_output_elsewhere_is_warned_of(tmp_path: Path, raster: Path) -> None:
    said: list[tuple[str, str]] = []
    output = {"bandCount": 1, "pixelType": "u1", "cellSize": [5, 5]}
    package = make_package(tmp_path / "P", probe={"Output": output})
    with running(package, raster, said=said):
        pass
    assert [level for level, text in said if "changes cellSize" in text] == ["warning"]
