"""A run on a cluster gives what one machine gives, whatever the number of workers and the order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dlpk
from tests.support.clusters import cluster, everything, scene
from tests.support.runs import make_package


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with cluster(3) as connected:
        yield connected


@pytest.mark.parametrize("output", ["classes", "chances", "stretched"])
@pytest.mark.parametrize("seconds", [0.001, 0.05, 60.0])
def test_the_same_bytes(tmp_path: Path, client: Any, output: str, seconds: float) -> None:
    raster = scene(tmp_path / "scene.tif", np.uint16 if output == "stretched" else np.uint8)
    options: dict[str, Any] = {"arguments": {"output": output}, "cog": output == "classes"}
    (tmp_path / "one").mkdir()
    (tmp_path / "many").mkdir()
    with dlpk.open(make_package(tmp_path / "P", "Steady"), device="cpu") as model:
        one = model.classify(raster, tmp_path / "one" / "r.tif", **options)
        options.update(client=client, range_seconds=seconds)
        many = model.classify(raster, tmp_path / "many" / "r.tif", **options)
    assert everything(many.path) == everything(one.path)
    assert (many.counts, many.legend, many.failed) == (one.counts, one.legend, ())
    names = {path.name for path in (tmp_path / "many").iterdir()}
    assert names == {path.name for path in (tmp_path / "one").iterdir()}
