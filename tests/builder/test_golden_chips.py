"""Golden chips: what they are, and that a package's own code reproduces them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

import dlpk
from builder import build
from builder.clipseg.exact import ExactNetwork
from builder.clipseg.golden import (
    CHIPS_FILE,
    SHOWN,
    candidates,
    choose,
    golden_chips,
)
from builder.clipseg.provenance import CHIPS
from model_extension.clipseg.network.config import NetworkConfig
from model_extension.clipseg.network.weights import load_network
from tests.support.tiny_clipseg import StateDict, reference, settings, token_ids, write_folder

# The chips


def test_chips_are_cut_for_small_tiles() -> None:
    chips = np.load(CHIPS_FILE)
    np.testing.assert_array_equal(golden_chips(64), chips[..., :64, :64])
    np.testing.assert_array_equal(golden_chips(352), chips)
    assert golden_chips(352).dtype == np.uint8


@pytest.mark.parametrize("size", [353, 1000])
def test_chips_are_mirrored_for_large_tiles(size: int) -> None:
    chips, large = np.load(CHIPS_FILE), golden_chips(size)
    assert large.shape == (6, 3, size, size)
    np.testing.assert_array_equal(large[..., :352, :352], chips)
    beyond = min(size, 704) - 352
    np.testing.assert_array_equal(
        large[..., :352, 352 : 352 + beyond], chips[..., ::-1][..., :beyond]
    )
    np.testing.assert_array_equal(
        large[..., 352 : 352 + beyond, :352], chips[..., ::-1, :][..., :beyond, :]
    )


# Their prompts


WORDS = tuple(word for words in SHOWN.values() for word in words)


def set_aside(*words: str) -> tuple[str, ...]:
    return tuple(word for word in WORDS if word not in words)


@pytest.mark.parametrize(
    ("prompts", "names", "expected"),
    [
        ((), None, WORDS),
        (("solar panel",), None, ("solar panel", *WORDS)),
        (("sea", "water"), None, ("sea", "water", *WORDS[2:])),
        (tuple("abcdefgh"), None, (*"abcd", *WORDS)),
        (("Water", "WATER", " cat "), None, ("Water", " cat ", *(set_aside("water", "cat")))),
        (("cup",), ("person", "Tree", "cup", "road"), ("cup", "Tree", "road", "person")),
        (("spoon",), ("fork", "spoon"), ("spoon", "fork")),
        (("a",), tuple("abcdefghijklmnopqrstuvwxyz"), tuple("abcdefghijklmnopqr")),
    ],
)
def test_candidates(
    prompts: tuple[str, ...], names: tuple[str, ...] | None, expected: tuple[str, ...]
) -> None:
    assert candidates(prompts, names) == tuple(expected)


def test_every_chip_has_a_name_and_a_licence() -> None:
    assert len(SHOWN) == len(golden_chips(32))
    assert list(SHOWN) == list(CHIPS)


def chosen(**shares: tuple[str, float, float]) -> tuple[list[str], list[str]]:
    """Chips and prompts from, by chip, a word, how much it covers, and how much is undecided."""
    prompts = ["solar panel", *WORDS]
    covered, undecided = np.zeros((2, len(SHOWN), len(prompts)))
    for name, (word, *found) in shares.items():
        place = list(SHOWN).index(name), prompts.index(word)
        covered[place], undecided[place] = found
    chips, rows = choose(covered, undecided, prompts)
    return [list(SHOWN)[chip] for chip in chips], [prompts[row] for row in rows]


def test_the_surest_chips_are_chosen() -> None:
    chips, prompts = chosen(
        marsh=("sea", 0.5, 0.3),
        trees=("grass", 0.5, 0.2),
        snow=("road", 0.2, 0.01),
        astronaut=("person", 0.4, 0.02),
        cup=("cup", 0.3, 0.25),
    )
    assert chips == ["trees", "snow", "astronaut"]
    assert prompts == ["road", "person", "grass", "solar panel"]


@pytest.mark.parametrize(
    "cat",
    [
        ("cat", 0.04, 0.01),  # a speck
        ("cat", 0.97, 0.01),  # nothing else
        ("water", 0.5, 0.01),  # something that the chip does not show
    ],
)
def test_a_chip_has_to_show_what_is_found(cat: tuple[str, float, float]) -> None:
    others = {"marsh": ("sea", 0.5, 0.3), "trees": ("tree", 0.5, 0.3), "cup": ("cup", 0.2, 0.3)}
    assert chosen(**others, cat=("cat", 0.5, 0.01))[0] == ["marsh", "trees", "cat"]
    assert chosen(**others, cat=cat)[0] == ["marsh", "trees", "cup"]


# Their results


def test_other_weights_fail(tmp_path: Path) -> None:
    """A package whose weights were exchanged does not pass."""
    folders = []
    for seed in (0, 1):
        weights = write_folder(tmp_path / str(seed), settings(), seed=seed)
        folders.append(tmp_path / f"unpacked{seed}")
        built = build(tmp_path / "x.dlpk", weights=str(weights))
        zipfile.ZipFile(built.path).extractall(folders[-1])
    (folders[1] / "model.safetensors").replace(folders[0] / "model.safetensors")
    result = dlpk.test(folders[0], device="cpu")
    assert result.status == "failed"
    assert max(chip.largest for chip in result.chips) > 10 * (result.tolerance or 0)


@pytest.mark.parametrize(
    ("prompt", "freeze"),
    [
        ("Water", None),
        ("water OR sea", None),
        ("snow AND NOT sea, tree, house = roof|ROOF{+2px}", None),
        ('"salt AND pepper", sand NOT sea', None),
        ("Water", "water, trees, solar panel"),
        ("water OR trees, solar panel NOT Water", "water, trees, solar panel"),
    ],
)
def test_packages_pass_their_own_test_whatever_they_ask_for(
    tmp_path: Path, prompt: str, freeze: str | None
) -> None:
    weights = write_folder(tmp_path / "weights", settings(refined=True, patch=16))
    out = tmp_path / "x.dlpk"
    precision = "fp16" if freeze else "fp32"
    build(out, weights=str(weights), prompt=prompt, freeze_prompts=freeze, precision=precision)
    result = dlpk.test(out, device="cpu")
    assert result.status == "passed", result.to_text()


# The network in double precision


@pytest.mark.parametrize("refined", [True, False])
def test_exact_network_is_the_network(refined: bool) -> None:
    """Blocks that share memory compute what blocks with memory of their own do."""
    config = settings(refined=refined, patch=16, conditional=1)
    network = NetworkConfig.from_dict(config)
    tensors = StateDict(dict(reference(config).state_dict()))
    exact = ExactNetwork(tensors, network, "weights")
    whole = load_network(tensors, network, dtype=torch.float64)
    tokens = token_ids("water", "solar", "x").numpy()
    expected = whole.embed_text(torch.from_numpy(tokens))
    embeddings = exact.embed_text(tokens)
    assert embeddings.dtype == np.float64
    np.testing.assert_allclose(embeddings, expected.numpy(), rtol=0, atol=1e-13)
    pixels = np.random.default_rng(0).normal(size=(2, 3, 48, 48))
    with torch.no_grad():
        masks = torch.sigmoid(whole(torch.from_numpy(pixels), expected)).numpy()
    for _ in range(2):  # in any order, again and again
        for image, mask in zip(pixels[::-1], masks[::-1]):
            found = exact.probabilities(image, embeddings)
            np.testing.assert_allclose(found, mask, rtol=0, atol=1e-13)


def test_exact_network_differs_from_single_precision() -> None:
    """Else the comparison above would show nothing."""
    network = NetworkConfig.from_dict(settings())
    tensors = StateDict(dict(reference(settings()).state_dict()))
    tokens = token_ids("water")
    single = load_network(tensors, network).embed_text(tokens).numpy()
    exact = ExactNetwork(tensors, network, "weights").embed_text(tokens.numpy())
    assert 1e-9 < np.abs(single - exact).max() < 1e-4
