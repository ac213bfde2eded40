"""The HTTP API: what it promises, and whatever else it is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from dlpk.errors import DlpkError
from dlpk.studio.access import MOST_BODY, Access
from dlpk.studio.server import make_app
from dlpk.studio.studio import Studio
from tests.dlpk.studio.conftest import SCENE
from tests.support.runs import make_raster

PLAN = "/api/rasters/1/plan"


@pytest.fixture(scope="module")
def client(studio: Studio) -> Iterator[TestClient]:
    with TestClient(make_app(studio), base_url="http://127.0.0.1:8765") as made:
        yield made


def test_every_endpoint_is_described(client: TestClient, studio: Studio) -> None:
    described = client.get("/api/openapi.json").json()
    endpoints = make_app(studio).state.endpoints
    assert len(described["paths"]) == len(endpoints)
    page = client.get("/api/docs").text
    for path, methods in described["paths"].items():
        assert path in page
        for operation in methods.values():
            assert operation["summary"].endswith(".") or ":" in operation["summary"]
            named = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
            assert named == {part.split("}")[0] for part in path.split("{")[1:]}


def test_only_named_rasters_are_reachable(client: TestClient) -> None:
    assert len(client.get("/api/state").json()["rasters"]) == 2
    for path in (
        "/api/rasters/2/scene/0/0/0",
        "/api/rasters/9999999999/scene/0/0/0",
        "/api/rasters/1/scene/99999999/0/0",
        "/api/rasters/1/scene/0/2/0",
        "/static/../api.py",
        "/static/%2e%2e/api.py",
        "/api/runs/../../etc/passwd",
        f"/api/rasters/1/scene/{'9' * 5000}/0/0",
    ):
        answer = client.get(path)
        assert 400 <= answer.status_code < 500, path


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"host": "localhost:8765"}, 200),
        ({"host": "[::1]:8765"}, 200),
        ({"host": "evil.example:8765"}, 403),  # a name that is bound anew to 127.0.0.1
        ({"host": "127.0.0.1.evil.example"}, 403),
        ({"host": ""}, 403),
        ({"origin": "http://127.0.0.1:8765"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403),  # another server on this machine
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"content-length": str(MOST_BODY + 1)}, 413),
    ],
)
def test_other_pages_are_refused(client: TestClient, headers: dict[str, str], status: int) -> None:
    assert client.get("/api/state", headers=headers).status_code == status


def test_elsewhere_than_here_a_token_is_asked_for(studio: Studio) -> None:
    access = Access(("example.org",), token="secret")
    with TestClient(make_app(studio, access), base_url="http://example.org") as client:
        assert client.get("/api/state").status_code == 401
        assert client.get("/static/main.js").status_code == 401
        assert client.get("/api/state?token=wrong").status_code == 401
        assert client.get("/api/state?token=secret").status_code == 200
        bearer = {"Authorization": "Bearer secret"}
        assert client.get("/api/state", headers=bearer).status_code == 200
        assert client.get("/?token=secret").status_code == 200  # from now on as a cookie
        assert client.get("/api/state").status_code == 200


def test_what_does_not_fit_is_said_at_the_start(mini: Path, tmp_path: Path) -> None:
    with pytest.raises(DlpkError, match="has 2 bands"):
        Studio(mini, [make_raster(tmp_path / "two.tif", (2, 40, 40))])
    with pytest.raises(DlpkError, match="device is 'foo'"):
        Studio(mini, [SCENE], device="foo")


def test_nothing_runs_before_somebody_agrees(mini: Path) -> None:
    with Studio(mini, [SCENE]) as fresh, TestClient(make_app(fresh)) as client:
        client.base_url = "http://127.0.0.1"  # type: ignore[assignment]
        assert client.get("/api/rasters/0/scene/2/0/0").status_code == 200
        for path in ("bands/0/0/0", "classes/0/0/0"):
            answer = client.get(f"/api/rasters/0/{path}?text_prompt=water")
            assert answer.status_code == 403
            assert "agree" in answer.json()["error"]
        run = client.post("/api/rasters/0/runs", json={"arguments": {"text_prompt": "water"}})
        assert run.status_code == 403


def test_bodies_without_a_length_are_limited_too(client: TestClient) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(MOST_BODY // 1000 + 10):
            yield b" " * 1000

    assert client.post(PLAN, content=endless()).status_code == 400


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=6,
)
ROW = st.fixed_dictionaries(
    {"text": st.text(alphabet='water roof AND|NOT,:.5{}*+-m()="@%é☂', max_size=30)},
    optional={"threshold": st.floats() | st.none(), "strength": st.floats(0, 200) | st.none()},
)
NAMES = st.sampled_from(
    ["text_prompt", "threshold", "padding", "tile_size", "scales", "background_prompt", "nonsense"]
)
ARGUMENTS = st.dictionaries(NAMES, ANY_JSON | st.sampled_from(["0.5", "1,2", "-1"]), max_size=3)
BODY = st.fixed_dictionaries(
    {"rows": st.lists(ROW, max_size=3)},
    optional={"arguments": ARGUMENTS, "like": st.lists(st.text(max_size=30), max_size=2)},
)


@settings(max_examples=120)
@given(BODY | ANY_JSON)
def test_no_plan_is_an_accident(client: TestClient, body: Any) -> None:
    answer = client.post(
        PLAN, content=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code < 500
    found = answer.json()
    assert "classes" in found or found.get("error") or found["mistake"]["error"]


@settings(max_examples=40)
@given(
    st.sampled_from(["bands", "classes", "scene"]),
    st.tuples(st.integers(-1, 4), st.integers(-1, 3), st.integers(-1, 3)),
    st.dictionaries(NAMES, st.text(max_size=12) | st.sampled_from(["0.5", "1", "9"]), max_size=2),
)
def test_no_tile_is_an_accident(
    client: TestClient, kind: str, place: tuple[int, int, int], query: dict[str, str]
) -> None:
    path = "/".join(map(str, place))
    answer = client.get(f"/api/rasters/1/{kind}/{path}", params=query)
    assert answer.status_code < 500
    if answer.status_code == 400:
        assert answer.json()["error"]
