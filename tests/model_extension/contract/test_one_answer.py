"""What is found at a place depends on the raster and the arguments alone, not on blocks."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.support.raster_calls import Raster, block, function, noise

GROWING = "water {+12m}, trees NOT roof, Ödland"


@st.composite
def rasters(draw: Any) -> Raster:
    """Noise of any size, perhaps with NoData: a border, a corner, holes."""
    rows, columns, seed = (
        draw(st.integers(1, 150)),
        draw(st.integers(1, 150)),
        draw(st.integers(0, 9)),
    )
    seen = np.ones((rows, columns), bool)
    kind = draw(st.sampled_from(["none", "border", "corner", "holes"]))
    if kind == "border":
        seen[: draw(st.integers(0, rows))] = False
    elif kind == "corner":
        down, across = np.mgrid[:rows, :columns]
        seen = down + across >= draw(st.integers(0, rows + columns))
    elif kind == "holes":
        seen = noise(rows, columns, seed=seed + 1) > 120
    return Raster(noise(3, rows, columns, seed=seed), seen)


@st.composite
def windows(draw: Any, raster: Raster) -> tuple[int, int, int, int]:
    """A block anywhere in the raster; it may reach beyond its end."""
    row = draw(st.integers(0, raster.rows - 1))
    column = draw(st.integers(0, raster.columns - 1))
    return row, column, draw(st.integers(1, 160)), draw(st.integers(1, 160))


@pytest.mark.parametrize(
    "scalars",
    [
        {"return_probability_raster": "True"},
        {"return_probability_raster": "True", "scales": "1,0.5,2", "padding": "3"},
        {"text_prompt": GROWING},
        {"presence_threshold": "0.5", "scales": "0.4", "padding": "0"},
        {"test_time_augmentation": "True", "scales": "1,0.7", "return_probability_raster": "True"},
    ],
    ids=lambda scalars: " ".join(scalars),
)
@hypothesis_settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_any_block_gives_what_the_whole_raster_gives(
    emd: Path, scalars: dict[str, str], data: Any
) -> None:
    raster = data.draw(rasters())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a text prompt of which a part means nothing here
        instance, other = (function(emd, **{**scalars, "batch_size": b}) for b in ("4", "9"))
    whole, valid = block(instance, raster, 0, 0, raster.rows, raster.columns)
    assert (valid == raster.seen).all()
    for _ in range(3):
        row, column, rows, columns = data.draw(windows(raster))
        part, mask = block(other, raster, row, column, rows, columns)
        here = np.s_[:, row : row + rows, column : column + columns]
        there = np.s_[:, : raster.rows - row, : raster.columns - column]
        assert (part[there] == whole[here]).all()
        assert (mask[there] == valid[here]).all()
        assert not mask[:, raster.rows - row :].any()


def test_tiles_that_reach_into_several_blocks_are_encoded_once(
    emd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raster = Raster(noise(3, 256, 256))
    instance = function(emd)
    segmenter = instance._loaded().segmenter
    encoded = []
    encode = segmenter.network.encode
    monkeypatch.setattr(
        segmenter.network, "encode", lambda tiles: (encoded.append(len(tiles)), encode(tiles))[1]
    )
    for row in range(0, 256, 64):
        for column in range(0, 256, 64):
            block(instance, raster, row, column, 64, 64)
    # 32 pixels, 16 apart, from 0 to 224.
    assert sum(encoded) == 15 * 15
    assert 0 < segmenter._tiles.bytes <= segmenter._tiles.most_bytes
    segmenter._tiles.most_bytes = 0
    block(instance, Raster(noise(3, 256, 256, seed=1)), 64, 64, 64, 64)
    assert segmenter._tiles.bytes == 0


def test_blocks_of_which_the_place_is_unknown_are_classified_with_a_warning(emd: Path) -> None:
    raster = Raster(noise(3, 80, 80))
    instance = function(emd)
    instance.updateRasterInfo(raster_info={}, output_info={})
    more = (instance.arguments.block_padding,) * 2
    pixels = np.pad(raster.image, ((0, 0), more, more))
    mask = np.repeat(np.pad(raster.seen, more)[None], 3, 0)
    call = {"raster_pixels": pixels, "raster_mask": mask}
    with pytest.warns(UserWarning, match="not known where blocks lie"):
        answer = instance.updatePixels((0.0, 0.0), (80, 80), {"pixelType": "u1"}, **call)
    assert set(np.unique(answer["output_pixels"])) <= {0, 1, 2, 3}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # said once
        instance.updatePixels((0.0, 0.0), (80, 80), {"pixelType": "u1"}, **call)


def test_what_a_block_holds_beyond_the_raster_costs_nothing(
    emd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = function(emd)
    shown = []
    classify = instance._classify
    monkeypatch.setattr(
        instance,
        "_classify",
        lambda pixels, *rest: (shown.append(pixels.shape), classify(pixels, *rest))[1],
    )
    classes, mask = block(instance, Raster(noise(3, 70, 50)), 20, 10, 200, 300)
    around = 2 * instance.arguments.block_padding
    assert shown == [(3, 50 + around, 40 + around)]
    assert classes.shape == (1, 200, 300)
    assert (classes[mask == 0] == 255).all() and mask[:, :50, :40].all()
    assert mask.sum() == 50 * 40
