"""Results in the place of something else: refused before anything is read, and nothing changes."""

from __future__ import annotations

import os
import shutil
import socket
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from osgeo import gdal

from builder import BuildError, build
from dlpk.cli.main import main
from dlpk.raster.files import files_of
from tests.support.runs import make_package, make_raster


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with rasters in all forms and packages, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("g.tif", "h.tif", "m.tif"):
        make_raster(tmp_path / name, (3, 40, 50))
    gdal.Translate("inner.vrt", "g.tif", format="VRT")
    (tmp_path / "sub").mkdir()
    gdal.Translate("sub/outer.vrt", "inner.vrt", format="VRT")
    masked = gdal.Translate("", "g.tif", format="VRT", bandList=[1], maskBand="2")
    masked.FlushCache()
    text = masked.GetMetadata("xml:VRT")[0]
    head, tail = text.split("<MaskBand>")
    Path("masked.xml").write_text(head + "<MaskBand>" + tail.replace("g.tif", "m.tif"))
    with zipfile.ZipFile("a.zip", "w") as archive:
        archive.write("g.tif")
    package = make_package(tmp_path / "P", probe={})
    with zipfile.ZipFile("P.dlpk", "w") as archive:
        for file in package.iterdir():
            archive.write(file, file.name)
    Path("old.tif").write_text("old")
    os.link("g.tif", "hard.tif")
    os.symlink("g.tif", "soft.tif")
    os.symlink("gone.tif", "dangling.tif")
    os.mkfifo("pipe.tif")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.tif")
    return tmp_path


def everything(folder: Path) -> dict[str, object]:
    """What is in a folder: kind, target of links, and content of files."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[str(path)] = os.readlink(path)
        else:
            found[str(path)] = path.read_bytes() if path.is_file() else path.stat().st_mode
    return found


READ = "is also read from"


@pytest.mark.parametrize(
    ("inputs", "out", "words"),
    [
        ("P.dlpk g.tif", "g.tif", READ),
        ("P.dlpk g.tif h.tif", "h.tif", READ),  # a member of a mosaic
        ("P.dlpk g.tif", "hard.tif", READ),
        ("P.dlpk soft.tif", "g.tif", READ),
        ("P.dlpk GTIFF_DIR:1:g.tif", "g.tif", READ),
        ("P.dlpk /vsizip/a.zip/g.tif", "a.zip", READ),
        ("P.dlpk /vsizip/{a.zip}/g.tif", "a.zip", READ),
        ("P.dlpk /vsisubfile/0_99999,g.tif", "g.tif", READ),
        ("P.dlpk vrt://g.tif?bands=1,2,3", "g.tif", READ),
        ("P.dlpk inner.vrt", "g.tif", READ),
        ("P.dlpk sub/outer.vrt", "g.tif", READ),
        ("P.dlpk masked.xml", "m.tif", READ),
        ("P.dlpk g.tif", "P.dlpk", READ),
        ("P g.tif", "P/Probe.py", READ),
        ("P/P.emd g.tif", "P/P.emd", READ),
        ("P.dlpk g.tif", "soft.tif", "is a link"),
        ("P.dlpk g.tif", "dangling.tif", "is a link"),
        ("P.dlpk g.tif", "pipe.tif", "is a pipe"),
        ("P.dlpk g.tif", "socket.tif", "is a socket"),
        ("P.dlpk g.tif", "/dev/null", "is a device"),
        ("P.dlpk g.tif", "sub", "is a folder"),
        ("P.dlpk g.tif", "gone/o.tif", "does not exist"),
        # What lies beside the result is written too.
        ("P.dlpk g.tif --like-layer old.tif.aux.xml", "old.tif", READ),
        ("P.dlpk g.tif --png g.png", "old.tif", READ),
        ("P.dlpk g.tif --png soft.png", "old.tif", "is a link"),
        ("P.dlpk g.tif --debug-block P", "old.tif", READ),
        ("P.dlpk g.tif --debug-block h.tif", "old.tif", "is no folder"),
    ],
)
def test_refused(
    place: Path, inputs: str, out: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("old.tif.aux.xml").write_text('{"type": "FeatureCollection", "features": []}')
    os.link("g.tif", "g.png")
    os.symlink("old.tif", "soft.png")
    os.link("P.dlpk", "P/call.json")
    before = everything(place)
    package, *rest = inputs.split()
    options = [word for word in rest if word.startswith("--")] and rest[-2:]
    rasters = rest[: len(rest) - len(options)]
    assert main(["classify", package, *rasters, out, *options, "-q"]) == 1
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert everything(place) == before
    assert os.path.exists("/dev/null") and not os.path.isfile("/dev/null")


def test_an_ordinary_file_is_replaced(place: Path) -> None:
    assert main(["classify", "P.dlpk", "g.tif", "old.tif", "-q"]) == 0
    assert gdal.Open("old.tif").RasterXSize == 50


def test_one_by_one(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = everything(place)
    assert main(["classify", "P.dlpk", "g.tif", "h.tif", ".", "--mode", "items"]) == 1
    assert READ in capsys.readouterr().err
    assert everything(place) == before


def test_calibrate(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy("g.tif", "truth.dlpk")
    os.link("truth.dlpk", "truth.png")
    for option in ("--write=truth.dlpk", "--write=P.dlpk", "--png=truth.png"):
        words = ["calibrate", "P.dlpk", "g.tif", "--truth", "truth.dlpk", option]
        assert main(words) == 1
        assert READ in capsys.readouterr().err


def test_evaluate(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.link("g.tif", "truth.json")
    assert main(["evaluate", "g.tif", "truth.json", "--report", "truth.json"]) == 1
    assert READ in capsys.readouterr().err


def test_build(place: Path) -> None:
    Path("weights").mkdir()
    Path("weights/model.safetensors").write_text("weights")
    os.link("weights/model.safetensors", "o.dlpk")
    with pytest.raises(BuildError, match=READ):
        build("o.dlpk", weights="weights")
    os.mkfifo("p.dlpk")
    with pytest.raises(BuildError, match="is a pipe"):
        build("p.dlpk", weights="mini")


def test_kept_arrays(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.link("P.dlpk", "sub/produced.npy")
    assert main(["test", "P.dlpk", "--keep", "sub"]) == 1
    assert READ in capsys.readouterr().err


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.symlink("/dev/zero", path)])
def test_a_raster_that_is_none(
    place: Path, make: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """A pipe as raster, or as source of a virtual one, would wait for ever."""
    os.remove("h.tif")
    gdal.Translate("v.vrt", "m.tif", format="VRT")
    os.remove("m.tif")
    for name in ("h.tif", "m.tif"):
        make(name)
    for raster in ("h.tif", "v.vrt"):
        assert main(["classify", "P.dlpk", raster, "o.tif"]) == 1
        assert "is a pipe, socket or device" in capsys.readouterr().err


def test_files_of_a_mosaic_are_found_once(place: Path) -> None:
    found = list(files_of(["sub/outer.vrt", "h.tif", "h.tif"]))
    assert [os.path.relpath(name) for name in found].count("h.tif") == 1
    assert {"sub/outer.vrt", "h.tif"} <= {os.path.relpath(name) for name in found}
