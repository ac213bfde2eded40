"""Training on the activations of a tiny network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dlpk.finetuning.learning.activations import Activations
from dlpk.finetuning.learning.choice import choose
from dlpk.finetuning.learning.conditions import Conditions
from dlpk.finetuning.learning.learner import RECIPES, Learner
from dlpk.finetuning.learning.losses import PRESETS, _pairs, class_weights, loss_of
from dlpk.finetuning.learning.trainer import Trainer
from dlpk.finetuning.scenes import NOTHING, UNKNOWN, Scene, Window
from dlpk.finetuning.split import split
from dlpk.finetuning.views import draw_training, draw_validation
from model_extension.clipseg.network.config import NetworkConfig
from model_extension.clipseg.network.network import CLIPSeg
from model_extension.clipseg.network.weights import load_network
from tests.support.tiny_clipseg import StateDict, reference, settings

TILE, PATCH, SIDE = 32, 8, 160
ZERO, ONE = torch.zeros(3, 1, 1), torch.ones(3, 1, 1)


def network() -> CLIPSeg:
    sizes = settings(patch=PATCH, image=TILE)
    tensors = StateDict(dict(reference(sizes).state_dict()))
    return load_network(tensors, NetworkConfig.from_dict(sizes))


def scene() -> Scene:
    labels = (np.indices((SIDE, SIDE)).sum(0) // 40 % 2).astype(np.uint8)
    pixels = np.stack([labels * 200 + 20] * 3).astype(np.uint8)

    def read(window: Window) -> tuple[np.ndarray, np.ndarray]:
        left, top, width, height = window
        part = (slice(top, top + height), slice(left, left + width))
        return pixels[(slice(None), *part)], labels[part]

    return Scene("stripes", SIDE, SIDE, ("stripes", 0.0, 0.0), read)


def trainer(
    folder: Path,
    method: str,
    say: Callable[[str], None] = lambda line: None,
    steps: int = 20,
    preset: str = "ours",
) -> Trainer:
    scenes, model = [scene()], network()
    divided = split(scenes, ("dark", "bright"), TILE, 0)
    views = draw_training(scenes, divided, divided.training, 40, TILE, 0)
    training = len(views)
    views += draw_validation(scenes, divided, TILE)
    extract, width = model.config.extract, model.config.vision.width
    shape = (len(views), len(extract), (TILE // PATCH) ** 2 + 1, width)
    cached = Activations(folder, "key", shape, TILE)
    cpu = torch.device("cpu")
    cached.compute(model, cpu, views, scenes, divided, ZERO, ONE, lambda done: None)
    start = torch.linspace(-1, 1, 2 * model.config.projection).view(2, -1)
    recipe = replace(RECIPES[method], steps=steps, batch=2, preset=preset)
    shown = [start[:1] + 0.1, torch.zeros(0, model.config.projection)]
    varied = Conditions(torch.stack([start * 0.1, start * -0.1]), shown)
    return Trainer(
        Learner(model, start[:, None], recipe, TILE // PATCH, 0),
        recipe,
        cached,
        range(training),
        range(training, len(views)),
        classes=("dark", "bright"),
        device=cpu,
        folder=folder,
        key="key",
        seed=0,
        fast=False,
        say=say,
        conditions=varied if PRESETS[preset].varied else None,
    )


@pytest.mark.parametrize(
    ("method", "preset"), [*((method, "ours") for method in RECIPES), ("decoder", "paper")]
)
def test_killed_at_any_step_it_goes_on_to_the_same_weights(
    method: str, preset: str, tmp_path: Path
) -> None:
    whole = trainer(tmp_path / "whole", method, preset=preset)
    history = whole.run()
    left = [0]

    def update(of: Trainer) -> Callable[[], float]:
        original = of._update

        def counted() -> float:
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt
            return original()

        return counted

    for left[0] in (3, 9):
        killed = trainer(tmp_path / "killed", method, preset=preset)
        killed._update = update(killed)  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            killed.run()
    again = trainer(tmp_path / "killed", method, preset=preset)
    assert again.run() == history or np.isnan(history.losses[0])
    assert again.history.ious == history.ious
    for ours, theirs in zip(again.learner.trained(), whole.learner.trained()):
        assert torch.equal(ours, theirs)


def test_the_best_of_the_embeddings_of_a_class_counts(tmp_path: Path) -> None:
    taught = trainer(tmp_path, "prompts")
    learner, count = taught.learner, RECIPES["prompts"].per_class
    assert count > 1
    activations, _ = taught.activations.take([0], torch.device("cpu"))
    with torch.no_grad():
        words = learner.embeddings[::count].clone()
        at_first = learner.logits(activations)
        assert torch.allclose(at_first, learner.logits(activations, words), atol=1e-6)
        learner.spread(0)
        assert torch.equal(learner.embeddings[::count], words)
        each = learner.logits(activations, learner.embeddings).unflatten(1, (2, count))
        found = learner.logits(activations)
    assert torch.allclose(found, each.amax(2), atol=1e-6) and not torch.equal(found, at_first)
    while_learning = learner.logits(activations)
    assert torch.allclose(while_learning, each.logsumexp(2), atol=1e-6)


def test_a_class_that_validation_lacks_stops_nothing(tmp_path: Path) -> None:
    taught = trainer(tmp_path, "prompts")
    taught.history.ious = [[0.2, np.nan], *[[0.1, np.nan]] * 4]
    assert taught._stands_still()
    taught.history.ious[-1][0] = 0.3
    assert not taught._stands_still()


def test_merged_updates_give_the_same_masks(tmp_path: Path) -> None:
    taught = trainer(tmp_path, "lora")
    taught.run()
    pixels = torch.linspace(-1, 1, 3 * TILE * TILE).view(1, 3, TILE, TILE)
    with torch.no_grad():
        adapted = taught.learner.logits(network().encode(pixels))
        taught.learner.merge()
        merged = taught.learner.network(pixels, taught.learner.embeddings)
    assert torch.allclose(adapted, merged, atol=1e-4)
    assert not torch.equal(network()(pixels, taught.learner.embeddings), merged)


def test_short_memory_shrinks_what_is_computed_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    taught = trainer(tmp_path, "prompts", said.append, steps=2)
    original = taught.learner.logits

    def logits(activations: list[torch.Tensor], embeddings: torch.Tensor | None = None) -> object:
        if len(activations[0]) > 1:
            raise RuntimeError("CUDA out of memory")
        return original(activations, embeddings)

    taught.at_once = 2
    monkeypatch.setattr(taught.learner, "logits", logits)
    taught.run()
    assert any("memory is short: 1 views" in line for line in said)


def test_short_memory_shrinks_what_is_encoded_at_once(tmp_path: Path) -> None:
    """And what is encoded is the same."""
    model, scenes = network(), [scene()]
    divided = split(scenes, ("dark", "bright"), TILE, 0)
    views = draw_training(scenes, divided, divided.training, 9, TILE, 0)
    shape = (len(views), len(model.config.extract), 17, model.config.vision.width)
    said: list[str] = []
    found = []
    encode = model.encode

    def short(pixels: torch.Tensor) -> list[torch.Tensor]:
        if len(pixels) > 2:
            raise MemoryError
        return encode(pixels)

    for name in ("whole", "short"):
        cached = Activations(tmp_path / name, "key", shape, TILE)
        if name == "short":
            model.encode = short  # type: ignore[method-assign]
        cpu = torch.device("cpu")
        cached.compute(
            model, cpu, views, scenes, divided, ZERO, ONE, lambda done: None, said.append
        )
        found.append(cached.take(range(len(views)), cpu))
    assert [line[:31] for line in said] == [
        "memory is short: 4 views are en",
        "memory is short: 2 views are en",
    ]
    assert torch.equal(found[0][1], found[1][1])
    for ours, theirs in zip(found[0][0], found[1][0]):
        assert torch.allclose(ours, theirs, atol=1e-2)


def test_the_paper_varies_what_stands_for_a_class() -> None:
    """Text alone in every other update, else a mixture with less than one half of text."""
    rows = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    sentences = torch.tensor([[[0.25, 0.0]] * 2, [[-0.25, 0.0]] * 2])
    conditions = Conditions(sentences, [torch.tensor([[5.0, 8.0]]), torch.zeros(0, 2)])
    drawn = torch.stack([conditions.vary(rows, (0, step)) for step in range(400)])
    assert torch.equal(drawn, torch.stack([conditions.vary(rows, (0, s)) for s in range(400)]))
    first, second = drawn[:, 0], drawn[:, 1]
    alone = first[:, 1] == 0
    assert 150 < alone.sum() < 250
    assert set(first[alone][:, 0].tolist()) == {0.75, 1.25}
    share = 1 - first[~alone][:, 1] / 8
    assert 0 <= share.min() < 0.1 and 0.4 < share.max() <= 0.5
    assert set(second[:, 0].tolist()) == {0.25, -0.25}  # without examples never mixed


def test_absent_classes_have_a_fifth_of_the_weight() -> None:
    truth = torch.zeros(3, 3, 2, 2)
    truth[0, 1, 0, 0] = truth[1, :, 1, 1] = 1
    found = _pairs(truth, 0.2)[:, :, 0, 0]
    wanted = torch.tensor([[0.3, 2.4, 0.3], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
    assert torch.allclose(found, wanted)
    assert torch.equal(_pairs(truth, None), torch.ones(3, 3, 1, 1))


@pytest.mark.parametrize("preset", list(PRESETS))
def test_what_is_unknown_counts_for_nothing(preset: str) -> None:
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 8, 8, generator=random, requires_grad=True)
    labels = torch.randint(0, 3, (2, 8, 8), generator=random).to(torch.uint8)
    labels[:, :4], labels[0, 5] = UNKNOWN, NOTHING
    weights = class_weights(torch.tensor([5.0, 1.0, 9.0, 3.0]))
    loss_of(logits, labels, weights, preset).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert not logits.grad[:, :, :4].any() and logits.grad[:, :, 4:].any()
    better = logits.detach().clone()
    for number in range(3):
        better[:, number] = torch.where(labels == number, 6.0, -6.0)
    assert loss_of(better, labels, weights, preset) < loss_of(logits, labels, weights, preset) / 3
    empty = torch.full_like(labels, UNKNOWN)
    assert loss_of(logits, empty, weights, preset) == 0


def test_the_threshold_and_the_strengths_are_those_that_validate_best() -> None:
    labels = np.zeros((1, 70, 70), np.uint8)
    labels[0, :30], labels[0, 30:50] = 1, NOTHING
    found = np.full((1, 2, 70, 70), 0.05)
    found[0, 0][labels[0] == 0], found[0, 1][labels[0] == 0] = 0.5, 0.52
    found[0, 1][labels[0] == 1], found[0, 0][labels[0] == 1] = 0.6, 0.4
    found[0, 0][labels[0] == NOTHING] = 0.3
    choice = choose([(found, labels)], 2)
    assert choice.before < 0.6 and choice.after == 1.0
    assert choice.threshold < 0.6
    assert choice.strengths[0] > choice.strengths[1]
