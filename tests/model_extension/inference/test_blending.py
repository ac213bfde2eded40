"""Tiles that overlap, and blocks that are made of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from model_extension.clipseg.inference.segmenter import Segmenter
from model_extension.clipseg.language.plan import Concept
from model_extension.clipseg.network.network import CLIPSeg
from model_extension.common.tiles import padded_side, tile_grid, window
from tests.support import random_package
from tests.support.random_package import write_package

one_thread = random_package.one_thread
SIZES = st.integers(1, 90).flatmap(
    lambda size: st.tuples(st.just(size), st.integers(0, (size - 1) // 2))
)

# --- the window --------------------------------------------------------------------------------


@given(SIZES)
@example((352, 88))
@example((352, 0))
@example((352, 175))
@example((512, 100))
@settings(max_examples=150, deadline=None)
def test_weights_of_all_tiles_add_up_to_one(sizes: tuple[int, int]) -> None:
    size, padding = sizes
    weights = np.array(window(size, padding))
    assert weights.shape == (size,)
    assert weights.min() > 0 and weights.max() <= 1
    assert np.allclose(weights, weights[::-1], atol=1e-12)
    step = size - 2 * padding
    number = 2 * (size // step) + 3
    total = np.zeros(size + step * (number - 1))
    for tile in range(number):
        total[tile * step : tile * step + size] += weights
    # Away from the ends every pixel has all its tiles.
    inside = total[size - step : len(total) - (size - step)]
    assert len(inside) > 0
    assert np.abs(inside - 1).max() < 1e-12


def test_the_window_is_half_of_a_hann_window_on_each_side() -> None:
    weights = window(352, 88)
    ramp = np.sin(np.pi * (np.arange(176) + 0.5) / 352) ** 2
    assert np.allclose(weights[:176], ramp)
    assert window(8, 0) == [1.0] * 8
    assert window(8, 1)[2:6] == [1.0] * 4


# --- blocks ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Segmenter:
    definition = write_package(tmp_path_factory.mktemp("blending") / "package")
    segmenter = Segmenter(definition, torch.device("cpu"), torch.float64, warn=pytest.fail)
    segmenter.look_for([Concept(("a",)), Concept(("b",))])
    return segmenter


def noise(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (3, rows, columns), np.uint8)


def probabilities(
    segmenter: Segmenter,
    pixels: np.ndarray,
    valid: np.ndarray | None = None,
    *,
    size: int = 16,
    padding: int = 4,
    batch: int = 4,
    views: tuple[int, ...] = (0,),
) -> np.ndarray:
    valid = np.ones(pixels.shape[1:], bool) if valid is None else valid
    found = segmenter.probabilities(
        pixels, valid, tile_size=size, padding=padding, batch_size=batch, views=views
    )
    return found.numpy()


class Constant:
    """A network that finds the same everywhere, and counts the tiles it is shown."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tiles: list[int] = []
        # On the class: undone, a patch of an object would hide later patches of its class.
        monkeypatch.setattr(CLIPSeg, "encode", lambda network, pixels: self.encode(pixels))
        monkeypatch.setattr(CLIPSeg, "decode", lambda network, *given: self.decode(*given))

    def encode(self, pixels: Tensor) -> list[Tensor]:
        self.tiles.append(len(pixels))
        return [pixels]

    def decode(self, activations: list[Tensor], embeddings: Tensor, grid: Any) -> Tensor:
        images, _, height, width = activations[0].shape
        levels = torch.linspace(-1, 1, len(embeddings), dtype=torch.float64)
        return levels.view(1, -1, 1, 1).expand(images, -1, height, width)


