"""Runs that are killed and gone on with: the result is that of an uninterrupted run, bit by bit."""

from __future__ import annotations

import hashlib
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal

from dlpk.classification.api import classify
from dlpk.classification.journal import journal_path
from dlpk.errors import DlpkError, JournalError
from tests.support.runs import TRANSFORM, make_package

ROOT = Path(__file__).parents[3]

# Takes its time, so that there are moments to be killed at; says how often it was called.
SLOW = """
import time
import numpy as np
class Slow:
    def initialize(self, **kwargs): pass
    def getParameterInfo(self):
        return [
            {"name": "raster", "dataType": "raster"},
            {"name": "fails_at", "dataType": "numeric", "value": -1},
            {"name": "seconds", "dataType": "numeric", "value": 0},
        ]
    def getConfiguration(self, **scalars):
        self.fails_at, self.seconds = int(scalars["fails_at"]), float(scalars["seconds"])
        self.calls = 0
        return {"tx": 48, "ty": 48, "padding": 4, "inputMask": True, "fixedTileSize": 0}
    def updateRasterInfo(self, **kwargs):
        kwargs["output_info"].update(bandCount=2, pixelType="f4", noData=np.array([-1.0, -1.0]))
        return kwargs
    def updatePixels(self, tlc, shape, props, **pixelBlocks):
        self.calls += 1
        if self.calls == self.fails_at:
            raise RuntimeError("this one fails")
        time.sleep(self.seconds)
        inner = pixelBlocks["raster_pixels"][:, 4:-4, 4:-4].astype("f4")
        return {"output_pixels": np.stack([inner.mean(0), inner.std(0)])}
"""
SIDE = 48 * 9 + 20
BLOCKS = 10 * 10


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return make_package(tmp_path / "P", "Slow", text=SLOW)


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    path = tmp_path / "scene.tif"
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), SIDE, SIDE, 3)
    dataset.SetGeoTransform(TRANSFORM)
    pixels = np.random.default_rng(0).integers(1, 255, (3, SIDE, SIDE), np.uint8)
    pixels[:, 60:200, 100:300] = 0
    dataset.WriteArray(pixels)
    for number in (1, 2, 3):
        dataset.GetRasterBand(number).SetNoDataValue(0)
    dataset = None
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def started(package: Path, raster: Path, out: Path, *options: str) -> subprocess.Popen[bytes]:
    words = ["classify", str(package), str(raster), str(out), "--device", "cpu", "-q", *options]
    return subprocess.Popen(
        [sys.executable, "-m", "dlpk", *words],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("cog", [False, True])
def test_killed_dozens_of_times(tmp_path: Path, package: Path, raster: Path, cog: bool) -> None:
    options = ["--arg", "seconds=0.02", *(["--cog"] if cog else [])]
    whole, out = tmp_path / "whole.tif", tmp_path / "out.tif"
    assert started(package, raster, whole, *options).wait() == 0
    chance = random.Random(int(cog))
    kills, grown = 0, [0]
    while True:
        process = started(package, raster, out, "--resume", *options)
        journal = journal_path(out)
        # Until it writes, it has nothing to lose; from there on, any moment will do.
        before = time.monotonic()
        while process.poll() is None and time.monotonic() - before < 60:
            if journal.exists() and journal.stat().st_size > grown[-1]:
                break
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.12))
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        code = process.wait()
        if code == 0:
            break
        assert code == -signal.SIGKILL
        if out.exists():  # killed in the moment between the last rename and the end
            assert digest(out) == digest(whole)
        grown.append(journal.stat().st_size if journal.exists() else grown[-1])
    assert kills >= 12
    assert digest(out) == digest(whole)
    left = {path.name for path in tmp_path.iterdir() if "out" in path.name or "dlpk" in path.name}
    assert left == {"out.tif"}


def run(package: Path, raster: Path, out: Path, **options: Any) -> Path:
    return classify(package, raster, out, device="cpu", **options).path


def test_nothing_finished(tmp_path: Path, package: Path, raster: Path) -> None:
    for _ in range(3):
        with pytest.raises(DlpkError, match="this one fails") as raised:
            run(package, raster, tmp_path / "o.tif", arguments={"fails_at": "1"}, resume=True)
        assert "goes on from there" not in str(raised.value)


