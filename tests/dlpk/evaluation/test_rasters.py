"""A prediction against truth: grids, NoData, names, polygons, regions, areas, reports."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal

from dlpk.cli.main import main
from dlpk.errors import TruthError
from dlpk.evaluation.rasters import Options, evaluate_raster
from dlpk.evaluation.reports.report_text import to_json, to_text
from tests.support.runs import boxes, make_raster

gdal.UseExceptions()


def scene(seed: int = 0, side: int = 40) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, 3, (side // 4, side // 4)).repeat(4, 0).repeat(4, 1)
    found = np.where(generator.random(truth.shape) < 0.8, truth, 0)
    return truth.astype(np.uint8), found.astype(np.uint8)


def test_nodata_of_either_does_not_count(tmp_path: Path) -> None:
    ours = make_raster(
        tmp_path / "a.tif", np.array([[1, 1, 2, 0], [1, 255, 2, 2]], np.uint8), nodata=255
    )
    theirs = make_raster(
        tmp_path / "b.tif", np.array([[7, 0, 2, 0], [7, 7, 2, 9]], np.uint8), nodata=9
    )
    classes = {"water": (1, 7), "trees": (2, 2)}
    result = evaluate_raster(ours, theirs, Options(classes=classes))
    np.testing.assert_array_equal(result.matrix, [[1, 1, 0], [0, 2, 0], [0, 0, 2]])
    water, trees = result.per_class()[1:]
    assert (water["iou"], water["precision"], water["recall"]) == (2 / 3, 2 / 3, 1)
    assert trees["iou"] == 1
    assert math.isnan(water["iou_low"])  # one block says nothing of others


def test_names_of_both_are_matched(tmp_path: Path) -> None:
    """Whatever values and order; what only one of them has is background for the other."""
    truth, found = scene()
    turned = np.array([0, 2, 1], np.uint8)[truth]
    turned[0, 0] = 3
    plain = make_raster(tmp_path / "a.tif", found, categories=["background", "Water", "trees"])
    named = make_raster(tmp_path / "b.tif", turned, categories=["", "trees", "water", "lava"])
    result = evaluate_raster(plain, named)
    assert result.names == ("Water", "trees")
    truth[0, 0] = 0
    both = ((truth == 1) & (found == 1)).sum()
    assert result.per_class()[1]["iou"] == both / ((truth == 1) | (found == 1)).sum()
    # Without names equal values mean the same.
    nameless = evaluate_raster(
        make_raster(tmp_path / "c.tif", found), make_raster(tmp_path / "d.tif", truth)
    )
    assert nameless.names == ("class 1", "class 2")
    np.testing.assert_array_equal(nameless.matrix, result.matrix)


def test_truth_with_other_pixels_elsewhere(tmp_path: Path) -> None:
    """Half the cell size, a larger extent, another coordinate system: the same agreement."""
    truth, found = scene()
    ours = make_raster(tmp_path / "ours.tif", found)
    plain = evaluate_raster(ours, make_raster(tmp_path / "plain.tif", truth))
    fine = np.pad(truth, 4).repeat(2, 0).repeat(2, 1)
    place = (500000 - 40, 5, 0, 4000000 + 40, 0, -5)
    finer = evaluate_raster(ours, make_raster(tmp_path / "fine.tif", fine, transform=place))
    np.testing.assert_array_equal(finer.matrix, 4 * plain.matrix)
    coarse = evaluate_raster(ours, tmp_path / "fine.tif", Options(grid="prediction"))
    np.testing.assert_array_equal(coarse.matrix, plain.matrix)
    gdal.Warp(
        str(tmp_path / "degrees.tif"),
        str(tmp_path / "plain.tif"),
        dstSRS="EPSG:4326",
        resampleAlg="near",
        dstNodata=255,
        xRes=2e-5,
        yRes=2e-5,
    )
    degrees = evaluate_raster(ours, tmp_path / "degrees.tif")
    expected = [row["iou"] for row in plain.per_class()]
    assert [row["iou"] for row in degrees.per_class()] == pytest.approx(expected, abs=0.02)
    hectares = [row["true_hectares"] for row in degrees.per_class()]
    assert hectares == pytest.approx((plain.matrix.sum(axis=1) / 100).tolist(), rel=0.03)


def test_polygons_and_regions(tmp_path: Path) -> None:
    found = np.zeros((10, 20), np.uint8)
    found[:, :4] = 1
    ours = make_raster(tmp_path / "a.tif", found, categories=["background", "water"])
    truth = boxes(tmp_path / "t.geojson", ("water", (0, 0, 4, 5)))
    districts = boxes(
        tmp_path / "d.geojson", ("north", (0, 0, 20, 5)), ("south", (0, 5, 20, 9)), name="{}ern"
    )
    result = evaluate_raster(ours, truth, Options(by="name", regions=districts))
    np.testing.assert_array_equal(result.matrix, [[160, 20], [0, 20]])
    rows = {row["region"]: row for row in result.per_region()}
    assert rows["northern"]["water"] == 1
    assert rows["southern"]["water"] == 0
    assert rows["southern"]["pixels"] == 80  # the last row lies in neither
    assert "IoU 1.000 in northern" in to_text(result)
    assert result.about["classes of the truth"] == "field class: water"
    assert result.about["outside of polygons"] == "background"
    away = boxes(tmp_path / "away.geojson", ("water", (400, 0, 404, 5)))
    nothing = evaluate_raster(ours, away)
    assert nothing.matrix[1].sum() == 0 and "no polygon of" in nothing.about["outside of polygons"]
    both = boxes(
        tmp_path / "b.geojson", ("N", (0, 0, 9, 9)), ("n", (9, 0, 20, 9)), ("", (0, 9, 20, 10)),
        name="{}",
    )  # fmt: skip
    rows = {
        row["region"]: row
        for row in evaluate_raster(ours, truth, Options(by="name", regions=both)).per_region()
    }
    assert {name: row["pixels"] for name, row in rows.items()} == {"(no name)": 20, "n": 180}
    unknown = evaluate_raster(ours, truth, Options(outside="unknown"))
    np.testing.assert_array_equal(unknown.matrix, [[0, 0], [0, 20]])


def test_probabilities(tmp_path: Path) -> None:
    truth = np.array([[1, 1, 2, 2, 0, 0]], np.uint8)
    values = np.array(
        [[[0.9, 0.4, 0.2, 0.6, 0.1, 0.7]], [[0.1, 0.3, 0.8, 0.5, 0.2, np.nan]]], np.float32
    )
    ours = make_raster(tmp_path / "p.tif", values, names=["water", "trees"])
    labels = make_raster(tmp_path / "t.tif", truth)
    result = evaluate_raster(ours, labels, Options(threshold=0.35))
    # Not known where a band is NaN.
    np.testing.assert_array_equal(result.matrix, [[1, 0, 0], [0, 2, 0], [0, 1, 1]])
    water = result.per_class()[1]
    assert water["ap"] == pytest.approx((1 + 2 / 3) / 2)
    assert water["best_iou_alone"] == pytest.approx(2 / 3)
    assert result.per_class()[2]["ap"] == pytest.approx(1)


def test_blocks_with_boundaries_are_as_the_whole(tmp_path: Path) -> None:
    truth, found = scene(3, 64)
    ours, theirs = make_raster(tmp_path / "a.tif", found), make_raster(tmp_path / "b.tif", truth)
    whole = evaluate_raster(ours, theirs, Options(boundary=(1, 2), block=64))
    parts = evaluate_raster(ours, theirs, Options(boundary=(1, 2), block=20))
    assert len(parts.samples) == 16
    np.testing.assert_array_equal(parts.matrix, whole.matrix)
    for within in (1, 2):
        np.testing.assert_array_equal(parts.outlines[within], whole.outlines[within])
    row = parts.per_class()[1]
    assert row["iou_low"] < row["iou"] < row["iou_high"]


def test_values_under_the_names_of_others(tmp_path: Path) -> None:
    """A slip in --classes that exchanges rows is not compared; another name for a class is."""
    found = np.array([[[1, 2], [1, 2]]], np.uint8)
    ours = make_raster(tmp_path / "a.tif", found, categories=["", "water", "trees"])
    with pytest.raises(TruthError, match=r"says water=2, and in .*a\.tif water is 1"):
        evaluate_raster(ours, ours, Options(classes={"water": (2, 2), "trees": (1, 1)}))
    result = evaluate_raster(ours, ours, Options(classes={"lakes": (1, 1), "trees": (2, 2)}))
    assert result.summary()["miou_without_background"] == 1


def test_what_does_not_fit_is_said(tmp_path: Path) -> None:
    truth, found = scene()
    ours = make_raster(tmp_path / "a.tif", found, categories=["", "water", "trees"])
    with pytest.raises(TruthError, match=r"40 by 40 .* compared with 8 by 8.*same size"):
        evaluate_raster(ours, make_raster(tmp_path / "s.tif", truth[:8, :8], transform=None))
    far = (900000.0, 10.0, 0.0, 4000000.0, 0.0, -10.0)
    with pytest.raises(TruthError, match="no pixel in common"):
        evaluate_raster(ours, make_raster(tmp_path / "f.tif", truth, transform=far))
    with pytest.raises(TruthError, match=r"none of the classes water, trees; they name: lava"):
        evaluate_raster(ours, boxes(tmp_path / "l.geojson", ("lava", (0, 0, 2, 2))))
    with pytest.raises(TruthError, match="--classes water=1"):
        evaluate_raster(
            make_raster(tmp_path / "n.tif", found),
            boxes(tmp_path / "w.geojson", ("w", (0, 0, 2, 2))),
        )
    with pytest.raises(TruthError, match="grid is 'mine'"):
        evaluate_raster(ours, ours, Options(grid="mine"))
    with pytest.raises(TruthError, match=r"a\.tif holds classes, not probabilities"):
        evaluate_raster(ours, ours, Options(threshold=0.4))
    with pytest.raises(TruthError, match=r"a\.tif is a raster: it has no field kind"):
        evaluate_raster(ours, ours, Options(field="kind"))
    for options, message in (
        ({"threshold": 7}, "threshold is 7"),
        ({"block": 0}, "at least 1"),
        ({"boundary": [51]}, "from 0 to 50"),
    ):
        with pytest.raises(TruthError, match=message):
            Options(**options)


def test_command_and_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth, found = scene()
    ours = make_raster(tmp_path / "a.tif", found)
    theirs = make_raster(tmp_path / "b.tif", truth)
    reports = [tmp_path / f"r.{form}" for form in ("html", "json", "csv")]
    words = ["evaluate", str(ours), str(theirs), "--classes", "water=1,<b>=2", "-q"]
    more = [word for report in reports for word in ("--report", str(report))]
    assert main([*words, "--block", "16", "--image", str(ours), "--boundary", "1", *more]) == 0
    said = capsys.readouterr().out
    assert "mean IoU with background" in said
    html, text = reports[0].read_text("utf-8"), reports[1].read_text("utf-8")
    assert html.count("<img") >= 3 * 4
    assert "<b>" not in html
    assert not any(word in html for word in ("http://", "https://", "<script", 'src="/'))
    document = json.loads(text)
    rows = list(csv.DictReader(reports[2].read_text("utf-8").splitlines()))
    assert [row["class"] for row in rows] == ["background", "water", "<b>"]
    assert float(rows[1]["iou"]) == document["classes"][1]["iou"]
    assert (
        np.sum([s["confusion"] for s in document["samples"]], axis=0).tolist()
        == (document["confusion"]["pixels"])
    )
    assert main([*words, "--report", str(tmp_path / "r.pdf")]) == 1
    assert "must end in .json, .csv, .html" in capsys.readouterr().err
    assert main([*words[:3], "--classes", "water"]) == 2
    assert "neither like water=1" in capsys.readouterr().err


def test_json_has_no_nan(tmp_path: Path) -> None:
    ours = make_raster(tmp_path / "a.tif", np.ones((4, 4), np.uint8))
    text = to_json(evaluate_raster(ours, ours, Options(classes={"a": (1, 1), "b": (2, 2)})))
    assert "NaN" not in text
    assert json.loads(text)["classes"][2]["iou"] is None
