"""Calibration from outside: what is written is used, and nothing is written that loses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal

import dlpk
from dlpk.cli.main import main
from dlpk.errors import TruthError
from dlpk.evaluation.calibration import calibrate as module
from dlpk.evaluation.calibration.store import words_of, write_calibrated
from dlpk.evaluation.calibration.values import Scene
from dlpk.evaluation.rasters import Options, evaluate_raster
from dlpk.package.open import open_package

gdal.UseExceptions()
ROOT = Path(__file__).parents[3]
# A synonym, a name, an expression; the reference has water 1 and vegetation 2.
PROMPT = "water = water|sea, vegetation = trees OR crops"
CLASSES = {"water": (1, 1), "vegetation": (2, 2)}


@pytest.fixture(scope="module")
def corner(mini: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A package, a part of the demo scene, and its reference."""
    folder = tmp_path_factory.mktemp("corner")
    for name in ("scene", "reference"):
        source = str(ROOT / "demo" / f"{name}.tif")
        gdal.Translate(str(folder / f"{name}.tif"), source, srcWin=[200, 150, 192, 176])
    return mini, folder / "scene.tif", folder / "reference.tif"


def mean_iou(package: Path, scene: Path, reference: Path, out: Path, **arguments: str) -> float:
    dlpk.classify(package, scene, out, prompt=PROMPT, arguments=arguments)
    result = evaluate_raster(out, reference, Options(classes=CLASSES))
    return float(np.mean([row["iou"] for row in result.per_class()[1:]]))


