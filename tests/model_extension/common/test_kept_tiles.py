"""What neighbouring blocks share: found again by content, in bounded memory."""

from __future__ import annotations

import pickle

import numpy as np
import torch

from model_extension.common.block_tiles import Block, Tiles
from model_extension.common.kept_tiles import KeptTiles
from model_extension.common.tiles import Place, grids

SIDE, TILE, PATCH = 96, 64, 16


def tiles(pixels: np.ndarray, valid: np.ndarray) -> Tiles:
    place = Place(0, 0, SIDE, SIDE)
    block = Block.cut(pixels, valid, place, 0)
    one = torch.ones(3, 1, 1)
    image = torch.from_numpy(pixels)
    return Tiles(block, grids(place, TILE, PATCH, 32, (1.0,))[0], image, image[0] > 0, one, one)


def test_contents_differ_where_anything_of_a_tile_does() -> None:
    pixels, valid = np.ones((3, SIDE, SIDE), np.uint8), np.ones((SIDE, SIDE), bool)
    first = tiles(pixels, valid).content((0, 0))
    assert tiles(pixels, valid).content((32, 32)) == first
    beyond, brighter, missing = pixels.copy(), pixels.copy(), valid.copy()
    beyond[:, TILE:] = 7
    brighter[1, 0, 0], missing[0, 0] = 2, False
    assert tiles(beyond, valid).content((0, 0)) == first
    assert tiles(brighter, valid).content((0, 0)) != first
    assert tiles(pixels, missing).content((0, 0)) != first


def test_contents_take_next_to_no_memory() -> None:
    pixels, valid = np.ones((3, SIDE, SIDE), np.uint8), np.ones((SIDE, SIDE), bool)
    assert len(pickle.dumps(tiles(pixels, valid).content((0, 0)))) < TILE * TILE / 16


def test_blocks_that_a_tile_reaches() -> None:
    """As many as a raster of such blocks has under the tile."""
    pixels, valid = np.ones((3, 400, 400), np.uint8), np.ones((400, 400), bool)
    for side in (20, 50, 100, 200):
        block = Block.cut(pixels, valid, Place(0, 0, 400, 400), 200 - side // 2)
        one, image = torch.ones(3, 1, 1), torch.from_numpy(pixels)
        grid = grids(Place(0, 0, 400, 400), TILE, PATCH, 32, (1.0,))[0]
        found = Tiles(block, grid, image, image[0] > 0, one, one)
        first = 200 - side // 2
        for start in found.starts():
            ends = [range(begin, begin + TILE) for begin in start]
            reached = [{(pixel - first) // side for pixel in end} | {0} for end in ends]
            assert found.others(start) == len(reached[0]) * len(reached[1]) - 1


def test_what_nobody_waits_for_goes_first() -> None:
    kept = KeptTiles(most_bytes=12, spare_bytes=8)
    for name, uses in (("once", 1), ("twice", 2), ("often", 9)):
        kept.keep(name, [torch.zeros(1)], uses)
    for name in ("once", "twice", "twice"):
        assert kept.get(name) is not None
    kept.keep("new", [torch.zeros(1)], 1)
    assert kept.bytes == 8
    found = {name: kept.get(name) is not None for name in ("once", "twice", "often", "new")}
    assert found == {"once": False, "twice": False, "often": True, "new": True}


def test_those_used_longest_ago_go_first() -> None:
    kept = KeptTiles(most_bytes=8)
    for name in ("a", "b"):
        kept.keep(name, [torch.zeros(1)])
    assert kept.get("a") is not None
    kept.keep("c", [torch.zeros(1)])
    assert [kept.get(name) is not None for name in "abc"] == [True, False, True]
    assert kept.bytes == 8
