"""Thresholds from labels: counting, labels of all kinds, writing them into a package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal, ogr

import dlpk
from builder import build
from dlpk.cli.main import main
from dlpk.evaluation.calibration import STEPS, _curve, _middle_of_best, calibrate
from dlpk.evaluation.rasters import Options, evaluate_raster

gdal.UseExceptions()
ogr.UseExceptions()


def test_curve_by_hand() -> None:
    hits, misses = np.zeros(STEPS + 1, np.int64), np.zeros(STEPS + 1, np.int64)
    hits[[400, 450]] = [10, 30]  # labelled pixels with probabilities 0.8 and 0.9
    misses[[100, 420]] = [50, 20]  # others with 0.2 and 0.84
    curve = _curve("x", hits, misses, None)
    at = dict(zip(np.round(curve.thresholds, 3), curve.iou))
    assert at[0.0] == pytest.approx(40 / 110)
    assert at[0.5] == pytest.approx(40 / 60)
    assert at[0.82] == pytest.approx(30 / 60)
    assert at[0.85] == pytest.approx(30 / 40)
    assert at[0.9] == 0
    assert curve.threshold == pytest.approx(0.87, abs=0.011)  # the middle of 0.84 … 0.9
    assert curve.pixels == 40
    recall = _curve("x", hits, misses, 4.0)
    assert recall.threshold < 0.8


def test_middle_of_equally_good() -> None:
    assert _middle_of_best(np.array([0, 1, 3, 3, 3, 1])) == 3
    assert _middle_of_best(np.array([2, 2, 0])) == 0


ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def corner(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A package, a part of the demo scene, and its reference."""
    folder = tmp_path_factory.mktemp("corner")
    build(folder / "mini.dlpk", weights="mini")
    for name in ("scene", "reference"):
        source = str(ROOT / "demo" / f"{name}.tif")
        gdal.Translate(str(folder / f"{name}.tif"), source, srcWin=[200, 150, 288, 240])
    return folder / "mini.dlpk", folder / "scene.tif", folder / "reference.tif"


def test_whole_way(corner: tuple[Path, Path, Path], tmp_path: Path) -> None:
    """Thresholds are found, drawn, written, valid, shown, and make the result better."""
    package, scene, reference = corner
    out, png = tmp_path / "calibrated.dlpk", tmp_path / "curve.png"
    words = [str(package), str(scene), "--truth", str(reference), "--prompt", "water, vegetation"]
    assert main(["calibrate", *words, "--png", str(png), "--write", str(out), "-q"]) == 0
    assert png.read_bytes()[:4] == b"\x89PNG"
    assert not list(dlpk.validate(out))
    thresholds = dlpk.inspect(out).thresholds
    assert set(thresholds) == {"water", "vegetation"}
    found = dlpk.calibrate(package, scene, reference, prompt="water, vegetation")
    assert {name: round(value, 4) for name, value in found.thresholds.items()} == thresholds
    scores = {}
    for name, source, arguments in [
        ("plain", package, {}),
        ("calibrated", out, {}),
        ("changed", out, {"threshold": "0.9"}),
    ]:
        path = tmp_path / f"{name}.tif"
        dlpk.classify(source, scene, path, prompt="water, vegetation", arguments=arguments)
        classes = {"water": (1, 1), "vegetation": (2, 2)}
        result = evaluate_raster(path, reference, Options(classes=classes))
        scores[name] = [row["iou"] for row in result.per_class()[1:]]
    assert sum(scores["calibrated"]) > sum(scores["plain"])
    # Who changes the argument means it, calibrated or not.
    assert sum(scores["changed"]) < sum(scores["plain"])


def test_f_beta(corner: tuple[Path, Path, Path]) -> None:
    package, scene, reference = corner
    found = {}
    for beta in (None, 0.3, 3.0):
        result = calibrate(package, scene, reference, prompt="water", beta=beta)
        found[beta] = result.thresholds["water"]
        text = result.to_text()
        assert ("F-beta" in text) == (beta is not None)
        assert f"{result.curves[0].best_f_beta:.3f}" in text
    # Precision wants a high threshold, recall a low one.
    assert found[3.0] < found[None] < found[0.3]


def test_names_are_checked_before_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["calibrate", "gone.dlpk", "gone.tif", "--truth", "gone.geojson"]
    assert main([*words, "--write", str(tmp_path / "c.zip")]) == 1
    assert "does not end in .dlpk" in capsys.readouterr().err
    assert main([*words, "--png", str(tmp_path / "c.jpg")]) == 1
    assert "call it c.png" in capsys.readouterr().err
