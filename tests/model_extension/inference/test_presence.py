"""Whether a thing is in a tile at all: on a small network, and on photos with released weights."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from model_extension.clipseg.contract.definition import ModelDefinition
from model_extension.clipseg.inference.presence import LOGIT_SCALE, Gate
from model_extension.clipseg.inference.segmenter import Segmenter
from model_extension.clipseg.language.image_prompts import Example
from model_extension.clipseg.language.plan import Concept
from model_extension.clipseg.network.layers import EncoderBlock
from model_extension.clipseg.network.precision import choose_precision
from model_extension.common.kept_tiles import KeptTiles
from tests.support.random_package import FROZEN_WEIGHTS, NAMES, write_package, write_released
from tests.support.segmenting import whole

CPU = torch.device("cpu")
LEVELS = (0.0, 1e-12, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)


# --- the arithmetic ----------------------------------------------------------------------------


def unit(*angles: float) -> Tensor:
    """Vectors in a plane, of any length."""
    return torch.tensor([[3 * math.cos(a), 3 * math.sin(a)] for a in angles])


def test_likeness_is_the_share_against_neutral_texts() -> None:
    gate = Gate(0.5, unit(0.0, 0.2), torch.tensor([False, True]), unit(0.1, 0.3), unit(0.25))
    found = gate.likeness(unit(0.05, 1.0))
    for row, tile in enumerate((0.05, 1.0)):
        text = math.exp(LOGIT_SCALE * (math.cos(tile) - 1))
        neutral = sum(math.exp(LOGIT_SCALE * (math.cos(tile - a) - 1)) for a in (0.1, 0.3))
        assert found[row, 0].item() == pytest.approx(text / (text + neutral), rel=1e-3)
        image, blank = (math.exp(LOGIT_SCALE * (math.cos(tile - a) - 1)) for a in (0.2, 0.25))
        assert found[row, 1].item() == pytest.approx(image / (image + blank), rel=1e-3)
    assert gate.present(unit(0.05, 1.0)).tolist() == (found >= 0.5).tolist()


def test_concepts_do_not_push_each_other_out() -> None:
    neutral, blank = unit(0.5), unit(1.0)
    both = Gate(0.5, unit(0.1, 0.0), torch.tensor([False, False]), neutral, blank)
    one = Gate(0.5, unit(0.1), torch.tensor([False]), neutral, blank)
    assert torch.allclose(both.likeness(unit(0.0))[:, :1], one.likeness(unit(0.0)))


# --- on a small network ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> ModelDefinition:
    return write_package(tmp_path_factory.mktemp("presence") / "package", frozen=True)


@pytest.fixture(scope="module")
def segmenter(package: ModelDefinition) -> Segmenter:
    return Segmenter(package, CPU, warn=pytest.fail)


CONCEPTS = [Concept((name,)) for name in NAMES]


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


tiled = partial(whole, tile_size=32, overlap=0)


def found(segmenter: Segmenter, threshold: float, concepts: Any = CONCEPTS, **options: Any) -> Any:
    segmenter.look_for(concepts, presence_threshold=threshold, **options)
    pixels = noise(3, 96, 96)
    # Images of one colour beside noise: tiles that differ.
    pixels[:, :48, :48] = 250
    pixels[0, 48:] //= 4
    valid = np.ones((96, 96), bool)
    return tiled(segmenter, pixels, valid)


def test_the_gate_is_off_at_zero(segmenter: Segmenter) -> None:
    segmenter.look_for(CONCEPTS)
    plain = found(segmenter, 0.0)
    assert segmenter._gate is None
    assert (plain > 0).all()
    gated = found(segmenter, 0.5)
    assert (gated == 0).any()
    # And off again.
    assert np.array_equal(found(segmenter, 0.0), plain)


def test_a_higher_threshold_leaves_less(segmenter: Segmenter) -> None:
    plain = found(segmenter, 0.0)
    before, shares = plain, []
    for threshold in LEVELS:
        gated = found(segmenter, threshold)
        # All of a tile or nothing of it, and nothing that was not there before.
        assert ((gated == 0) | (gated == plain)).all()
        assert not (gated > before).any()
        tiles = gated.reshape(4, 3, 32, 3, 32).max(axis=(2, 4))
        assert ((tiles > 0) == (gated.reshape(4, 3, 32, 3, 32) > 0).all(axis=(2, 4))).all()
        shares.append(float((tiles > 0).mean()))
        before = gated
    assert shares[0] == 1.0
    assert shares == sorted(shares, reverse=True)
    assert 0.0 < shares[4] < 1.0
    assert shares[-1] < 0.5  # of numbers of this precision, some are certain


def test_the_gate_takes_only_the_blocks_that_are_missing(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[int] = []
    forward = EncoderBlock.forward

    def count(self: EncoderBlock, x: Tensor, causal: bool = False) -> Tensor:
        runs.append(len(x))
        return forward(self, x, causal)

    monkeypatch.setattr(EncoderBlock, "forward", count)
    monkeypatch.setattr(segmenter, "_tiles", KeptTiles())  # nothing is known of the image
    found(segmenter, 0.0)
    assert sum(runs) == 9 * 4  # nine tiles, blocks 0 to 3 of five
    segmenter.look_for(CONCEPTS, presence_threshold=0.5)
    runs.clear()
    valid = np.ones((32, 32), bool)
    tiled(segmenter, noise(3, 32, 32), valid)
    assert runs == [1] * 5


def test_the_embedding_of_a_tile_is_that_of_the_image(segmenter: Segmenter) -> None:
    pixels = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        deepest = segmenter.network.encode(pixels)[-1]
        assert torch.allclose(
            segmenter._finish(deepest), segmenter.network.embed_image(pixels), atol=1e-5
        )


def test_views_of_a_tile_share_its_gate(segmenter: Segmenter) -> None:
    segmenter.look_for(CONCEPTS, presence_threshold=0.5)
    valid = np.ones((32, 32), bool)
    pixels = noise(3, 32, 32)
    one = tiled(segmenter, pixels, valid)
    eight = tiled(segmenter, pixels, valid, views=tuple(range(8)))
    assert np.array_equal(one.max(axis=(1, 2)) > 0, eight.max(axis=(1, 2)) > 0)


def test_with_a_text_tower(tmp_path: Path) -> None:
    definition = write_package(tmp_path / "package")
    segmenter = Segmenter(definition, CPU, warn=pytest.fail)
    assert segmenter.embedder.neutral().shape == (5, 12)
    plain = found(segmenter, 0.0, [Concept(("a",)), Concept(("b", "c"))])
    gated = found(segmenter, 0.2, [Concept(("a",)), Concept(("b", "c"))])
    assert ((gated == 0) | (gated == plain)).all()


@pytest.mark.parametrize(
    ("weight", "by_image"), [(1.0, False), (0.5, False), (0.49, True), (0.0, True)]
)
def test_the_larger_share_decides_what_a_concept_competes_with(
    segmenter: Segmenter, tmp_path: Path, weight: float, by_image: bool
) -> None:
    np.save(tmp_path / "a.npy", noise(3, 32, 32, seed=5))
    shown = (Example(str(tmp_path / "a.npy"), None),)
    concepts = [Concept(("roof",)), Concept(("roof",), shown), Concept((), shown)]
    segmenter.look_for(concepts, text_weight=weight, presence_threshold=0.5)
    gate = segmenter._gate
    assert gate is not None
    assert gate.by_image.tolist() == [False, by_image, True]
    text, mixed, image = gate.concepts
    assert torch.equal(mixed, image if by_image else text)
    # Decoded is the mixture all the same.
    assert segmenter._embeddings is not None
    assert torch.allclose(segmenter._embeddings[1], weight * text + (1 - weight) * image, atol=1e-5)


def test_a_tile_like_the_example_has_it(segmenter: Segmenter, tmp_path: Path) -> None:
    pixels = noise(3, 32, 32, seed=5)
    np.save(tmp_path / "a.npy", pixels)
    concepts = [Concept((), (Example(str(tmp_path / "a.npy"), None),))]
    segmenter.look_for(concepts, presence_threshold=0.99)
    mean = np.array([124, 116, 104], np.uint8)[:, None, None]
    block = np.concatenate([pixels, np.broadcast_to(mean, (3, 32, 32))], axis=2)
    valid = np.ones((32, 64), bool)
    probabilities = tiled(segmenter, block, valid)
    same, other = probabilities[0, :, :32], probabilities[0, :, 32:]
    assert bool((same > 0).all()) and bool((other == 0).all())


# --- released weights on photos ----------------------------------------------------------------

released = pytest.mark.skipif(not FROZEN_WEIGHTS, reason="DLPK_FROZEN_WEIGHTS names no folder")
# All things that can be counted among the names, but for what may be in the photo.
SHOWN = {
    "chelsea": {"cat"},
    "coffee": {"cup", "spoon", "dining table", "bowl"},
    "astronaut": {"person", "airplane", "tie"},
}
PRESENT = {"chelsea": "cat", "coffee": "cup", "astronaut": "person"}


@pytest.fixture(scope="module")
def clipseg(tmp_path_factory: pytest.TempPathFactory) -> Segmenter:
    dtype = choose_precision("auto", CPU)
    return Segmenter(write_released(tmp_path_factory.mktemp("released") / "package"), CPU, dtype)


def photo(name: str) -> np.ndarray:
    data = pytest.importorskip("skimage.data")
    pixels = np.moveaxis(getattr(data, name)()[..., :3], -1, 0)
    step = max(1, round(pixels.shape[1] / 352))
    return np.ascontiguousarray(pixels[:, ::step, ::step])


def masks(segmenter: Segmenter, pixels: np.ndarray) -> np.ndarray:
    """Probabilities of one tile, in the middle of the photo."""
    side = 352
    tile = np.zeros((3, side, side), np.uint8)
    valid = np.zeros((side, side), bool)
    top, left = (max(0, (length - side) // 2) for length in pixels.shape[1:])
    part = pixels[:, top : top + side, left : left + side]
    tile[:, : part.shape[1], : part.shape[2]] = part
    valid[: part.shape[1], : part.shape[2]] = True
    found = tiled(segmenter, tile, valid, tile_size=side)
    return np.asarray(found[:, : part.shape[1], : part.shape[2]])


@released
def test_things_that_are_not_there(clipseg: Segmenter) -> None:
    things = (clipseg.definition.prompt_names or ())[:80:4]
    plain, gated = [], []
    for name, shown in SHOWN.items():
        pixels = photo(name)
        absent = [thing for thing in things if thing not in shown]
        concepts = [Concept((thing,)) for thing in (PRESENT[name], *absent)]
        for threshold, found in ((0.0, plain), (0.5, gated)):
            clipseg.look_for(concepts, presence_threshold=threshold)
            over = (masks(clipseg, pixels) > 0.3).mean(axis=(1, 2))
            assert over[0] > 0.1, (name, threshold)  # what is there stays
            found.append(float(over[1:].mean()))
    assert np.mean(plain) > 0.005
    assert np.mean(gated) < 0.3 * np.mean(plain)


@released
def test_an_example_finds_its_kind_best_and_other_things_too(
    clipseg: Segmenter, tmp_path: Path
) -> None:
    """What docs/prompts.md admits: an example alone marks what is not there; the gate clears it."""
    cat, person = photo("chelsea"), squashed("astronaut")
    seen = np.zeros(cat.shape[1:], np.uint8)
    seen[30:290, 130:330] = 255  # the cat's face
    np.save(tmp_path / "cat.npy", np.concatenate([cat, seen[None]]))
    seen = np.zeros((352, 352), np.uint8)
    seen[:, 40:260] = 255
    np.save(tmp_path / "person.npy", np.concatenate([person, seen[None]]))
    photos = {name: squashed(name) for name in ("camera", "chelsea", "coffee", "rocket")}
    mirrored = np.ascontiguousarray(cat[:, 20:, :150:-1])

    shown = {**photos, "mirrored": mirrored}
    concepts = [
        Concept((), (Example(str(tmp_path / f"{n}.npy"), None),)) for n in ("cat", "person")
    ]

    def shares(gate: float) -> tuple[dict[str, float], ...]:
        """Of each photo, what is like the cat, and what is like the person."""
        clipseg.look_for(concepts, presence_threshold=gate)
        over = {name: (masks(clipseg, p) > 0.3).mean(axis=(1, 2)) for name, p in shown.items()}
        return tuple({name: float(part[i]) for name, part in over.items()} for i in (0, 1))

    (found, person_found), (gated, person_gated) = shares(0.0), shares(0.5)
    assert found["mirrored"] > 0.4 and found["chelsea"] > 0.15
    assert found["rocket"] < 0.01 and found["camera"] < 0.05
    assert 0.1 < found["coffee"] < 0.5 * found["mirrored"]  # there is no cat
    assert (gated["mirrored"], gated["chelsea"]) == (found["mirrored"], found["chelsea"])
    assert gated["coffee"] == gated["camera"] == gated["rocket"] == 0

    assert person_found["camera"] > 0.25  # another person
    assert person_found["coffee"] < 0.01 and person_found["rocket"] < 0.01
    assert 0.1 < person_found["chelsea"] < 0.8 * person_found["camera"]  # there is no person
    assert set(person_gated.values()) == {0.0}  # the other person goes, too


def squashed(name: str) -> np.ndarray:
    """A photo as a square of 352 pixels, uint8, (3, rows, columns)."""
    data = pytest.importorskip("skimage.data")
    transform = pytest.importorskip("skimage.transform")
    pixels = getattr(data, name)()
    pixels = np.stack([pixels] * 3, axis=-1) if pixels.ndim == 2 else pixels[..., :3]
    resized = transform.resize(pixels, (352, 352), preserve_range=True).round()
    return np.ascontiguousarray(np.moveaxis(resized.astype(np.uint8), -1, 0))
