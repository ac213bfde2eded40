"""Tiles that overlap, and blocks that are made of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model_extension.clipseg.inference.segmenter import Segmenter
from model_extension.clipseg.language.plan import Concept
from model_extension.clipseg.network.network import CLIPSeg
from tests.support.random_package import write_package
from tests.support.segmenting import noise, whole

# --- blocks ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Segmenter:
    definition = write_package(tmp_path_factory.mktemp("blending") / "package")
    segmenter = Segmenter(definition, torch.device("cpu"), torch.float64, warn=pytest.fail)
    segmenter.look_for([Concept(("a",)), Concept(("b",))])
    return segmenter


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
    st.lists(st.sampled_from([0.5, 0.7, 1.0, 2.0]), min_size=1, max_size=3, unique=True),
)
@settings(max_examples=60, deadline=None)
def test_what_is_the_same_everywhere_stays_so(
    segmenter: Segmenter, rows: int, columns: int, size: int, padding: int, scales: list[float]
) -> None:
    padding = min(padding, (size - 1) // 2)
    with pytest.MonkeyPatch.context() as patch:
        Constant(patch)
        pixels = noise(rows, columns)
        found = whole(segmenter, pixels, tile_size=size, overlap=2 * padding, scales=tuple(scales))
    assert found.shape == (2, rows, columns)
    expected = 1 / (1 + np.exp([1, -1]))
    assert np.abs(found - expected[:, None, None]).max() < 1e-6


@pytest.mark.parametrize("batch", [2, 3, 9, 100])
def test_the_result_does_not_depend_on_the_batch(segmenter: Segmenter, batch: int) -> None:
    pixels = noise(41, 37)
    one = whole(segmenter, pixels, batch_size=1)
    assert (whole(segmenter, pixels, batch_size=batch) == one).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, np.uint16])
def test_pixels_of_any_type(segmenter: Segmenter, dtype: Any) -> None:
    pixels = noise(24, 24)
    found = whole(segmenter, pixels.astype(dtype))
    assert np.abs(found - whole(segmenter, pixels)).max() < 1e-9


# --- data and no data --------------------------------------------------------------------------


def test_tiles_without_data_are_left_out(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    constant = Constant(monkeypatch)
    pixels = noise(40, 40)
    # Tiles of 16 start at 0, 8, 16 and 24: what lies nearest to a middle is theirs.
    parts = [(np.s_[0:0], 0), (np.s_[:4], 4), (np.s_[4:5, 4:5], 1), (np.s_[11:13, 4], 2)]
    for corner, tiles in [*parts, (np.s_[:, :], 16)]:
        valid = np.zeros((40, 40), bool)
        valid[corner] = True
        constant.tiles.clear()
        found = whole(segmenter, pixels, valid)
        assert sum(constant.tiles) == tiles
        assert np.isfinite(found).all()
        # Where no tile lies nothing is found.
        assert (found == 0).all() == (tiles == 0)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """What the network is shown, batch by batch."""
    batches: list[Tensor] = []
    encode = CLIPSeg.encode
    monkeypatch.setattr(
        CLIPSeg, "encode", lambda self, tiles: (batches.append(tiles), encode(self, tiles))[1]
    )
    return batches


def test_tiles_with_an_empty_border_move(segmenter: Segmenter, shown: list[Tensor]) -> None:
    pixels, valid = noise(40, 16), np.ones((40, 16), bool)
    valid[:3] = False
    whole(segmenter, pixels, valid)
    first = ((pixels[:, 3:19] / 255.0).T - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    assert np.allclose(shown[0][0].numpy(), first.T)


def test_pixels_without_data_have_the_mean_of_the_others(
    segmenter: Segmenter, shown: list[Tensor]
) -> None:
    pixels, valid = noise(11, 16), np.ones((11, 16), bool)
    valid[4:6, 7] = False
    found = whole(segmenter, pixels, valid)
    image = shown[0][0].numpy()
    assert image.shape == (3, 16, 16)  # whole patches
    mean = image[:, :11][:, valid].mean(axis=1)
    assert np.allclose(image[:, 4:6, 7], mean[:, None])
    assert np.allclose(image[:, 11:], mean[:, None, None])
    # And what is without data has no say in it, whatever stands there.
    other = np.where(valid, pixels, 99).astype(np.uint8)
    assert np.array_equal(whole(segmenter, other, valid), found)


def test_every_pixel_with_data_has_a_tile(segmenter: Segmenter) -> None:
    pixels = noise(40, 40)
    valid = np.random.default_rng(1).random((40, 40)) < 0.01
    with pytest.MonkeyPatch.context() as patch:
        Constant(patch)
        found = whole(segmenter, pixels, valid)
    assert valid.any()
    assert np.abs(found[:, valid] - (1 / (1 + np.exp([1, -1])))[:, None]).max() < 1e-6


def test_nothing_is_looked_for_before_look_for(segmenter: Segmenter) -> None:
    fresh = Segmenter(segmenter.definition, torch.device("cpu"))
    with pytest.raises(RuntimeError, match="look_for was not called"):
        whole(fresh, noise(16, 16))
