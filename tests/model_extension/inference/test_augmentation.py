"""Tiles looked at in the symmetries of the square."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from model_extension.clipseg.contract.arguments import parse_arguments
from model_extension.clipseg.contract.definition import ModelDefinition
from model_extension.clipseg.inference.segmenter import Segmenter
from model_extension.clipseg.language.plan import Concept
from model_extension.clipseg.network.network import CLIPSeg, Decoder
from model_extension.common.symmetries import MIRRORED, SYMMETRIES, turned, turned_back
from tests.support.random_package import write_package
from tests.support.segmenting import noise, whole


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> ModelDefinition:
    return write_package(tmp_path_factory.mktemp("augmentation") / "package")


@pytest.fixture(scope="module")
def segmenter(package: ModelDefinition) -> Segmenter:
    segmenter = Segmenter(package, torch.device("cpu"), torch.float64, warn=pytest.fail)
    segmenter.look_for([Concept(("a",)), Concept(("b",))])
    return segmenter


# --- symmetries --------------------------------------------------------------------------------


def test_there_are_eight_and_no_two_are_the_same() -> None:
    image = torch.arange(9.0).view(1, 1, 3, 3)
    assert list(SYMMETRIES) == list(range(8))
    pictures = {tuple(turned(image, view).flatten().tolist()) for view in SYMMETRIES}
    assert len(pictures) == 8
    assert torch.equal(turned(image, 0), image)


@pytest.mark.parametrize("view", SYMMETRIES)
def test_every_symmetry_is_undone(view: int) -> None:
    image = torch.randn(2, 3, 5, 5)
    assert torch.equal(turned_back(turned(image, view), view), image)
    assert torch.equal(turned(turned_back(image, view), view), image)


def test_they_are_a_group() -> None:
    image = torch.arange(16.0).view(4, 4)
    pictures = [turned(image, view) for view in SYMMETRIES]
    for one, other in itertools.product(SYMMETRIES, repeat=2):
        both = turned(turned(image, one), other)
        assert any(torch.equal(both, picture) for picture in pictures)


# --- segmenting --------------------------------------------------------------------------------


def test_what_turns_with_the_image_is_found_the_same(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CLIPSeg, "encode", lambda network, pixels: [pixels])

    def decode(network: Any, activations: list[Tensor], embeddings: Tensor, grid: Any) -> Tensor:
        brightness = activations[0].mean(1, keepdim=True)
        return torch.cat([brightness, -brightness], dim=1)

    monkeypatch.setattr(CLIPSeg, "decode", decode)
    pixels = noise(40, 33)
    one = whole(segmenter, pixels, views=(0,))
    assert one.std() > 0.1
    for views in (SYMMETRIES, MIRRORED, (3,), (6, 1)):
        assert np.abs(whole(segmenter, pixels, views=views) - one).max() < 1e-12


def test_the_result_is_the_mean_over_the_views(segmenter: Segmenter) -> None:
    pixels = noise(40, 33)
    each = [whole(segmenter, pixels, views=(view,)) for view in SYMMETRIES]
    assert np.abs(each[0] - each[1]).max() > 1e-3
    found = whole(segmenter, pixels, views=SYMMETRIES)
    assert np.abs(found - np.mean(each, axis=0)).max() < 1e-12
    found = whole(segmenter, pixels, views=MIRRORED)
    assert np.abs(found - (each[0] + each[4]) / 2).max() < 1e-12


@pytest.mark.parametrize("view", SYMMETRIES)
def test_the_result_turns_with_the_raster(segmenter: Segmenter, view: int) -> None:
    # A block of whole tiles, so that they lie in the turned block as they did before.
    pixels = noise(32, 32)
    found = whole(segmenter, pixels, views=SYMMETRIES)
    turned_pixels = turned(torch.from_numpy(pixels), view).numpy()
    again = whole(segmenter, np.ascontiguousarray(turned_pixels), views=SYMMETRIES)
    assert np.abs(turned(torch.from_numpy(found), view).numpy() - again).max() < 1e-9


def test_the_cost_is_the_number_of_views(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []
    decoded: list[int] = []
    encode, decode = CLIPSeg.encode, Decoder.forward

    def count_encoded(self: CLIPSeg, pixels: Tensor) -> Any:
        encoded.append(len(pixels))
        return encode(self, pixels)

    def count_decoded(self: Decoder, activations: Any, embeddings: Tensor, grid: Any) -> Any:
        decoded.append(len(activations[0]) * len(embeddings))
        return decode(self, activations, embeddings, grid)

    monkeypatch.setattr(CLIPSeg, "encode", count_encoded)
    monkeypatch.setattr(Decoder, "forward", count_decoded)
    for views in ((0,), MIRRORED, SYMMETRIES):
        encoded.clear()
        decoded.clear()
        whole(segmenter, noise(24, 24), views=views)
        assert sum(encoded) == 4 * len(views)
        assert sum(decoded) == 2 * 4 * len(views)


# --- arguments ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("space", "augmented", "views"),
    [
        ("MAP_SPACE", "True", SYMMETRIES),
        ("PIXEL_SPACE", "True", (0, 4)),
        ("MAP_SPACE", "False", (0,)),
        ("PIXEL_SPACE", False, (0,)),
        (None, True, SYMMETRIES),
    ],
)
def test_photos_are_not_turned_upside_down(
    tmp_path: Any, space: str | None, augmented: Any, views: tuple[int, ...]
) -> None:
    changes = {} if space is None else {"ImageSpaceUsed": space}
    definition = write_package(tmp_path / "package", **changes)
    scalars = {"text_prompt": "a", "test_time_augmentation": augmented}
    assert parse_arguments(scalars, definition).views == views


def test_the_mirrored_view_keeps_up_and_down() -> None:
    image = torch.arange(9.0).view(3, 3)
    (other,) = (view for view in MIRRORED if view)
    assert torch.equal(turned(image, other), image.flip(1))
