"""The result: there is never half of one, whatever stops the work."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dlpk.classification.api import classify
from dlpk.errors import DlpkError, FunctionError, OutputError
from tests.support import classified
from tests.support.classified import names, result
from tests.support.runs import make_package, make_raster

ROOT = Path(__file__).parents[3]
raster = classified.raster


def test_a_failure_leaves_the_old_file(tmp_path: Path, raster: Path) -> None:
    path = result(tmp_path, raster)
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    with pytest.raises(FunctionError):
        result(tmp_path, raster, probe={"Answer": "raise"})
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before


def test_who_reads_the_old_file_keeps_it(tmp_path: Path, raster: Path) -> None:
    path = result(tmp_path, raster)
    os.link(path, tmp_path / "same.tif")
    before = path.read_bytes()
    result(tmp_path, raster, probe={"Answer": "mask"})
    assert (tmp_path / "same.tif").read_bytes() == before
    assert path.read_bytes() != before


def test_a_damaged_raster_leaves_nothing(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(1, 255, (3, 300, 300), dtype=np.uint8)
    raster = make_raster(tmp_path / "s.tif", noise, options=["COMPRESS=DEFLATE", "TILED=YES"])
    raster.write_bytes(raster.read_bytes()[:150_000])
    with pytest.raises(DlpkError, match="cannot be read at column"):
        result(tmp_path, raster)
    assert names(tmp_path / "out") == []


SLOW = """
import time

class Slow:
    def initialize(self, **kwargs): pass
    def getParameterInfo(self): return [{"name": "raster", "dataType": "raster"}]
    def getConfiguration(self, **scalars): return {"tx": 16, "ty": 16}
    def updateRasterInfo(self, **kwargs):
        kwargs["output_info"].update(bandCount=1, pixelType="u1")
        return kwargs
    def updatePixels(self, tlc, shape, props, **pixelBlocks):
        try:
            print("working", flush=True)
            time.sleep(60)
        except Exception:
            pass
        return {"output_pixels": pixelBlocks["raster_pixels"][:1]}
"""


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "told to end"),
        (signal.SIGHUP, 143, "told to end"),
    ],
)
def test_being_stopped_leaves_the_old_file(
    tmp_path: Path, raster: Path, number: signal.Signals, code: int, words: str
) -> None:
    package = make_package(tmp_path / "P", "Slow", text=SLOW)
    out = tmp_path / "out"
    out.mkdir()
    (out / "r.tif").write_text("old")
    command = [sys.executable, "-m", "dlpk", "classify", str(package), str(raster)]
    process = subprocess.Popen(
        [*command, str(out / "r.tif")], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "working\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert err.count("\n") == 1
    assert err.startswith("dlpk: error: ")
    assert words in err
    assert names(out) == ["r.tif"]
    assert (out / "r.tif").read_text() == "old"


def limited_classify(package: Path, raster: Path, out: Path, limit: int) -> None:
    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, "-m", "dlpk", "classify", str(package), str(raster), str(out)]
    done = subprocess.run(
        command, cwd=ROOT, preexec_fn=limit_files, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"dlpk: error: {out} cannot be written: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.parametrize("limit", [0, 1000, 100_000, 2_000_000])
def test_no_room(tmp_path: Path, limit: int) -> None:
    noise = np.random.default_rng(0).integers(1, 255, (1, 1600, 1600), dtype=np.uint8)
    raster = make_raster(tmp_path / "s.tif", noise)
    probe = {"Configuration": {"tx": 512, "ty": 512}}
    package = make_package(tmp_path / "P", probe=probe, emd={"Classes": []})
    out = tmp_path / "out"
    out.mkdir()
    (out / "r.tif").write_text("old")
    limited_classify(package, raster, out / "r.tif", limit)
    assert names(out) == ["r.tif"]
    assert (out / "r.tif").read_text() == "old"


def test_folders_that_cannot_be_written(tmp_path: Path, raster: Path) -> None:
    package = make_package(tmp_path / "P")
    for out, words in (
        (tmp_path / "gone" / "r.tif", "does not exist"),
        (tmp_path, "is a folder; name an ordinary file"),
        (Path("/proc/r.tif"), "cannot be written to"),
        (tmp_path / ("x" * 300 + ".tif"), "cannot be written"),
    ):
        with pytest.raises(OutputError, match=words):
            classify(package, raster, out, device="cpu")
    assert names(tmp_path) == ["P", "scene.tif"]
