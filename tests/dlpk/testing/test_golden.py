"""Packages tested against themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlpk.cli.main import main
from dlpk.errors import ArgumentsError, OutputError, PackageError
from dlpk.package.open import open_package
from dlpk.testing.golden import read_golden
from dlpk.testing.golden_test import golden_test
from tests.support.runs import make_package

SIDE, STEPS = 16, 10_000
ARGUMENTS = {
    "text_prompt": 'red, "green, or blue"',
    "tile_size": SIDE,
    "padding": 0,
    "return_probability_raster": "True",
}
# Probabilities are the first bands; FAULT is what a test adds to them.
FUNCTION = """
import json
import numpy as np
class Lighting:
    def initialize(self, **kwargs):
        with open(kwargs["model"]) as file:
            self.emd = json.load(file)
        FAIL
    def getParameterInfo(self):
        return [
            {"name": "raster", "dataType": "raster"},
            {"name": "model", "dataType": "string"},
            {"name": "text_prompt", "dataType": "string", "value": ""},
            {"name": "tile_size", "dataType": "numeric", "value": 64},
            {"name": "padding", "dataType": "numeric", "value": 8},
            {"name": "return_probability_raster", "dataType": "string", "value": "False"},
        ]
    def getConfiguration(self, **scalars):
        self.probabilities = scalars["return_probability_raster"] == "True"
        side = int(scalars["tile_size"]) - 2 * int(scalars["padding"])
        assert scalars["text_prompt"] == 'red, "green, or blue"', scalars
        return {"tx": side, "ty": side, "padding": int(scalars["padding"]), "fixedTileSize": 1}
    def updateRasterInfo(self, **kwargs):
        kwargs["output_info"].update(bandCount=2, pixelType="f4" if self.probabilities else "u1")
        return kwargs
    def updatePixels(self, tlc, shape, props, **pixelBlocks):
        result = pixelBlocks["raster_pixels"][:2].astype(np.float32) / 255
        FAULT
        return {"output_pixels": result}
