"""What the page gives away: runs, their files, packages, and thresholds from spots."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal, ogr
from starlette.testclient import TestClient

import dlpk
from dlpk.studio.map.pyramid import Tile
from dlpk.studio.server import make_app
from dlpk.studio.studio import Studio
from tests.dlpk.studio.conftest import SCENE

ROWS = [{"text": "water", "threshold": 0.3}, {"text": "vegetation", "strength": 1.5}]
ARGUMENTS = {"text_prompt": "water:0.3, vegetation"}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "bay.tif"
    gdal.Translate(str(path), str(SCENE), srcWin=[300, 300, 200, 150])
    return path


@pytest.fixture(scope="module")
def small(mini: Path, scene: Path) -> Iterator[Studio]:
    with Studio(mini, [scene], device="cpu", say=lambda level, text: None) as studio:
        studio.agree()
        yield studio


@pytest.fixture(scope="module")
def client(small: Studio) -> TestClient:
    return TestClient(make_app(small), base_url="http://localhost")


@pytest.fixture(scope="module")
def runs(client: TestClient) -> list[str]:
    """Names of finished runs: classes, and their probabilities."""
    names = []
    for more in ({}, {"return_probability_raster": "True"}):
        request = {"arguments": {**ARGUMENTS, **more}}
        name = client.post("/api/rasters/0/runs", json=request).json()["run"]
        while (found := client.get(f"/api/runs/{name}").json())["state"] == "running":
            time.sleep(0.05)
        assert found["state"] == "done", found
        names.append(name)
    return names


def test_polygons_with_their_options(client: TestClient, runs: list[str], tmp_path: Path) -> None:
    areas = []
    for options in (
        {},
        {"minimum_area": 5000, "smoothing": 3, "format": "geojson", "probability": runs[1]},
    ):
        name = client.post(f"/api/runs/{runs[0]}/polygons", json=options).json()["file"]
        answer = client.get(f"/api/runs/{runs[0]}/polygons/{name}")
        assert 'filename="polygons.g' in answer.headers["content-disposition"]
        (tmp_path / name).write_bytes(answer.content)
        source = ogr.Open(str(tmp_path / name))
        features = [feature.items() for feature in source.GetLayer(0)]
        assert {feature["class"] for feature in features} == {"water", "vegetation"}
        areas.append(min(feature["area_m2"] for feature in features))
    assert areas[0] < 5000 <= areas[1]
    for smoothing in range(1, 6):  # old ones go
        client.post(f"/api/runs/{runs[0]}/polygons", json={"smoothing": smoothing})
    assert client.get(f"/api/runs/{runs[0]}/polygons/{name}").status_code == 404
    assert all(0.3 < feature["mean_prob"] <= 1 for feature in features)


@pytest.mark.parametrize(
    ("method", "path", "body", "message"),
    [
        ("GET", "/api/runs/{run}/polygons/classes.tif", None, "no polygons"),
        ("GET", "/api/runs/{run}/polygons/polygons-9-9.gpkg", None, "no polygons"),
        ("GET", "/api/runs/{run}/polygons/..%2Fclasses.tif", None, "no polygons"),
        ("POST", "/api/runs/0000/polygons", {}, "no such run"),
        ("POST", "/api/runs/{run}/polygons", {"probability": "0000"}, "no such run"),
        ("GET", "/api/packages/..", None, "is not there"),
        ("POST", "/api/runs/{run}/polygons", {"format": "shp"}, "not as 'shp'"),
        ("POST", "/api/runs/{run}/polygons", {"smoothing": 1000}, "from 0 to 100"),
        ("POST", "/api/runs/{run}/polygons", {"minimum_area": "x"}, "must be a number"),
        ("POST", "/api/rasters/0/package", {"rows": []}, "no prompt"),
        ("POST", "/api/rasters/0/package", {"rows": [{"text": "(water"}]}, "column"),
        ("POST", "/api/rasters/0/package", {"like": ["a=1,2,3,4"]}, "leave them out"),
        ("POST", "/api/rasters/0/spots", {"rows": ROWS, "spots": [[1, 2]]}, "must be a list"),
        ("POST", "/api/rasters/0/spots", {"rows": ROWS, "spots": []}, "mark 1 to"),
        ("POST", "/api/rasters/0/spots", {"rows": ROWS, "spots": [[1, 900, 1]]}, "outside"),
        ("POST", "/api/rasters/0/spots", {"rows": ROWS, "spots": [[1, 9, 3]]}, "no class 3"),
    ],
)
def test_what_cannot_be_had_is_said(
    client: TestClient, runs: list[str], method: str, path: str, body: Any, message: str
) -> None:
    answer = client.request(method, path.format(run=runs[0]), json=body)
    assert answer.status_code in (400, 404)
    no_such_path = f"Not Found: {method} "
    assert message in answer.json()["error"] or answer.json()["error"].startswith(no_such_path)


def test_a_package_has_prompts_thresholds_and_strengths_of_the_page(
    client: TestClient, tmp_path: Path, scene: Path, mini: Path
) -> None:
    rows = [*ROWS, {"text": "wet = water AND vegetation{:0.2}", "threshold": 0.6}]
    made = client.post("/api/rasters/0/package", json={"rows": rows}).json()
    answer = client.get(f"/api/packages/{made['package']}")
    assert 'filename="mini-tuned.dlpk"' in answer.headers["content-disposition"]
    new = tmp_path / "new.dlpk"
    new.write_bytes(answer.content)
    assert dlpk.validate(new).ok
    # Without any argument it does what the page has shown.
    prompt = "water:0.3, vegetation{*1.5}, wet = (water AND vegetation{:0.2}):0.6"
    for package, out, given in ((new, "a.tif", None), (mini, "b.tif", prompt)):
        dlpk.classify(package, scene, tmp_path / out, prompt=given, device="cpu")
    first, second = (gdal.Open(str(tmp_path / name)) for name in ("a.tif", "b.tif"))
    assert np.array_equal(first.ReadAsArray(), second.ReadAsArray())
    assert first.GetRasterBand(1).GetCategoryNames() == second.GetRasterBand(1).GetCategoryNames()


def test_thresholds_follow_spots(client: TestClient, small: Studio) -> None:
    values = small.bands(0, Tile(0, 0, 0), {"text_prompt": "water"}).result()[0, :150, :200]
    order = np.argsort(values, axis=None)
    places = [order[int(share * (order.size - 1))] for share in (0.1, 0.3, 0.7, 0.9)]
    spots = [[int(p % 200), int(p // 200), int(n >= 2)] for n, p in enumerate(places)]
    low, high = (float(values.ravel()[place]) for place in places[1:3])
    rows = [{"text": "water", "threshold": 0.999}]
    found = client.post("/api/rasters/0/spots", json={"rows": rows, "spots": spots}).json()
    (water,) = found["classes"]
    assert found["before"] == 2
    assert found["right"] == found["spots"] == 4
    assert found["wrong"] == []
    assert low < water["threshold"] < high
    # From there nothing changes any more.
    rows = [{"text": "water", "threshold": water["threshold"]}]
    again = client.post("/api/rasters/0/spots", json={"rows": rows, "spots": spots}).json()
    assert not again["classes"][0]["changed"]
