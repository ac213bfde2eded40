"""Pixel blocks as they come in."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from model_extension.clipseg.contract.blocks import read_block
from model_extension.clipseg.contract.definition import read_definition
from model_extension.common.errors import BlockError
from tests.support.tiny_clipseg import emd

DEFINITION = read_definition(json.dumps(emd()), "")


def block(*shape: int, dtype: Any = np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape).astype(dtype)


@pytest.mark.parametrize(
    "dtype", ["u1", "u2", "i2", "i4", "u4", "f4", "f8", ">f4", ">u2", "f2", "u8"]
)
def test_every_type_gives_the_same(dtype: str) -> None:
    given = block(3, 4, 5)
    mask = np.ones((3, 4, 5), np.uint8)
    mask[:, 1, 2] = 0
    mask[0, 2, 2] = 0
    pixels, valid = read_block(given.astype(dtype), mask, DEFINITION)
    assert (pixels == given).all()
    assert valid.dtype == bool
    assert valid.sum() == 19
    assert not valid[1, 2]


def test_neither_block_nor_mask_is_written_to() -> None:
    for dtype in ("u1", "f4"):
        given, mask = block(3, 4, 5, dtype=dtype), np.zeros((3, 4, 5), np.uint8)
        before = given.copy()
        given.flags.writeable = mask.flags.writeable = False
        read_block(given, mask, DEFINITION)
        assert (given == before).all()


@pytest.mark.parametrize("shape", [(3, 4, 5), (4, 5), (1, 4, 5)])
@pytest.mark.parametrize("kind", [np.uint8, bool, np.float32, np.int64])
def test_masks_of_any_form(shape: tuple[int, ...], kind: Any) -> None:
    mask = np.ones(shape, kind)
    mask[..., 3, 1] = 0
    _, valid = read_block(block(3, 4, 5), mask, DEFINITION)
    assert valid.sum() == 19
    assert not valid[3, 1]
    _, valid = read_block(block(3, 4, 5), np.zeros(shape, kind), DEFINITION)
    assert not valid.any()


def test_no_mask() -> None:
    _, valid = read_block(block(3, 4, 5), None, DEFINITION)
    assert valid.all()


def test_one_band_without_data_hides_nothing() -> None:
    mask = np.ones((3, 4, 5), np.uint8)
    mask[1] = 0
    given = block(3, 4, 5)
    pixels, valid = read_block(given, mask, DEFINITION)
    assert valid.all()
    assert (pixels == given).all()
    mask[:] = 0
    assert not read_block(given, mask, DEFINITION)[1].any()


def test_masked_arrays() -> None:
    given = np.ma.masked_equal(np.full((3, 4, 5), 7, np.uint8), 0)
    assert read_block(given, None, DEFINITION)[1].all()
    given[:, 2, 2] = np.ma.masked
    mask = np.ones((3, 4, 5), np.uint8)
    mask[:, 0, 0] = 0
    pixels, valid = read_block(given, mask, DEFINITION)
    assert type(pixels) is np.ndarray
    assert sorted(zip(*np.nonzero(~valid))) == [(0, 0), (2, 2)]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_without_data(value: float) -> None:
    given = block(3, 4, 5, dtype=np.float32)
    given[:, 1, 1] = value
    given[0, 2, 2] = value
    pixels, valid = read_block(given, None, DEFINITION)
    assert np.isfinite(pixels).all()
    assert not valid[1, 1]
    assert valid.sum() == 19
    assert pixels[0, 2, 2] == 0


@pytest.mark.parametrize(("dtype", "nodata"), [("i2", -9999), ("u2", 65535), ("f4", -3.4e38)])
def test_nodata_out_of_range_is_no_error_where_the_mask_says_so(dtype: str, nodata: float) -> None:
    given, mask = block(3, 4, 5, dtype=dtype), np.ones((3, 4, 5), np.uint8)
    given[:, 1, 1] = nodata
    mask[:, 1, 1] = 0
    pixels, valid = read_block(given, mask, DEFINITION)
    assert (pixels[:, 1, 1] == 0).all()
    assert not valid[1, 1]
    with pytest.raises(BlockError, match="the model needs 0 to 255: convert the raster to 8 bit"):
        read_block(given, None, DEFINITION)


def test_values_that_overshoot_a_little_are_resampling() -> None:
    given = np.array([-0.9, 0.0, 255.8], np.float32).repeat(3).reshape(3, 3, 1)
    pixels, _ = read_block(given, None, DEFINITION)
    assert (pixels == given).all()
    with pytest.raises(BlockError, match="pixel values from 0 to 257 were delivered"):
        read_block(np.array([0, 255, 257], np.float32).reshape(3, 1, 1), None, DEFINITION)


def test_more_bands_than_needed() -> None:
    given = block(5, 4, 5)
    pixels, _ = read_block(given, None, DEFINITION)
    assert (pixels == given[:3]).all()
    other = read_definition(json.dumps(emd(ExtractBands=[4, 1, 0])), "")
    mask = np.ones((5, 4, 5), np.uint8)
    mask[[4, 1, 0], 0, 0] = 0
    pixels, valid = read_block(given, mask, other)
    assert (pixels == given[[4, 1, 0]]).all()
    assert valid.sum() == 19
    # Four bands cannot hold the fifth: then these are what was asked for, and one more.
    pixels, _ = read_block(given[:4], None, other)
    assert (pixels == given[:3]).all()
    # Three bands are those that were asked for, in their order.
    pixels, _ = read_block(given[:3], None, other)
    assert (pixels == given[:3]).all()


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 4, 5), "the raster delivers 1 band, the model needs 3"),
        ((4, 5), "the raster delivers 1 band, the model needs 3"),
        ((2, 4, 5), "the raster delivers 2 bands, the model needs 3"),
    ],
)
def test_too_few_bands(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(BlockError, match=message):
        read_block(block(*shape), None, DEFINITION)


@pytest.mark.parametrize("shape", [(2, 4, 5), (4, 4), (3, 5, 4), (5,), ()])
def test_masks_of_another_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(BlockError, match="a mask of shape"):
        read_block(block(3, 4, 5), np.ones(shape, np.uint8), DEFINITION)


@pytest.mark.parametrize("bands", [3, 4, 6])
@pytest.mark.parametrize("kind", [np.uint8, bool])
def test_masked_arrays_that_mask_nothing_give_the_same(bands: int, kind: Any) -> None:
    given = block(bands, 7, 9)
    mask = np.random.default_rng(1).integers(0, 2, given.shape).astype(kind)
    pixels, valid = read_block(given, mask, DEFINITION)
    slow_pixels, slow_valid = read_block(np.ma.array(given), mask, DEFINITION)
    assert valid.dtype == slow_valid.dtype == bool
    np.testing.assert_array_equal(pixels, slow_pixels)
    np.testing.assert_array_equal(valid, slow_valid)
    assert 0 < valid.sum() < valid.size
