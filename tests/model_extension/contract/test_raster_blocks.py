"""The raster function of a built package, block by block."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.support.raster_calls import (
    SCALARS,
    Raster,
    block,
    expected,
    function,
    noise,
    same,
    update,
)

# -- blocks ----------------------------------------------------------------------------------------


def test_classes_are_numbered_in_the_order_of_the_prompts(classes: Any, bands: Any) -> None:
    block = noise(3, 48, 64)
    probabilities, mask = update(bands, block, kind="f4", shape=(3, 48, 64))
    assert probabilities.shape == (3, 48, 64)
    assert mask.all()
    best = probabilities.max(axis=0)
    values = np.where(best > 0.5, probabilities.argmax(axis=0) + 1, 0)
    assert set(np.unique(values)) == {0, 1, 2, 3}
    output, mask = update(classes, block)
    assert (output[0] == values).all()
    assert mask.all()


@hypothesis_settings(max_examples=12, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 99))
def test_blocks_of_any_size(bands: Any, rows: int, columns: int, seed: int) -> None:
    block = noise(3, rows, columns, seed=seed)
    seen = noise(rows, columns, seed=seed + 1) > 60
    seen[0], seen[-1], seen[:, 0], seen[:, -1] = True, True, True, True
    for side in range(0, 70):  # no tile has an empty border, so that none is moved
        seen[side : side + 1, side::7] = True
    output, mask = update(
        bands, block, np.repeat(seen[None], 3, 0), kind="f4", shape=(3, rows, columns)
    )
    assert (mask == seen).all()
    wanted = np.where(seen, expected(bands, block, seen), -1)
    assert np.abs(output - wanted).max() <= 1e-5


@pytest.mark.parametrize("kind", ["u1", "u2", "u4", "i2", "i4", "f4", "f8"])
@pytest.mark.parametrize("three", [True, False])
def test_type_and_shape_are_those_asked_for(classes: Any, kind: str, three: bool) -> None:
    block, mask = noise(3, 24, 40), np.ones((3, 24, 40), np.uint8)
    mask[:, 12, 12] = 0
    shape = (1, 24, 40) if three else (24, 40)
    output, seen = update(classes, block, mask, kind=kind, shape=shape)
    assert output.shape == shape
    assert output.reshape(24, 40)[12, 12] == 255
    assert seen.reshape(24, 40)[12, 12] == 0
    assert seen.sum() == 24 * 40 - 1
    assert output.flags.c_contiguous
    empty, seen = update(classes, block, np.zeros_like(mask), kind=kind, shape=shape)
    assert empty.shape == shape
    assert (empty == 255).all()
    assert not seen.any()


@pytest.mark.parametrize("dtype", ["u2", "i2", "i4", "f4", "f8"])
def test_input_of_any_type_and_form(classes: Any, dtype: str) -> None:
    block, mask = noise(3, 48, 48), np.ones((3, 48, 48), np.uint8)
    mask[:, 30:, 10:20] = 0
    plain = update(classes, block, mask)
    block[mask == 0] = 77  # what lies there does not count
    assert same(update(classes, block, mask), plain)
    for written in (True, False):
        other = block.astype(dtype)
        other.flags.writeable = mask.flags.writeable = written
        assert same(update(classes, other, mask), plain)
        mask.flags.writeable = True
    assert same(update(classes, block, mask[0]), plain)
    assert same(update(classes, np.ma.array(block, mask=mask == 0)), plain)
    assert same(update(classes, np.asfortranarray(block), mask), plain)
    assert same(update(classes, np.concatenate([block, noise(1, 48, 48)]), mask[0]), plain)
    if dtype.startswith("f"):
        holes = np.where(mask == 0, np.nan, block).astype(dtype)
        assert same(update(classes, holes), plain)


@pytest.mark.parametrize(
    ("pixels", "shape", "message"),
    [
        (noise(1, 32, 32), (1, 32, 32), "delivers 1 band, the model needs 3"),
        (noise(32, 32), (1, 32, 32), "delivers 1 band"),
        (noise(3, 32, 32).astype("u2") * 100, (1, 32, 32), "the model needs 0 to 255"),
        (noise(3, 16, 16), (1, 32, 32), "with a padding of 42 it must have 116 × 116"),
        (noise(3, 16, 32), (1, 16, 16), "100 × 116 pixels .* output of 16 × 16"),
    ],
)
def test_wrong_blocks(
    classes: Any, pixels: np.ndarray, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        update(classes, pixels, shape=shape)


@pytest.mark.parametrize(
    "scalars",
    [
        {"padding": "0"},
        {"padding": "15"},
        {"padding": "0", "tile_size": "8"},
        {"tile_size": "64", "padding": "31", "batch_size": "9"},
        {"tile_size": "40", "padding": "7", "batch_size": "1"},
        {"batch_size": "1000"},
    ],
)
def test_extremes_of_padding_and_tile_size(emd: Path, scalars: dict[str, str]) -> None:
    instance = function(emd, return_probability_raster=True, **scalars)
    block = noise(3, 51, 34)
    output, _ = update(instance, block, kind="f4", shape=(3, 51, 34))
    wanted = expected(instance, block, np.ones(block.shape[1:], bool))
    assert np.abs(output - wanted).max() <= 1e-5


def test_no_background(emd: Path) -> None:
    block = noise(3, 64, 64)
    instance = function(emd, predict_background="False")
    output, _ = update(instance, block)
    assert set(np.unique(output)) == {1, 2, 3}
    thresholded, _ = update(function(emd), block)
    assert ((output == thresholded) | (thresholded == 0)).all()
    assert (update(function(emd, threshold="1"), block)[0] == 0).all()


def test_an_empty_block_needs_no_network(emd: Path) -> None:
    instance = function(emd)
    seen = np.ones((64, 64), bool)
    seen[20:40, 20:40] = False  # the padding alone does not count
    output, valid = block(instance, Raster(noise(3, 64, 64), seen), 20, 20, 20, 20)
    assert (output == 255).all()
    assert not valid.any()
    assert instance._classifier is None


# -- cost ------------------------------------------------------------------------------------------


def test_each_tile_is_encoded_once_and_each_prompt_embedded_once(
    emd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = function(emd, text_prompt=",".join(f"thing{n}" for n in range(12)))
    package = instance.initialize.__globals__["clipseg"].__name__
    network = importlib.import_module(package + ".network.network")
    tokenizer = importlib.import_module(package + ".files.tokenizer")
    encoded, texts, read = [], [], []
    activations, forward = network.VisionTower.activations, network.TextTower.forward
    from_folder = tokenizer.Tokenizer.from_folder

    def count_images(self: Any, pixels: Any, extract: Any) -> Any:
        encoded.append(len(pixels))
        return activations(self, pixels, extract)

    def count_texts(self: Any, tokens: Any) -> Any:
        texts.append(len(tokens))
        return forward(self, tokens)

    def count_reads(folder: Any) -> Any:
        read.append(folder)
        return from_folder(folder)

    monkeypatch.setattr(network.VisionTower, "activations", count_images)
    monkeypatch.setattr(network.TextTower, "forward", count_texts)
    monkeypatch.setattr(tokenizer.Tokenizer, "from_folder", count_reads)
    for seed in range(3):
        update(instance, noise(3, 48, 48, seed=seed))
    assert encoded == [1] * 12  # four tiles in each raster; twelve prompts change nothing
    assert texts == [12]
    assert len(read) == 1
    instance.getConfiguration(**{**SCALARS, "text_prompt": "roof"})
    update(instance, noise(3, 48, 48))
    assert texts == [12, 1]
    instance.getConfiguration(**{**SCALARS, "text_prompt": "roof", "threshold": "0.9"})
    update(instance, noise(3, 48, 48))
    assert texts == [12, 1]
