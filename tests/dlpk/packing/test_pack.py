"""Packages of any model: checked, packed the same everywhere, tested by their own answers."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dlpk
from builder import BuildError
from dlpk.cli.main import main
from dlpk.errors import ArgumentsError, ContractError, DlpkError, PackageError, RasterError
from dlpk.testing.synthetic import synthetic_pixels, write_raster
from tests.support.runs import make_package

# Classes by brightness; the argument moves the border between them.
FUNCTION = """
import numpy as np


class Brightness:
    def initialize(self, **kwargs):
        pass

    def getParameterInfo(self):
        return [
            {"name": "raster", "dataType": "raster", "required": True, "displayName": "Raster",
             "value": None, "description": ""},
            {"name": "model", "dataType": "string", "required": True, "displayName": "Model",
             "value": None, "description": ""},
            {"name": "border", "dataType": "numeric", "required": False, "displayName": "Border",
             "value": "128", "description": "Between dark and bright."},
        ]

    def getConfiguration(self, **scalars):
        self.border = float(scalars["border"])
        return {"inheritProperties": 2 | 4 | 8, "tx": 48, "ty": 48, "padding": 4}

    def updateRasterInfo(self, **kwargs):
        kwargs["output_info"].update(bandCount=1, pixelType="u1")
        return kwargs

    def updatePixels(self, tlc, shape, props, **pixelBlocks):
        pixels = pixelBlocks["raster_pixels"][:, 4:-4, 4:-4].astype("f4").mean(axis=0)
        result = np.where(pixels > self.border, 2, 1)
        FAULT
        return {"output_pixels": result[None].astype(props["pixelType"])}
