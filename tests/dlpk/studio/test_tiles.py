"""Tiles of the page against what `dlpk classify` writes."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal

import dlpk
from dlpk.studio.pyramid import TILE, Tile
from dlpk.studio.studio import Studio
from tests.dlpk.studio.conftest import SCENE

PROMPT = "water, trees|forest, fields = crops NOT water"


@pytest.fixture(scope="module")
def probabilities(mini: Path, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """What a run writes, shape (phrases, rows, columns)."""
    out = tmp_path_factory.mktemp("run") / "probabilities.tif"
    dlpk.classify(
        mini,
        SCENE,
        out,
        prompt="a = water, b = trees|forest, c = crops",
        arguments={"return_probability_raster": True},
    )
    return np.asarray(gdal.Open(str(out)).ReadAsArray())


def asked(studio: Studio, *tiles: Tile) -> list[Future[np.ndarray]]:
    return [studio.bands(0, tile, {"text_prompt": PROMPT}) for tile in tiles]


def test_tiles_are_the_pixels_of_a_run_in_whatever_order_and_company(
    studio: Studio, probabilities: np.ndarray
) -> None:
    # Neighbours are computed together, others alone; none may show it.
    tiles = [Tile(0, column, row) for column, row in ((3, 3), (1, 1), (2, 1), (1, 2), (2, 2))]
    for tile, answer in zip(tiles, asked(studio, *tiles)):
        values = answer.result()
        wanted = probabilities[:, tile.top :, tile.left :][:, :TILE, :TILE]
        assert np.array_equal(values[:, : wanted.shape[1], : wanted.shape[2]], wanted)
        assert np.isnan(values[:, wanted.shape[1] :]).all()
        assert np.isnan(values[:, :, wanted.shape[2] :]).all()


def test_coarser_tiles_hold_every_second_or_fourth_pixel(
    studio: Studio, probabilities: np.ndarray
) -> None:
    for level in (1, 2):
        tile = Tile(level, 0, 0)
        values = asked(studio, tile)[0].result()
        wanted = probabilities[:, : tile.side : 1 << level, : tile.side : 1 << level]
        assert np.array_equal(values[:, : wanted.shape[1], : wanted.shape[2]], wanted)


def test_what_nobody_waits_for_is_not_computed(studio: Studio) -> None:
    arguments = {"text_prompt": "roads"}
    tiles = [Tile(0, column, row) for column in range(3) for row in range(3)]
    answers = [studio.bands(0, tile, arguments) for tile in tiles]
    dropped = [answer for answer in answers[1:] if answer.cancel()]
    assert dropped
    assert answers[0].result().shape == (1, TILE, TILE)
    worker = studio._worker
    assert worker is not None
    again = studio.bands(0, tiles[answers.index(dropped[-1])], arguments)
    assert not again.done() or again.result() is not None
    again.result()


def test_no_code_runs_before_somebody_agrees(mini: Path) -> None:
    with Studio(mini, [SCENE]) as fresh:
        assert not fresh.to_json()["agreed"]
        with pytest.raises(dlpk.DlpkError, match="before you agree"):
            fresh.bands(0, Tile(0, 0, 0), {"text_prompt": "water"})
