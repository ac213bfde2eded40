"""Many scenes: one that fails stops no other, and a second run does what is missing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import dlpk
from dlpk.classification.cluster import scenes as whole
from dlpk.errors import DlpkError
from tests.support.clusters import cluster, everything
from tests.support.runs import make_package, make_raster


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with cluster(2) as connected:
        yield connected


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with scenes, one of which is no raster, and one too many bands short."""
    for number in range(4):
        make_raster(tmp_path / f"s{number}.tif", (3, 60 + number, 70))
    (tmp_path / "s4.tif").write_text("no raster")
    (tmp_path / "out").mkdir()
    return tmp_path


def manifest(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("way", ["here", "whole", "ranges"])
def test_a_failed_scene_stops_no_other(
    place: Path, client: Any, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "ranges":
        monkeypatch.setattr(whole, "LARGE", 0)
    options = {} if way == "here" else {"client": client}
    names = [place / f"s{number}.tif" for number in (4, 0, 1, 2, 3)]
    done: list[str] = []
    with dlpk.open(make_package(place / "P", "Steady"), device="cpu") as model:

        def run() -> None:
            for result in model.classify_each(names, place / "out", **options):
                done.append(result.path.name)

        with pytest.raises(DlpkError, match=r"s4\.tif"):
            run()
        assert sorted(done) == ["s0.tif", "s1.tif", "s2.tif", "s3.tif"]
        lines = {line["result"]: line for line in manifest(place / "out")}
        assert {name: line["state"] for name, line in lines.items()} == {
            **dict.fromkeys(done, "done"),
            "s4.tif": "failed",
        }
        assert "s4.tif" in lines["s4.tif"]["error"]
        assert lines["s1.tif"]["pixels"] == 61 * 70
        values = lines["s1.tif"]["values"]
        assert {*values[0]} == {"value", "class", "pixels"}
        assert sum(value["pixels"] for value in values) == 61 * 70
        # Only what is missing, has changed or failed.
        (place / "out" / "s2.tif").unlink()
        make_raster(place / "s1.tif", (3, 20, 20))
        shutil.copy(place / "s0.tif", place / "s4.tif")
        done.clear()
        run()
        assert sorted(done) == ["s1.tif", "s2.tif", "s4.tif"]
        model.classify(place / "s3.tif", place / "alone.tif")
    alone, among = everything(place / "alone.tif"), everything(place / "out" / "s3.tif")
    assert list(alone.values()) == list(among.values())
    assert not [path for path in (place / "out").iterdir() if path.name.startswith(".")]
    with dlpk.open(place / "P", device="cpu") as model:  # other arguments: all of them
        results = model.classify_each(names, place / "out", arguments={"output": "chances"})
        assert len(list(results)) == 5