@pytest.mark.parametrize("fails_at", [2, 30, 90])
def test_failed(tmp_path: Path, package: Path, raster: Path, fails_at: int) -> None:
    """The function fails at its so manieth call, so every repetition gets further."""
    out, arguments = tmp_path / "out.tif", {"fails_at": str(fails_at)}
    failures = 0
    for _ in range(BLOCKS):
        try:
            run(package, raster, out, arguments=arguments, resume=True)
            break
        except DlpkError as error:
            failures += 1
            assert "this one fails" in str(error)
            assert "the same command goes on from there" in str(error)
    assert failures >= 1
    whole = run(package, raster, tmp_path / "whole.tif")
    assert np.array_equal(pixels_of(out), pixels_of(whole))


def pixels_of(path: Path) -> np.ndarray:
    return np.asarray(gdal.Open(str(path)).ReadAsArray())


def test_uninterrupted(tmp_path: Path, package: Path, raster: Path) -> None:
    plain = run(package, raster, tmp_path / "plain.tif")
    kept = run(package, raster, tmp_path / "kept.tif", resume=True)
    assert digest(plain) == digest(kept)
    assert not journal_path(kept).exists()


def test_another_run(tmp_path: Path, package: Path, raster: Path) -> None:
    out = tmp_path / "out.tif"
    with pytest.raises(DlpkError, match="this one fails"):
        run(package, raster, out, arguments={"fails_at": "50"}, resume=True)
    with pytest.raises(JournalError, match=r"another run \(arguments, tags differ\)"):
        run(package, raster, out, resume=True)
    with pytest.raises(JournalError, match="format"):
        run(package, raster, out, arguments={"fails_at": "50"}, resume=True, cog=True)
    assert journal_path(out).exists()  # hours of work may lie there


def test_changed_raster(tmp_path: Path, package: Path, raster: Path) -> None:
    out, arguments = tmp_path / "out.tif", {"fails_at": "50"}
    with pytest.raises(DlpkError, match="this one fails"):
        run(package, raster, out, arguments=arguments, resume=True)
    os.utime(raster, (1, 1))
    with pytest.raises(JournalError, match="rasters differ"):
        run(package, raster, out, arguments=arguments, resume=True)


def test_in_use(tmp_path: Path, package: Path, raster: Path) -> None:
    pytest.importorskip("fcntl")
    out = tmp_path / "out.tif"
    process = started(package, raster, out, "--resume", "--arg", "seconds=0.2")
    try:
        while not journal_path(out).exists() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(0.2)
        with pytest.raises(JournalError, match="in use"):
            run(package, raster, out, arguments={"seconds": "0.2"}, resume=True)
    finally:
        process.kill()
        process.wait()


def test_not_a_journal(tmp_path: Path, package: Path, raster: Path) -> None:
    out = tmp_path / "out.tif"
    for content in (b"mine", b"something of mine that is longer than the head of a journal" * 9):
        journal_path(out).write_bytes(content)
        with pytest.raises(JournalError, match="not a journal"):
            run(package, raster, out, resume=True)
        assert journal_path(out).read_bytes() == content


def test_disk_full(tmp_path: Path, package: Path, raster: Path) -> None:
    out = tmp_path / "out.tif"
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))

    command = [sys.executable, "-m", "dlpk", "classify", str(package), str(raster), str(out)]
    command += ["--device", "cpu", "-q", "--resume"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, preexec_fn=limit, check=False
    )
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert not out.exists()
    subprocess.run(command, cwd=ROOT, check=True)
    assert digest(out) == digest(run(package, raster, tmp_path / "whole.tif"))


def test_a_changed_part_of_a_virtual_raster(tmp_path: Path, package: Path, raster: Path) -> None:
    inner, outer = tmp_path / "inner.vrt", tmp_path / "outer.vrt"
    gdal.Translate(str(inner), str(raster), format="VRT")
    gdal.Translate(str(outer), str(inner), format="VRT")
    out, arguments = tmp_path / "out.tif", {"fails_at": "50"}
    with pytest.raises(DlpkError, match="this one fails"):
        run(package, outer, out, arguments=arguments, resume=True)
    os.utime(raster, (1, 1))
    with pytest.raises(JournalError, match="rasters differ"):
        run(package, outer, out, arguments=arguments, resume=True)


def test_files_that_arguments_name(tmp_path: Path) -> None:
    from dlpk.classification.journal import named_files

    image, mask = tmp_path / "a, b.png", tmp_path / "m.png"
    image.write_bytes(b"one")
    mask.write_bytes(b"two")
    text = f'x = "{image}"[{mask}] | missing.png, 0.5'
    found = named_files(text)
    assert [entry["name"] for entry in found] == [str(image), str(mask)]
    image.write_bytes(b"three")
    assert named_files(text) != found
    assert named_files("water, trees") == []