@given(
    st.integers(1, 50),
    st.integers(1, 50),
    st.integers(1, 4).map(lambda patches: 8 * patches),
    st.integers(0, 15),
)
@settings(max_examples=60, deadline=None)
def test_what_is_the_same_everywhere_stays_so(
    segmenter: Segmenter, rows: int, columns: int, size: int, padding: int
) -> None:
    padding = min(padding, (size - 1) // 2)
    with pytest.MonkeyPatch.context() as patch:
        Constant(patch)
        pixels = noise(rows + 2 * padding, columns + 2 * padding)
        found = probabilities(segmenter, pixels, size=size, padding=padding)
    assert found.shape == (2, rows, columns)
    expected = 1 / (1 + np.exp([1, -1]))
    assert np.abs(found - expected[:, None, None]).max() < 1e-9


@pytest.mark.parametrize("padding", [0, 1, 4, 7])
@pytest.mark.parametrize("size", [16, 24])
@pytest.mark.parametrize("rows_columns", [(1, 1), (8, 17), (40, 33)])
def test_blending_is_the_weighted_mean(
    segmenter: Segmenter, rows_columns: tuple[int, int], size: int, padding: int
) -> None:
    rows, columns = rows_columns
    pixels = noise(rows + 2 * padding, columns + 2 * padding)
    found = probabilities(segmenter, pixels, size=size, padding=padding)
    height, width = (padded_side(side, size, padding) for side in (rows, columns))
    weights = np.outer(window(size, padding), window(size, padding))
    mean = np.array([0.485, 0.456, 0.406]).reshape(3, 1, 1)
    std = np.array([0.229, 0.224, 0.225]).reshape(3, 1, 1)
    image = np.zeros((3, height, width))  # what lies beyond the block is of the mean colour
    image[:, : pixels.shape[1], : pixels.shape[2]] = (pixels / 255 - mean) / std
    total, share = np.zeros((2, height, width)), np.zeros((height, width))
    for row, column in tile_grid(rows, columns, size, padding):
        place = np.s_[row : row + size, column : column + size]
        tile = torch.from_numpy(image[(slice(None), *place)][None].copy())
        assert segmenter._embeddings is not None
        logits = segmenter.network(tile, segmenter._embeddings)[0].numpy()
        total[(slice(None), *place)] += weights / (1 + np.exp(-logits))
        share[place] += weights
    expected = (total / share)[:, padding : padding + rows, padding : padding + columns]
    assert found.shape == (2, rows, columns)
    assert np.abs(found - expected).max() < 1e-9
    assert np.isfinite(found).all() and found.min() >= 0 and found.max() <= 1


@pytest.mark.parametrize("batch", [2, 3, 9, 100])
def test_the_result_does_not_depend_on_the_batch(segmenter: Segmenter, batch: int) -> None:
    pixels = noise(41, 37)
    one = probabilities(segmenter, pixels, batch=1)
    assert np.abs(probabilities(segmenter, pixels, batch=batch) - one).max() < 1e-9


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, np.uint16])
def test_pixels_of_any_type(segmenter: Segmenter, dtype: Any) -> None:
    pixels = noise(24, 24)
    found = probabilities(segmenter, pixels.astype(dtype))
    assert np.abs(found - probabilities(segmenter, pixels)).max() < 1e-9


# --- data and no data --------------------------------------------------------------------------


def test_tiles_without_data_are_left_out(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    constant = Constant(monkeypatch)
    pixels = noise(40, 40)
    # Data in the borders of tiles alone are their neighbours' affair.
    parts = [(np.s_[0:0], 0), (np.s_[:4], 0), (np.s_[4:5, 4:5], 1), (np.s_[11:13, 4], 2)]
    for corner, tiles in [*parts, (np.s_[:, :], 16)]:
        valid = np.zeros((40, 40), bool)
        valid[corner] = True
        constant.tiles.clear()
        found = probabilities(segmenter, pixels, valid)
        assert sum(constant.tiles) == tiles
        assert np.isfinite(found).all()
        # Where no tile lies nothing is found.
        assert (found == 0).all() == (tiles == 0)
    valid = np.zeros((40, 40), bool)
    valid[35, 35] = True
    constant.tiles.clear()
    found = probabilities(segmenter, pixels, valid)
    assert sum(constant.tiles) == 1
    assert (found[0] > 0).sum() == 12 * 12  # a tile without the padding behind the block


def test_every_pixel_with_data_has_a_tile(segmenter: Segmenter) -> None:
    pixels = noise(40, 40)
    valid = np.random.default_rng(1).random((40, 40)) < 0.01
    seen = np.where(valid, pixels, 0).astype(np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        Constant(patch)
        found = probabilities(segmenter, pixels, valid)
    inside = valid[4:-4, 4:-4]
    assert inside.any()
    assert np.abs(found[:, inside] - (1 / (1 + np.exp([1, -1])))[:, None]).max() < 1e-9
    # And what is without data has no say in it, whatever stands there.
    assert np.array_equal(
        probabilities(segmenter, seen, valid), probabilities(segmenter, pixels, valid)
    )


def test_nothing_is_looked_for_before_look_for(segmenter: Segmenter) -> None:
    fresh = Segmenter(segmenter.definition, torch.device("cpu"))
    with pytest.raises(RuntimeError, match="look_for was not called"):
        probabilities(fresh, noise(16, 16))


def test_the_network_sees_each_tile_once(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[int] = []
    encode = CLIPSeg.encode

    def count(self: CLIPSeg, pixels: Tensor) -> Any:
        shown.append(len(pixels))
        return encode(self, pixels)

    monkeypatch.setattr(CLIPSeg, "encode", count)
    probabilities(segmenter, noise(8 + 3 * 8, 8 + 2 * 8), batch=4)
    assert shown == [4, 2]
