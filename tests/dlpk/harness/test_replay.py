"""A failing call is kept and can be made again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlpk.classification.api import classify
from dlpk.classification.block_call import make_request
from dlpk.cli.main import main
from dlpk.errors import FunctionError, PackageError
from dlpk.harness.replay import Call, load_call, replay, save_call
from tests.support.runs import calls, make_package, make_raster, running

FAILING = """
import json, os
class Failing:
    def initialize(self, **kwargs):
        with open(kwargs["model"]) as file:
            self.emd = json.load(file)
    def getParameterInfo(self):
        return [
            {"name": "raster", "dataType": "raster"},
            {"name": "limit", "dataType": "numeric", "value": 100},
        ]
    def getConfiguration(self, **scalars):
        self.limit = int(scalars["limit"])
        return {"tx": 16, "ty": 16, "padding": 2, "inputMask": True}
    def updateRasterInfo(self, **kwargs):
        self.cell = kwargs["raster_info"]["cellSize"]
        kwargs["output_info"].update(bandCount=1, pixelType="u1")
        return kwargs
    def updatePixels(self, tlc, shape, props, **pixelBlocks):
        block = pixelBlocks["raster_pixels"]
        before = int(block.max())
        block[:] = 0  # what is kept is what came, not what was made of it
        if before > self.limit:
            raise ValueError(f"{before} is over {self.limit} at {tlc}, {self.cell}")
        return {"output_pixels": block[:1, 2:-2, 2:-2]}
"""


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    pixels = np.zeros((3, 40, 40), np.uint8)
    pixels[1, 20, 20] = 200
    raster = make_raster(tmp_path / "s.tif", pixels)
    package = make_package(tmp_path / "P", "Failing", text=FAILING)
    with pytest.raises(FunctionError, match="repeat it with: dlpk replay") as caught:
        classify(package, raster, tmp_path / "o.tif", device="cpu", debug_block=tmp_path / "kept")
    assert "200 is over 100 at (500160.0, 3999840.0), (10.0, 10.0)" in str(caught.value)
    return tmp_path / "kept"


def test_the_same_failure(kept: Path) -> None:
    call = load_call(kept)
    block = call.request.blocks["raster_pixels"]
    assert isinstance(block, np.ndarray)
    assert block.shape == (3, 20, 20)
    assert block[1, 6, 6] == 200
    for _ in range(2):
        with pytest.raises(FunctionError, match=r"200 is over 100 at \(500160.0, 3999840.0\)"):
            replay(kept)


def test_command(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(kept)]) == 1
    assert "200 is over 100" in capsys.readouterr().err
    function = kept.parent / "P" / "Failing.py"
    function.write_text(FAILING.replace("raise ValueError", "print"))
    assert main(["replay", str(kept)]) == 0
    assert capsys.readouterr().out == "the call succeeds: uint8[1, 16, 16], values from 0 to 0\n"


def test_a_folder_that_cannot_be_written_does_not_hide_the_failure(tmp_path: Path) -> None:
    package = make_package(tmp_path / "P", probe={"Answer": "raise"})
    raster = make_raster(tmp_path / "s.tif")
    (tmp_path / "file").write_text("x")
    with pytest.raises(FunctionError, match=r"(?s)IndexError.*file/kept cannot be made"):
        classify(
            package, raster, tmp_path / "o.tif", device="cpu", debug_block=tmp_path / "file/kept"
        )


def test_definition_as_text(tmp_path: Path) -> None:
    package = make_package(tmp_path / "P", probe={"Answer": "raise"})
    content = json.loads((package / "P.emd").read_text())
    content["InferenceFunction"] = str(package / "Probe.py")
    raster = make_raster(tmp_path / "s.tif")
    with pytest.raises(FunctionError):
        classify(
            json.dumps(content),
            raster,
            tmp_path / "o.tif",
            device="cpu",
            debug_block=tmp_path / "k",
        )
    with pytest.raises(FunctionError, match="IndexError"):
        replay(tmp_path / "k")


def test_what_is_no_call(tmp_path: Path, kept: Path) -> None:
    for folder in (tmp_path, tmp_path / "gone"):
        with pytest.raises(PackageError, match="holds no call"):
            load_call(folder)
    for name, data in (
        ("call.json", b"{}"),
        ("call.json", b"[1]"),
        ("call.json", b"\xff"),
        ("pixels.npz", b"PK\x03\x04"),
        ("pixels.npz", b""),
    ):
        before = (kept / name).read_bytes()
        (kept / name).write_bytes(data)
        with pytest.raises(PackageError, match="holds no call"):
            load_call(kept)
        (kept / name).write_bytes(before)
    load_call(kept)


def test_a_whole_call_comes_back(tmp_path: Path) -> None:
    raster = make_raster(tmp_path / "s.tif", nodata=0)
    probe = {"Configuration": {"inputMask": True, "compositeRasters": True}}
    with running(make_package(tmp_path / "P", probe=probe), raster) as run:
        block = run.grid.block(1, 1)
        request = make_request(run, block, run.read(block))
        (described,) = calls(run, "updateRasterInfo")
        save_call(Call("P", -1, run.scalars, run.raster_kwargs, request), tmp_path / "kept")
    call = load_call(tmp_path / "kept")
    assert_same(call.scalars, run.scalars)
    assert_same(call.described, run.raster_kwargs)
    assert_same(call.request.props, request.props)
    assert_same(call.request.blocks, request.blocks)
    assert (call.request.tlc, call.request.shape) == (request.tlc, request.shape)
    assert_same(call.described["raster_info"], described["raster_info"])


def assert_same(found: Any, expected: Any) -> None:
    if isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    elif isinstance(expected, (list, tuple)):
        assert type(found) is type(expected)
        assert len(found) == len(expected)
        for one, other in zip(found, expected):
            assert_same(one, other)
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for key in expected:
            assert_same(found[key], expected[key])
    else:
        assert type(found) is type(expected)
        assert found == expected