"""


def model(folder: Path, fault: str = "pass", **emd: Any) -> Path:
    return make_package(folder, "Brightness", text=FUNCTION.replace("FAULT", fault), emd=emd)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return write_raster(tmp_path / "scene.tif", synthetic_pixels(3, 200, 300))


def content(package: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(package) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_pack(tmp_path: Path) -> None:
    folder, out = model(tmp_path / "model"), tmp_path / "Any.dlpk"
    for junk in ("__pycache__/Brightness.pyc", ".git/HEAD", "Thumbs.db"):
        (folder / junk).parent.mkdir(exist_ok=True)
        (folder / junk).write_bytes(b"x")
    built = dlpk.pack(folder, out, licence="MIT")
    assert (built.path, built.size) == (out, out.stat().st_size)
    files = content(out)
    assert set(files) == {"model.emd", "Brightness.py", "manifest.json"}
    assert files["model.emd"] == (folder / "model.emd").read_bytes()
    assert dlpk.validate(out).errors == ()
    assert dlpk.inspect(out).licences[0]["licence"] == "MIT"
    # The same bytes from a copy, and from the package unpacked: provenance stays.
    with zipfile.ZipFile(out) as archive:
        archive.extractall(tmp_path / "again" / "model")
    assert dlpk.pack(tmp_path / "again" / "model", tmp_path / "b.dlpk").sha256 == built.sha256


def test_a_changed_package_is_packed_anew_and_noticed_otherwise(tmp_path: Path) -> None:
    dlpk.pack(model(tmp_path / "model"), tmp_path / "a.dlpk", name="First", licence="MIT")
    with zipfile.ZipFile(tmp_path / "a.dlpk") as archive:
        archive.extractall(tmp_path / "model")
    with (tmp_path / "model" / "Brightness.py").open("a") as file:
        file.write("# changed\n")
    assert {f.rule for f in dlpk.validate(tmp_path / "model").errors} == {"manifest/file-changed"}
    dlpk.pack(tmp_path / "model", tmp_path / "b.dlpk")
    assert dlpk.validate(tmp_path / "b.dlpk").errors == ()
    manifest = json.loads(content(tmp_path / "b.dlpk")["manifest.json"])
    assert (manifest["name"], manifest["licences"][0]["licence"]) == ("First", "MIT")


def test_errors_stop_it(tmp_path: Path) -> None:
    folder, out = model(tmp_path / "model", ModelType="Nothing"), tmp_path / "x.dlpk"
    (folder / "Brightness.py").write_text("class Other: pass\n")
    out.write_bytes(b"old")
    with pytest.raises(PackageError, match=r"(?s)no sound package.*model\.emd.*Brightness"):
        dlpk.pack(folder, out)
    assert out.read_bytes() == b"old"


@pytest.mark.parametrize(
    ("make", "out", "words"),
    [
        (lambda f: f.joinpath("manifest.json").write_text('{"start_url": "/"}'), "x.dlpk", "ours"),
        (
            lambda f: (f / "lib").mkdir() or (f / "code").symlink_to("lib"),
            "x.dlpk",
            "a link to a folder",
        ),
        (lambda f: None, "model/x.dlpk", "lies in the folder that is packed"),
        (lambda f: None, "x.zip", r"does not end in \.dlpk"),
        (lambda f: f.rename(f.with_name("gone")), "x.dlpk", "is no folder"),
    ],
)
def test_refused(tmp_path: Path, make: Any, out: str, words: str) -> None:
    folder = model(tmp_path / "model")
    make(folder)
    with pytest.raises((PackageError, BuildError), match=words):
        dlpk.pack(folder, tmp_path / out)
    assert not (tmp_path / out).exists()


def test_others_are_not_taken_for_ours(tmp_path: Path) -> None:
    """Neither a key CLIPSeg nor a file manifest.json makes a package one of ours."""
    folder = model(tmp_path / "model", CLIPSeg={"any": "thing"})
    (folder / "manifest.json").write_text('{"files": {"gone.txt": {}}}')
    assert dlpk.validate(folder).errors == ()
    (folder / "manifest.json").write_text('{"format": 1, "created_by": ')
    assert {f.rule.split("/")[0] for f in dlpk.validate(folder).errors} == {"manifest"}


def test_golden_chips_of_any_function(tmp_path: Path, scene: Path) -> None:
    folder, out = model(tmp_path / "model"), tmp_path / "Any.dlpk"
    dlpk.pack(folder, out, golden=scene, arguments={"border": "100"}, device="cpu")
    files = content(out)
    golden = json.loads(files["golden/golden.json"])
    assert golden["arguments"] == {"border": "100"}
    assert dlpk.validate(out).errors == ()
    result = dlpk.test(out, device="cpu")
    assert result.status == "passed", result.to_text()
    assert len(result.chips) == 3
    with zipfile.ZipFile(out) as archive:
        archive.extractall(tmp_path / "changed")
    inputs = np.load(tmp_path / "changed" / "golden" / "inputs.npy")
    assert (inputs.shape, inputs.dtype) == ((3, 3, 48, 48), np.uint8)
    # It is the function's answer with those arguments, and another function is noticed.
    expected = np.load(tmp_path / "changed" / "golden" / "expected.npy")
    inner = np.where(inputs.astype("f4").mean(axis=1) > 100, 2, 1)
    assert (expected[:, 0] == inner).mean() > 0.999
    function = tmp_path / "changed" / "Brightness.py"
    function.write_text(function.read_text().replace("> self", "> 20 + self"))
    assert dlpk.test(tmp_path / "changed", device="cpu").status == "failed"


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("result += np.random.randint(0, 2, result.shape)", ContractError, "asked the same twice"),
        ("raise OSError('no weights')", DlpkError, "no weights"),
    ],
)
def test_no_promise(
    tmp_path: Path, scene: Path, fault: str, kind: type[DlpkError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        dlpk.pack(model(tmp_path / "m", fault), tmp_path / "x.dlpk", golden=scene, device="cpu")
    assert not (tmp_path / "x.dlpk").exists()


def test_rasters_and_arguments_that_do_not_suit(tmp_path: Path, scene: Path) -> None:
    folder, out = model(tmp_path / "model"), tmp_path / "x.dlpk"
    holes = synthetic_pixels(3, 60, 60)
    holes[:, ::20, ::20] = 0
    empty = write_raster(tmp_path / "holes.tif", holes, nodata=0)
    with pytest.raises(RasterError, match="no piece of 48 by 48 pixels without NoData"):
        dlpk.pack(folder, out, golden=empty, device="cpu")
    with pytest.raises(ArgumentsError, match="did you mean 'border'"):
        dlpk.pack(folder, out, golden=scene, arguments={"boarder": 1}, device="cpu")
    small = write_raster(tmp_path / "small.tif", synthetic_pixels(3, 20, 30).astype("u2"))
    dlpk.pack(folder, out, golden=small, device="cpu")
    assert dlpk.test(out, device="cpu").status == "passed"


def test_command(tmp_path: Path, scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = str(model(tmp_path / "model")), str(tmp_path / "x.dlpk")
    words = ["pack", folder, out, "--golden", str(scene), "--arg", "border=90", "--device", "cpu"]
    assert main(words) == 0
    assert "SHA-256" in capsys.readouterr().out
    assert main(["test", out, "--device", "cpu"]) == 0
    (Path(folder) / "Brightness.py").unlink()
    assert main(["pack", folder, out]) == 1
    assert "no sound package; nothing was written\n" in capsys.readouterr().err
