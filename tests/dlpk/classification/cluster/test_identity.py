"""A run on a cluster gives what one machine gives, whatever the number of workers and the order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal

import dlpk
from tests.support.clusters import cluster, everything, scene
from tests.support.runs import make_package

SCENE = Path(__file__).parents[4] / "demo" / "scene.tif"


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


def test_a_network(tmp_path: Path, client: Any, mini: Path) -> None:
    """16 bits stretched, an example from the raster, growth in metres, a band per prompt."""
    strip, arguments = tmp_path / "strip.tif", {"return_probability_raster": "1", "padding": "0"}
    gdal.Translate(str(strip), str(SCENE), srcWin=[0, 560, 960, 110], width=2304, height=64)
    left, _, _, top, _, down = gdal.Open(str(strip)).GetGeoTransform()
    sea = f"sea={left + 8500},{top + 50 * down},{left + 9000},{top + 20 * down}"
    options: dict[str, Any] = {"prompt": "vegetation{+20m}", "like": [sea], "arguments": arguments}
    folders = [tmp_path / "one", tmp_path / "many"]
    results = []
    with dlpk.open(mini, device="cpu") as model:
        for folder, more in zip(folders, ({}, {"client": client})):
            folder.mkdir()
            results.append(model.classify(strip, folder / "r.tif", **options, **more))
    one, many = (gdal.Open(str(result.path)) for result in results)
    assert one.RasterCount == 2
    assert np.array_equal(one.ReadAsArray(), many.ReadAsArray(), equal_nan=True)
    descriptions = [[ds.GetRasterBand(n).GetDescription() for n in (1, 2)] for ds in (one, many)]
    assert descriptions[0] == descriptions[1] == ["vegetation", "sea"]
    tags = [ds.GetMetadata() for ds in (one, many)]
    # The example is a file beside each result.
    assert {key for key in tags[0] if tags[0][key] != tags[1][key]} == {"DLPK_ARGUMENTS"}
