"""Examples made ready: every recipe against the same arithmetic in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from model_extension.clipseg.inference.visual_prompts import (
    crop_to,
    gaussian_blur,
    outline,
    pad_to_square,
    prepare,
    resize,
    shrink,
)
from model_extension.clipseg.language.recipes import BEST, RECIPES, Recipe
from model_extension.common.errors import ImageError

Array = NDArray[Any]
MEAN = np.array([0.485, 0.456, 0.406]).reshape(3, 1, 1)
STD = np.array([0.229, 0.224, 0.225]).reshape(3, 1, 1)
# What the paper's table 2 calls them: background, blur, context.
TABLE = {
    "crop-blur-darken": (0.1, True, 0.1),
    "crop-darken": (0.1, False, 0.1),
    "crop-blur": (1.0, True, 0.1),
    "crop": (1.0, False, 0.1),
    "crop-wide": (1.0, False, 0.5),
    "blur-darken": (0.1, True, None),
    "blur": (1.0, True, None),
    "darken-50": (0.5, False, None),
    "darken-10": (0.1, False, None),
    "darken-0": (0.0, False, None),
    "unchanged": (1.0, False, None),
}


def photo(rows: int, columns: int, seed: int = 0) -> Array:
    """A normalised image, shape (3, rows, columns)."""
    values = np.random.default_rng(seed).integers(0, 256, (3, rows, columns))
    return (values / 255 - MEAN) / STD


def box(rows: int, columns: int, top: int, bottom: int, left: int, right: int) -> Array:
    mask = np.zeros((rows, columns), bool)
    mask[top:bottom, left:right] = True
    # Not all of its bounding box.
    mask[top, left] = mask[top, right - 1] = right - left == 1 or bottom - top == 1
    return mask


# --- the arithmetic, written down once more -----------------------------------------------------


def mirrored(place: int, length: int) -> int:
    """Where a place beyond the edge lies, mirrored at the outermost pixel (reflect 101)."""
    if length == 1:
        return 0
    while not 0 <= place < length:
        place = -place if place < 0 else 2 * (length - 1) - place
    return place


def blurred(image: Array) -> Array:
    """15 by 15 Gaussian, standard deviation 3."""
    weights = np.exp(-(np.arange(-7, 8) ** 2) / 18.0)
    weights /= weights.sum()
    _, rows, columns = image.shape
    result = np.zeros_like(image)
    for down in range(-7, 8):
        for across in range(-7, 8):
            r = [mirrored(row + down, rows) for row in range(rows)]
            c = [mirrored(column + across, columns) for column in range(columns)]
            result += weights[down + 7] * weights[across + 7] * image[:, r][:, :, c]
    return result


def cropped(image: Array, mask: Array, context: float) -> Array:
    rows, columns = np.nonzero(mask)
    top, bottom = rows.min(), rows.max() + 1
    left, right = columns.min(), columns.max() + 1
    above, beside = context * (bottom - top), context * (right - left)
    return image[
        :,
        int(max(0, top - above)) : int(min(len(mask), bottom + above)),
        int(max(0, left - beside)) : int(min(len(mask[0]), right + beside)),
    ]


def squared(image: Array) -> Array:
    _, rows, columns = image.shape
    side = max(rows, columns)
    result = np.zeros((3, side, side))
    top, left = (side - rows) // 2, (side - columns) // 2
    result[:, top : top + rows, left : left + columns] = image
    return result


def nearest(image: Array, size: int) -> Array:
    """Pixel whose upper left corner is the last before that of the result's pixel."""
    rows = [place * image.shape[1] // size for place in range(size)]
    columns = [place * image.shape[2] // size for place in range(size)]
    return image[:, rows][:, :, columns]


def expected(image: Array, mask: Array, name: str, size: int) -> Array:
    background, blur, context = TABLE[name]
    behind = blurred(image) if blur else image
    shown = image * mask + background * behind * (1 - mask)
    if context is not None:
        shown = squared(cropped(shown, mask, context))
    return nearest(shown, size)


def prepared(image: Array, mask: Array, recipe: Recipe, size: int) -> Array:
    tensors = [torch.from_numpy(np.ascontiguousarray(a)) for a in (image, mask, MEAN, STD)]
    return np.asarray(prepare(tensors[0], tensors[1], recipe, size, tensors[2], tensors[3]).numpy())


# --- recipes -----------------------------------------------------------------------------------

SHAPES = [
    ((40, 60), (10, 30, 20, 35), 32),
    ((40, 60), (0, 40, 3, 9), 16),
    ((33, 21), (30, 33, 18, 21), 24),  # in a corner
    ((20, 20), (7, 8, 9, 10), 8),  # one pixel
    ((5, 4), (1, 4, 1, 3), 16),  # smaller than the kernel of the blur
    ((1, 9), (0, 1, 2, 6), 8),
    ((64, 64), (5, 50, 8, 60), 24),
]


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize(("shape", "edges", "size"), SHAPES)
def test_recipes(
    name: str, shape: tuple[int, int], edges: tuple[int, int, int, int], size: int
) -> None:
    image, mask = photo(*shape), box(*shape, *edges)
    found = prepared(image, mask, RECIPES[name], size)
    assert found.shape == (3, size, size)
    assert np.abs(found - expected(image, mask, name, size)).max() < 1e-9


@given(
    st.integers(1, 24),
    st.integers(1, 24),
    st.integers(1, 20),
    st.sampled_from(sorted(TABLE)),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_recipes_on_any_size_and_mask(
    rows: int, columns: int, size: int, name: str, seed: int
) -> None:
    mask = np.random.default_rng(seed).random((rows, columns)) < 0.1
    mask[seed % rows, seed % columns] = True
    image = photo(rows, columns, seed)
    found = prepared(image, mask, RECIPES[name], size)
    assert np.abs(found - expected(image, mask, name, size)).max() < 1e-9


def test_the_best_recipe_of_the_paper() -> None:
    assert RECIPES[BEST] == Recipe(background=0.1, blur=3.0, context=0.1)
    assert {name for name in RECIPES if RECIPES[name].mark == ""} == set(TABLE)


def test_a_dark_background_is_the_mean_colour() -> None:
    image, mask = photo(20, 20), box(20, 20, 5, 15, 5, 15)
    dark = prepared(image, mask, RECIPES["darken-0"], 20)
    assert (dark[:, ~mask] == 0).all()
    assert np.array_equal(dark[:, mask], image[:, mask])


def gray(image: Array) -> Array:
    colors = np.clip(image * STD + MEAN, 0, 1)
    return np.asarray(0.299 * colors[0] + 0.587 * colors[1] + 0.114 * colors[2])


def test_red_objects() -> None:
    image, mask = photo(16, 16), box(16, 16, 4, 12, 2, 9)
    dye = np.where(mask, np.array([1.0, 0.2, 0.2]).reshape(3, 1, 1), 1.0)
    wanted = (dye * gray(image) - MEAN) / STD
    assert np.abs(prepared(image, mask, RECIPES["red"], 16) - wanted).max() < 1e-9


def test_red_outlines() -> None:
    image, mask = photo(30, 30), np.zeros((30, 30), bool)
    mask[8:20, 8:22] = True
    line = np.zeros((30, 30), bool)
    line[6:22, 6:24] = True  # two pixels outside of the edge and two inside
    line[11:17, 11:19] = False
    red = np.array([1.0, 0.0, 0.0]).reshape(3, 1, 1)
    wanted = (np.where(line, red, np.clip(image * STD + MEAN, 0, 1)) - MEAN) / STD
    found = prepared(image, mask, RECIPES["outline"], 30)
    assert np.abs(found - wanted).max() < 1e-9
    assert np.array_equal(outline(torch.from_numpy(mask).float()).numpy() > 0, line)


# --- their parts -------------------------------------------------------------------------------


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 2**32 - 1))
@example(1, 1, 0)
@example(2, 17, 1)
@settings(max_examples=30, deadline=None)
def test_blur(rows: int, columns: int, seed: int) -> None:
    image = photo(rows, columns, seed)
    found = gaussian_blur(torch.from_numpy(image), 3.0).numpy()
    assert np.abs(found - blurred(image)).max() < 1e-9


def test_blur_equals_scipy() -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    image = photo(40, 31)
    for sigma in (1.0, 3.0):
        wanted = ndimage.gaussian_filter(image, (0, sigma, sigma), mode="mirror", radius=(0, 7, 7))
        found = gaussian_blur(torch.from_numpy(image), sigma).numpy()
        assert np.abs(found - wanted).max() < 1e-9


def test_blur_keeps_what_is_the_same_everywhere() -> None:
    image = torch.full((3, 9, 4), 0.7)
    assert torch.allclose(gaussian_blur(image, 3.0), image, atol=1e-6)


@pytest.mark.parametrize(
    ("edges", "context", "rows", "columns"),
    [
        ((20, 40, 30, 60), 0.1, (18, 42), (27, 63)),
        ((20, 39, 30, 60), 0.1, (18, 40), (27, 63)),  # 18.1 and 40.9 are cut off
        ((20, 40, 30, 60), 0.5, (10, 50), (15, 75)),
        ((1, 40, 0, 98), 0.1, (0, 43), (0, 100)),
        ((20, 40, 30, 60), 0.0, (20, 40), (30, 60)),
    ],
)
def test_crop(
    edges: tuple[int, ...], context: float, rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    mask = torch.from_numpy(box(60, 100, *edges))
    image = torch.arange(60 * 100).view(1, 60, 100)
    assert torch.equal(crop_to(image, mask, context), image[:, slice(*rows), slice(*columns)])


def test_padding() -> None:
    image = torch.ones(3, 2, 5)
    assert pad_to_square(image)[0, :, 0].tolist() == [0, 1, 1, 0, 0]
    assert pad_to_square(image.transpose(1, 2))[0, 0].tolist() == [0, 1, 1, 0, 0]
    assert pad_to_square(image[:, :, :2]).shape == (3, 2, 2)


def test_masks_that_do_not_fit() -> None:
    image = photo(10, 12)
    with pytest.raises(ImageError, match=r"the mask has \[12, 10\] rows and columns, its image \["):
        prepared(image, np.ones((12, 10), bool), RECIPES[BEST], 8)
    with pytest.raises(ImageError, match="the mask marks nothing: no pixel of it is above 0"):
        prepared(image, np.zeros((10, 12), bool), RECIPES[BEST], 8)


# --- sizes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (32, 48), (100, 333)])
@pytest.mark.parametrize("target", [(1, 1), (16, 16), (40, 7)])
def test_resizing_is_that_of_pillow(size: tuple[int, int], target: tuple[int, int]) -> None:
    image = pytest.importorskip("PIL.Image")
    pixels = photo(*size).astype(np.float32)
    found = resize(torch.from_numpy(pixels), *target).numpy()
    wanted = [
        np.asarray(image.fromarray(band).resize(target[::-1], image.Resampling.BILINEAR))
        for band in pixels
    ]
    assert np.abs(found - np.stack(wanted)).max() < 1e-5


def shrunk(image: Array, mask: Array, name: str, size: int) -> tuple[Array, Array]:
    found = shrink(torch.from_numpy(image), torch.from_numpy(mask), RECIPES[name], size)
    return found[0].numpy(), found[1].numpy()


def test_an_image_that_is_not_too_large_stays_as_it_is() -> None:
    image, mask = photo(50, 40), box(50, 40, 10, 30, 5, 25)
    for name, size in (("crop", 24), ("crop-wide", 40), ("blur", 50)):
        found = shrunk(image, mask, name, size)
        assert np.array_equal(found[0], image) and np.array_equal(found[1], mask)


def test_a_large_image_shrinks_to_the_size_of_the_result() -> None:
    image, mask = photo(100, 80), box(100, 80, 20, 60, 10, 40)
    found, seen = shrunk(image, mask, "blur", 25)
    assert found.shape == (3, 25, 20) and seen.shape == (25, 20)
    assert np.allclose(found, resize(torch.from_numpy(image), 25, 20).numpy())
    assert seen.sum() == pytest.approx(mask.sum() / 16, abs=5)
    # Only the object with its surroundings has to fit, if the image is cropped to it: 48 pixels.
    assert shrunk(image, mask, "crop", 24)[0].shape == (3, 50, 40)
    assert shrunk(image, mask, "crop-wide", 40)[0].shape == (3, 50, 40)


def test_thin_objects_do_not_vanish() -> None:
    mask = np.zeros((300, 400), bool)
    mask[150, 20:380] = True
    found, seen = shrunk(photo(300, 400), mask, "blur-darken", 32)
    assert found.shape == (3, 24, 32)
    assert 1 <= seen.any(axis=1).sum() <= 2 and seen.sum() > 20