"""


def golden_package(folder: Path, *, fault: str = "pass", fail: str = "pass", **change: Any) -> Path:
    text = FUNCTION.replace("FAULT", fault).replace("FAIL", fail)
    package = make_package(folder, "Lighting", text=text)
    chips = np.random.default_rng(0).integers(0, 256, (3, 3, SIDE, SIDE), dtype=np.uint8)
    (package / "golden").mkdir(exist_ok=True)
    np.save(package / "golden" / "inputs.npy", chips)
    promised = np.round(chips[:, :2] / 255 * STEPS).astype("<u2")
    np.save(package / "golden" / "expected.npy", promised)
    content = {
        "inputs": "inputs.npy",
        "expected": "expected.npy",
        "steps": STEPS,
        "arguments": ARGUMENTS,
        "threshold": 0.5,
        "tolerance": 0.01,
        "flipped_per_million": 1000,
        **change,
    }
    (package / "golden" / "golden.json").write_text(json.dumps(content))
    return package


def test_passed(tmp_path: Path) -> None:
    result = golden_test(golden_package(tmp_path / "P"), keep=tmp_path / "kept", device="cpu")
    assert result.status == "passed"
    assert [chip.passed for chip in result.chips] == [True] * 3
    assert max(chip.largest for chip in result.chips) <= 0.5 / STEPS + 1e-6
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("result += 0.005", "failed"),  # within the tolerance, but it flips too many pixels
        ("result[0, 0, 0] += 0.02", "failed"),
        ("result[0, 0, 0] += 0.0095", "passed"),
        ("result[1, 3, 3] = np.nan", "failed"),
        ("result[:] = result[::-1].copy()", "failed"),
    ],
)
def test_differences(tmp_path: Path, fault: str, status: str) -> None:
    package = golden_package(tmp_path / "P", fault=fault)
    assert golden_test(package, device="cpu").status == status


def test_arrays_are_kept(tmp_path: Path) -> None:
    package = golden_package(tmp_path / "P", fault="result[0, 0, 0] = 0.25")
    result = golden_test(package, keep=tmp_path / "a" / "b", device="cpu")
    assert result.status == "failed"
    produced = np.load(tmp_path / "a" / "b" / "produced.npy")
    assert produced.shape == (3, 2, SIDE, SIDE)
    assert produced.dtype == np.float32
    assert (produced[:, 0, 0, 0] == 0.25).all()
    told = json.loads((tmp_path / "a" / "b" / "result.json").read_text())
    assert told == result.to_dict()
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="is no folder"):
        golden_test(package, keep=tmp_path / "file", device="cpu")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fail": "raise OSError('no weights')"}, "ERROR 002667.*no weights"),
        ({"fault": "return None"}, "non-dictionary"),
        ({"fault": "result = result.astype('f8')"}, "incoming"),
        ({"arguments": {**ARGUMENTS, "promt": "x"}}, "did you mean 'text_prompt'"),
        ({"steps": 0}, "not all numbers|damaged"),
        ({"inputs": "../P.emd"}, "does not lie in the folder"),
        ({"inputs": "gone.npy"}, "damaged"),
        ({"threshold": "high"}, "damaged"),
    ],
)
def test_does_not_run(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    import re

    with np.errstate(all="ignore"):
        result = golden_test(golden_package(tmp_path / "P", **change), device="cpu")
    assert result.status == "does-not-run"
    assert re.search(words, result.reason, re.DOTALL), result.reason


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    package = golden_package(tmp_path / "P")
    np.save(package / "golden" / "inputs.npy", np.array([{}]), allow_pickle=True)
    with open_package(package) as opened, pytest.raises(PackageError, match="allow_pickle"):
        read_golden(opened)


def test_other_outputs(tmp_path: Path) -> None:
    package = golden_package(tmp_path / "P")
    function = package / "Lighting.py"
    text = function.read_text()
    function.write_text(text.replace("bandCount=2", "bandCount=1").replace("[:2]", "[:1]"))
    reason = golden_test(package, device="cpu").reason
    assert "promise 2 band(s), and the function delivers 1" in reason
    np.save(package / "golden" / "expected.npy", np.zeros((3, 2, SIDE, SIDE + 1)))
    assert "do not go with" in golden_test(package, device="cpu").reason


@pytest.mark.parametrize(("change", "status"), [(0.4, "passed"), (2, "failed")])
def test_values_without_a_threshold(tmp_path: Path, change: float, status: str) -> None:
    """Classes, say: pixels count that differ, however much."""
    package = golden_package(tmp_path / "P", threshold=None, tolerance=0.5, flipped_per_million=0)
    path = package / "golden" / "expected.npy"
    expected = np.load(path).astype(np.float64)
    expected[1, 0, 2, 3] += change * STEPS
    np.save(path, expected)
    assert golden_test(package, device="cpu").status == status


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad, none = tmp_path / "good", tmp_path / "bad", tmp_path / "none"
    golden_package(good)
    golden_package(bad, fault="result += 0.3")
    make_package(none)
    broken = golden_package(tmp_path / "broken", fail="raise ValueError")
    for package, code, status in (
        (good, 0, "passed"),
        (bad, 1, "failed"),
        (none, 0, "untested"),
        (broken, 3, "does-not-run"),
        (tmp_path / "gone.dlpk", 3, "does-not-run"),
    ):
        assert main(["test", str(package), "--device", "cpu"]) == code
        out, err = capsys.readouterr()
        assert out.startswith(f"{package}: {status}")
        assert err == ""
        assert main(["test", str(package), "--json"]) == code
        assert json.loads(capsys.readouterr().out)["status"] == status
    assert main(["test", str(bad), "--keep", str(tmp_path / "kept")]) == 1
    assert "FAILED, differences up to 0.3" in capsys.readouterr().out
    assert (tmp_path / "kept" / "produced.npy").is_file()
    with pytest.raises(ArgumentsError):
        golden_test(good, device="gpu")