def test_what_is_missing_is_said_before_anything_runs(
    corner: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    package, scene, reference = corner
    monkeypatch.setattr(module, "read_pixels", None)
    with pytest.raises(TruthError, match=r"the labels .*nowhere\.tif cannot be opened"):
        dlpk.calibrate(package, [scene, scene], [reference, scene.with_name("nowhere.tif")])


def test_whole_way(
    corner: tuple[Path, Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What is found for synonyms and an expression is written, valid, used, and better."""
    package, scene, reference = corner
    out, png = tmp_path / "calibrated.dlpk", tmp_path / "curve.png"
    words = [str(package), str(scene), "--truth", str(reference), "--prompt", PROMPT]
    assert main(["calibrate", *words, "--png", str(png), "--write", str(out), "-q"]) == 0
    said = capfd.readouterr().out
    assert "on other blocks" in said
    assert "'sea|water', 'crops or trees'" in said or "'sea|water', 'trees or crops'" in said
    assert png.read_bytes()[:4] == b"\x89PNG"
    assert not list(dlpk.validate(out))
    stored = dlpk.inspect(out).thresholds
    assert set(stored) == {"sea|water", "trees or crops"}
    plain = mean_iou(package, scene, reference, tmp_path / "plain.tif")
    better = mean_iou(out, scene, reference, tmp_path / "better.tif")
    assert better > plain
    # The report's own figure for the pixels it was found on is what a run gives.
    found = dlpk.calibrate(out, scene, reference, prompt=PROMPT)
    assert found.baseline.here == pytest.approx(better, abs=0.01)
    capfd.readouterr()
    assert main(["classify", str(out), str(scene), str(tmp_path / "c.tif"), "--prompt", "sea"]) == 0
    assert "no calibrated threshold for 'sea'" in "".join(capfd.readouterr())
    words = ["classify", str(out), str(scene), str(tmp_path / "c.tif"), "--prompt", PROMPT]
    assert main([*words, "--arg", "threshold=0.9"]) == 0
    assert "calibrated thresholds are not used" in "".join(capfd.readouterr())


def test_nothing_is_written_that_does_not_win(
    corner: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package, scene, reference = corner
    noise = tmp_path / "noise.tif"
    driver = gdal.GetDriverByName("GTiff")
    made = driver.CreateCopy(str(noise), gdal.Open(str(reference)))
    shape = (made.RasterYSize, made.RasterXSize)
    # What the package as it is finds is the truth: there is nothing to gain.
    plain = tmp_path / "plain.tif"
    dlpk.classify(package, scene, plain, prompt="water, vegetation")
    right = gdal.Open(str(plain)).ReadAsArray()
    made.GetRasterBand(1).WriteArray(right.reshape(shape))
    made = None
    out = tmp_path / "out.dlpk"
    words = ["calibrate", str(package), str(scene), "--truth", str(noise), "-q"]
    assert main([*words, "--prompt", "water, vegetation", "--write", str(out)]) == 0
    said = capsys.readouterr().out
    assert "nothing beats the package as it is" in said
    assert "is not written" in said
    assert not out.exists()


def test_cell_sizes_and_words_are_compared(corner: tuple[Path, Path, Path]) -> None:
    package, scene, reference = corner
    found = dlpk.calibrate(
        package,
        scene,
        reference,
        prompt="water = sea",
        cell_size=[10.0, 20.0],
        classes={"water": 1},
    )
    labels = [trial.label for trial in found.trials]
    assert labels == ["cell size 10", "cell size 20"]
    assert found.best[1].elsewhere >= found.baseline.elsewhere
    # Labels are compared at the raster's own cell size, whatever was looked at.
    assert len({trial.pixels.truth.size for trial in found.trials}) == 1
    assert all(label in found.to_text() for label in labels)
    settings = module._settings(["sea", "lake"], None, ["1", "1,0.5"])
    assert [each.label for each in settings] == [
        f"{words}, scales {scales}" for words in ("sea", "lake") for scales in ("1", "1,0.5")
    ]
    assert settings[1].arguments == {"text_prompt": "sea", "scales": "1,0.5"}


def test_what_is_kept_under_which_words(corner: tuple[Path, Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "c.dlpk"
    write_calibrated(corner[0], out, {"river|sea": (0.2, 1.5), "water": (0.4, 1.0)})
    with open_package(out) as opened:
        assert opened.emd["CLIPSeg"]["Thresholds"] == {"river|sea": 0.2, "water": 0.4}
        assert opened.emd["CLIPSeg"]["Strengths"] == {"river|sea": 1.5}
        assert "{'river|sea': 1.5}" in dlpk.inspect(out).to_text()
        words = words_of(
            opened,
            {"text_prompt": "Sea|River, w = water{*2}, water:0.7", "background_prompt": "trees"},
        )
    assert words.keys == ("river|sea", "water", "water")
    usual = json.loads(json.dumps(words.start.thresholds[3]))
    assert words.start.thresholds == (0.2, 0.4, 0.7, usual)
    assert words.start.strengths == (1.5, 1.0, 1.0, 1.0)
    assert words.competitors == 1
    assert words.fixed == {2: "has a threshold of its own in the prompt"}


def test_what_cannot_be_calibrated(corner: tuple[Path, Path, Path]) -> None:
    package, scene, reference = corner
    with pytest.raises(TruthError, match="2 rasters and 3 label files"):
        dlpk.calibrate(package, [scene] * 2, [reference] * 3)
    with pytest.raises(TruthError, match="beta is -1"):
        dlpk.calibrate(package, scene, reference, beta=-1)
    with pytest.raises(TruthError, match=r"none of the classes water .*roof"):
        dlpk.calibrate(package, scene, reference, prompt="water", classes={"roof": 1})
    assert module._scenes([Scene("a", "b")], ())[0].truth == "b"


def test_names_are_checked_before_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["calibrate", "gone.dlpk", "gone.tif", "--truth", "gone.geojson"]
    assert main([*words, "--write", str(tmp_path / "c.zip")]) == 1
    assert "does not end in .dlpk" in capsys.readouterr().err
    assert main([*words, "--png", str(tmp_path / "c.jpg")]) == 1
    assert "call it c.png" in capsys.readouterr().err
