"""Detectors are run block by block, and what they find lies where it is on the map."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from osgeo import ogr

from dlpk.cli.main import main
from dlpk.detection.detect import detect
from dlpk.detection.overlap import without_duplicates
from dlpk.errors import DlpkError
from dlpk.testing.behaviour import check_run
from tests.support.runs import FUNCTIONS, make_package, make_raster

# Top, left, bottom, right: inside a block, on the border of two, and in a corner of the raster.
SPOTS = [(4, 5, 9, 12), (28, 40, 36, 44), (62, 75, 70, 80)]
DETECTOR = {"ModelType": "ObjectDetection", "Classes": [{"Value": 1, "Name": "roof"}]}


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    pixels = np.full((3, 70, 80), 50, "u1")
    for number, (top, left, bottom, right) in enumerate(SPOTS):
        pixels[:, top:bottom, left:right] = 255 - 5 * number
    return make_raster(tmp_path / "scene.tif", pixels)


def spots(folder: Path, *changes: tuple[str, str], **emd: Any) -> Path:
    text = (FUNCTIONS / "Spots.py").read_text()
    for mark, line in changes:
        (old,) = [row for row in text.splitlines() if row.endswith(f"# {mark}")]
        indent = old[: len(old) - len(old.lstrip())]
        text = text.replace(old, "\n".join(indent + part for part in line.split("\n")))
    return make_package(folder, "Spots", text=text, emd={**DETECTOR, **emd})


def boxes(path: Path) -> list[tuple[tuple[float, ...], str, float]]:
    source = ogr.Open(str(path))
    return sorted(
        (
            shapely.from_wkb(bytes(feature.GetGeometryRef().ExportToWkb())).bounds,
            feature["Class"],
            round(feature["Confidence"], 3),
        )
        for feature in source.GetLayer(0)
    )


def on_the_map(top: int, left: int, bottom: int, right: int) -> tuple[float, ...]:
    corner = 500000 + 10 * left, 4000000 - 10 * bottom
    return (*corner, 500000 + 10 * right, 4000000 - 10 * top)


EXPECTED = sorted(
    (on_the_map(*spot), "roof", round((255 - 5 * number) / 255, 3))
    for number, spot in enumerate(SPOTS)
)


@pytest.mark.parametrize("name", ["out.gpkg", "out.geojson"])
def test_every_object_once_where_it_is(
    tmp_path: Path, scene: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    package = spots(tmp_path / "Spots")
    assert main(["detect", str(package), str(scene), str(tmp_path / name)]) == 0
    assert boxes(tmp_path / name) == EXPECTED
    assert capsys.readouterr().out.splitlines() == [
        f"{tmp_path / name}: 3 features",
        "  roof: 3",
    ]
    source = ogr.Open(str(tmp_path / name))  # closes what it has when it goes
    assert source.GetLayer(0).GetSpatialRef().GetAuthorityCode(None) == "32618"


def test_duplicates(tmp_path: Path, scene: Path) -> None:
    package = spots(tmp_path / "Spots")
    options: dict[str, Any] = {"arguments": {"exclude_pad_detections": "False"}}
    everything = detect(package, scene, tmp_path / "all.gpkg", **options)
    assert (everything.features, everything.removed) == (5, 0)  # the middle one by two, cut by two
    some = detect(package, scene, tmp_path / "some.gpkg", max_overlap_ratio=0.0, **options)
    assert (some.features, some.removed) == (3, 2)
    assert boxes(tmp_path / "some.gpkg")[0] == EXPECTED[0]


def test_part_of_the_raster(tmp_path: Path, scene: Path) -> None:
    found = detect(
        spots(tmp_path / "Spots"),
        scene,
        tmp_path / "out.gpkg",
        extent=(500200.0, 3999400.0, 500600.0, 3999900.0),
        arguments={"threshold": "150,5"},
    )
    assert found.counts == {"roof": 1}
    assert boxes(tmp_path / "out.gpkg") == [EXPECTED[1]]


@pytest.mark.parametrize(
    ("mark", "line", "words"),
    [
        ("RETURN", "return None", "method returned nothing.*has to return a dictionary"),
        ("RETURN", "return {}", "method returned nothing.*no 'output_vectors'"),
        ("RETURN", "return features", "expected a dictionary with 'output_vectors'"),
        ("RETURN", "return {'output_vectors': features}", "expected a feature set as JSON text"),
        ("RETURN", "return {'output_vectors': '{'}", "expected a feature set as JSON text"),
        ("FEATURES", "features[0:1] = [3]", "expected polygons in pixels"),
        (
            "FEATURES",
            "features[:] = [{'geometry': {'rings': [[[0, 0], [1, float('nan')], [2, 2]]]}}]",
            "polygons in pixels of the block .* as feature 0",
        ),
        ("FEATURES", "features[:] = [{'geometry': {'x': 1, 'y': 2}}]", "expected polygons"),
        ("FEATURES", "for f in features: f['attributes']['Confidence'] = 'high'", "'high' for the"),
        ("FEATURES", "raise RuntimeError('out of memory')", "vectorize failed: RuntimeError"),
        ("GEOMETRY", "return 'polygon'", "getGeometryType returned str 'polygon', expected 1"),
        ("THRESHOLD", "self.threshold = scalars['threshold']", "arguments are handed over as text"),
    ],
)
def test_bad_answers(tmp_path: Path, scene: Path, mark: str, line: str, words: str) -> None:
    package = spots(tmp_path / "Spots", (mark, line))
    with pytest.raises(DlpkError, match=f"(?s){words}"):
        detect(package, scene, tmp_path / "out.gpkg")
    assert not (tmp_path / "out.gpkg").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"Spots", "scene.tif"}


def test_points(tmp_path: Path, scene: Path) -> None:
    line = "for f in features: f['geometry'] = dict(zip('xy', f['geometry']['rings'][0][0]))"
    package = spots(tmp_path / "Spots", ("GEOMETRY", "return 1"), ("FEATURES", line))
    detect(package, scene, tmp_path / "out.geojson")
    found = json.loads((tmp_path / "out.geojson").read_text())["features"]
    places = sorted(tuple(feature["geometry"]["coordinates"]) for feature in found)
    assert places == sorted((500000 + 10 * left, 4000000 - 10 * top) for top, left, *_ in SPOTS)


def test_other_tools(tmp_path: Path, scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    classifier = spots(tmp_path / "C", ModelType="ImageClassification")
    assert main(["detect", str(classifier), str(scene), str(tmp_path / "out.gpkg")]) == 1
    said = capsys.readouterr().err
    assert "003569" in said
    assert "for Classify Pixels Using Deep Learning: dlpk classify" in said
    detector = spots(tmp_path / "D")
    assert main(["classify", str(detector), str(scene), str(tmp_path / "out.tif")]) == 1
    assert "for Detect Objects Using Deep Learning: dlpk detect" in capsys.readouterr().err
    for kind, tool in (("ObjectDetection", "Detect"), ("ObjectClassification", "Classify")):
        package = spots(tmp_path / kind, ModelType=kind)
        assert main(["classify", str(package), "--phase", "validation"]) == 0
        said = capsys.readouterr().out
        assert said.startswith(f"The dialog of {tool} Objects Using Deep Learning opens")
        assert "threshold" in said


def test_the_less_confident_of_two_goes() -> None:
    shapes = [shapely.box(0, 0, 10, 10), shapely.box(1, 0, 11, 10), shapely.box(5, 0, 15, 10)]
    same = [1, 1, 1]
    assert without_duplicates(shapes, [0.9, 0.8, 0.7], same, 0.0) == [0]
    assert without_duplicates(shapes, [0.7, 0.8, 0.9], same, 0.5) == [1, 2]
    # Within a class first: what another class would have removed is gone by then.
    assert without_duplicates(shapes, [0.8, 0.9, 0.7], [1, 2, 1], 0.3) == [1]
    assert without_duplicates([], [], [], 0.5) == []


@pytest.mark.parametrize(
    ("rule", "mark", "line"),
    [
        ("", "FEATURES", "pass"),
        ("run/start-fails", "GEOMETRY", "return 'polygon'"),
        ("run/block-fails", "RETURN", "return None"),
        ("run/edge-block-fails", "FEATURES", "assert mask.mean() > 0.5"),
        ("run/arguments-as-text", "THRESHOLD", "self.threshold = scalars['threshold']"),
    ],
)
def test_judged_by_running(tmp_path: Path, rule: str, mark: str, line: str) -> None:
    report = check_run(spots(tmp_path / "P", (mark, line)), device="cpu")
    found = {finding.rule for finding in report} - {"run/dialog-cost"}
    assert found == ({rule} if rule else set()), report.to_text()
