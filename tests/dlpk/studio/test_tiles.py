"""Tiles of the page against what `dlpk classify` writes."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal

import dlpk
from dlpk.studio.map.pyramid import TILE, Tile
from dlpk.studio.studio import Studio
from tests.dlpk.studio.conftest import SCENE

PROMPT = "water, trees|forest, fields = crops NOT water"


@pytest.fixture(scope="module")
def probabilities(mini: Path, part: Path, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """What a run writes, shape (phrases, rows, columns)."""
    out = tmp_path_factory.mktemp("run") / "probabilities.tif"
    dlpk.classify(
        mini,
        part,
        out,
        prompt="a = water, b = trees|forest, c = crops",
        arguments={"return_probability_raster": True},
    )
    return np.asarray(gdal.Open(str(out)).ReadAsArray())


def asked(studio: Studio, *tiles: Tile) -> list[Future[np.ndarray]]:
    return [studio.bands(1, tile, {"text_prompt": PROMPT}) for tile in tiles]


def test_tiles_are_the_pixels_of_a_run_in_whatever_order_and_company(
    studio: Studio, probabilities: np.ndarray
) -> None:
    # Neighbours that wait are computed together; it may not show.
    tiles = [Tile(0, column, row) for column, row in ((1, 1), (0, 0), (1, 0), (0, 1))]
    for tile, answer in zip(tiles, asked(studio, *tiles)):
        values = answer.result()
        wanted = probabilities[:, tile.top :, tile.left :][:, :TILE, :TILE]
        assert np.array_equal(values[:, : wanted.shape[1], : wanted.shape[2]], wanted)
        assert np.isnan(values[:, wanted.shape[1] :]).all()
        assert np.isnan(values[:, :, wanted.shape[2] :]).all()


def test_coarser_tiles_hold_every_second_pixel(studio: Studio, probabilities: np.ndarray) -> None:
    values = asked(studio, Tile(1, 0, 0))[0].result()
    wanted = probabilities[:, ::2, ::2]
    assert np.array_equal(values[:, : wanted.shape[1], : wanted.shape[2]], wanted)


def test_what_nobody_waits_for_is_not_computed(studio: Studio) -> None:
    arguments = {"text_prompt": "roads"}
    tiles = [Tile(0, column, row) for column in range(3) for row in range(3)]
    answers = {tile: studio.bands(0, tile, arguments) for tile in tiles}
    dropped = [tile for tile in tiles[4:] if answers[tile].cancel()]
    assert dropped
    for tile in set(tiles) - set(dropped):
        answers[tile].result()
    assert studio._worker is not None
    kept = {tile for key, tile in studio._worker._kept if key[0] == 0 and "roads" in str(key)}
    assert kept == set(tiles) - set(dropped)


def test_no_code_runs_before_somebody_agrees(mini: Path) -> None:
    with Studio(mini, [SCENE]) as fresh:
        assert not fresh.to_json()["agreed"]
        with pytest.raises(dlpk.DlpkError, match="before you agree"):
            fresh.bands(0, Tile(0, 0, 0), {"text_prompt": "water"})
