"""Thresholds and strengths that decide together, on values that are made up."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dlpk.evaluation.calibration.search import (
    FAMILIES,
    LEVELS,
    STRENGTHS,
    THRESHOLDS,
    Decision,
    Pixels,
    ascend,
    by_block,
    confusion_of,
    decide,
    folds_of,
    held_out,
    mean_of_classes,
    one_threshold,
)
from dlpk.evaluation.measures import metrics
from model_extension.clipseg.contract.definition import ModelDefinition
from model_extension.clipseg.inference.decision import class_values
from model_extension.clipseg.language.plan import make_plan


def pixels(seed: int = 0, number: int = 6000, classes: int = 3, levels: float = 1.0) -> Pixels:
    """Classes of which one is too weak and one too strong, in blocks."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, classes + 1, number).astype(np.uint8)
    values = generator.normal(0.15, 0.1, (classes, number))
    for place, peak in enumerate(np.linspace(0.3, 0.8, classes)):
        values[place] += (truth == place + 1) * (peak - 0.15)
        values[place] += (truth != place + 1) * (peak - 0.3) * 0.6  # too strong elsewhere, too
    values = np.round(np.clip(values, 0, 1) * LEVELS).astype(np.uint8)
    return Pixels(values, truth, generator.integers(0, 20, number), classes)


START = Decision((0.3,) * 3, (1.0,) * 3)
FREE = (0, 1, 2)
OF = mean_of_classes(None, (1, 2, 3))


@pytest.mark.parametrize("background", [True, False])
def test_decides_as_a_run_does(background: bool) -> None:
    """The same classes as the raster function, calibrated values in the package."""

    class Arguments:
        plan = make_plan("a, b|c, d AND e")
        threshold = 0.3
        predict_background = background

    class Definition(ModelDefinition):
        def __init__(self) -> None:
            pass

        threshold = 0.3
        thresholds = {"a": 0.202, "b|c": 0.502, "d and e": 0.702}  # noqa: RUF012
        strengths = {"b|c": 1.5, "d and e": 0.8}  # noqa: RUF012

    generator = np.random.default_rng(0)
    levels = generator.integers(0, LEVELS + 1, (4, 30, 40))
    known = torch.tensor(levels / LEVELS)
    arguments, definition = Arguments(), Definition()
    ours = class_values(known, arguments, definition, 1.0)  # type: ignore[arg-type]
    # The band of an expression is its score with the thresholds of its phrases.
    d, e = known[2].numpy(), known[3].numpy()
    score = np.minimum(*(np.where(x > 0.3, 0.5 + (x - 0.3) / 1.4, x / 0.6) for x in (d, e)))
    band = np.round(score * LEVELS)
    values = np.stack([levels[0], levels[1], band]).reshape(3, -1).astype(np.uint8)
    made = Pixels(values, np.zeros(values.shape[1], np.uint8), np.zeros(values.shape[1], int), 3)
    decision = Decision((0.202, 0.502, 0.702), (1.0, 1.5, 0.8), background)
    same = decide(made, decision).reshape(30, 40) == ours.numpy()
    assert same.mean() > 0.98  # the score of the expression is kept in steps
    simple = Decision((0.202, 0.502), (1.0, 1.5), background)
    Arguments.plan = make_plan("a, b|c")
    ours = class_values(known[:2], arguments, definition, 1.0)  # type: ignore[arg-type]
    made = Pixels(values[:2], made.truth, made.blocks, 2)
    np.testing.assert_array_equal(decide(made, simple).reshape(30, 40), ours.numpy())


def test_competitors_become_background() -> None:
    made = Pixels(
        np.array([[200, 200], [100, 240]], np.uint8), np.ones(2, np.uint8), np.zeros(2), 1
    )
    assert decide(made, Decision((0.3, 0.3), (1.0, 1.0))).tolist() == [1, 0]


def test_what_is_found_together_is_better_on_the_decision() -> None:
    data = pixels()
    alone = START
    for place in FREE:
        values = data.values[place] / LEVELS
        scores = []
        for threshold in THRESHOLDS:
            found = values > threshold
            true = data.truth == place + 1
            scores.append((found & true).sum() / (found | true).sum())
        alone = alone.changed(place, float(THRESHOLDS[np.argmax(scores)]), 1.0)
    common = one_threshold(data, START, FREE, OF)
    together = ascend(data, common, FREE, OF, (1.0,))
    strong = ascend(data, common, FREE, OF, tuple(STRENGTHS))
    worth = [OF(confusion_of(data, each)) for each in (common, alone, together, strong)]
    assert worth[2] >= worth[0]
    assert worth[2] > worth[1]  # class by class loses where classes compete
    assert worth[3] >= worth[2] - 0.005


def test_coordinate_step_against_trying_everything() -> None:
    """One class, two parameters: no pair of the grid is much better than the one found."""
    data = pixels(3, 2000)
    only = Decision(START.thresholds, START.strengths)
    found = OF(confusion_of(data, ascend(data, only, (1,), OF, tuple(STRENGTHS))))
    every = max(
        OF(confusion_of(data, only.changed(1, float(t), float(s))))
        for t in THRESHOLDS
        for s in STRENGTHS
    )
    assert found == pytest.approx(every, abs=0.004)  # the best other score is counted in bins


def test_folds_are_even_and_nothing_leaks() -> None:
    data = pixels(1)
    folds = folds_of(data.blocks)
    assert set(folds) == {0, 1, 2, 3, 4}
    assert np.bincount(folds[data.blocks]).min() > 0.15 * len(data.truth)
    matrices = held_out(data, "one threshold", START, FREE, OF)
    assert matrices.sum() == len(data.truth)
    # What is held out is decided by what the rest says, even if it is all wrong there.
    inside = folds[data.blocks] == 2
    turned = Pixels(data.values, np.where(inside, 0, data.truth).astype(np.uint8), data.blocks, 3)
    expected = one_threshold(data.of(~inside), START, FREE, OF)
    block = int(data.blocks[inside][0])
    np.testing.assert_array_equal(
        held_out(turned, "one threshold", START, FREE, OF)[block],
        by_block(turned, expected, len(folds))[block],
    )


def test_noise_gains_nothing_elsewhere() -> None:
    """Labels that have nothing to do with the values: no family looks good on held-out blocks."""
    data = pixels(5, 2000)
    noise = np.random.default_rng(1).permutation(data.truth)
    shuffled = Pixels(data.values, noise, data.blocks, 3)
    for family, fit in FAMILIES.items():
        here = OF(confusion_of(shuffled, fit(shuffled, START, FREE, OF)))
        there = OF(held_out(shuffled, family, START, FREE, OF).sum(axis=0))
        assert there <= here + 1e-9


def test_beta_weighs_recall() -> None:
    data = pixels(2)
    recalls = {}
    for beta in (0.3, 3.0):
        of = mean_of_classes(beta, (1, 2, 3))
        decision = FAMILIES["a threshold per class"](data, START, FREE, of)
        recalls[beta] = np.nanmean(metrics.recall(confusion_of(data, decision))[1:])
    assert recalls[3.0] > recalls[0.3]
