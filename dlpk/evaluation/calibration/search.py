"""Thresholds and strengths that decide best together, from values of labelled pixels.

Classes compete: a threshold that is the best for one class alone takes pixels from the others. So
what is judged is always the final decision, as `clipseg.inference.decision` makes it: a value times
the strength becomes a score, the threshold becomes one half, the best score above that wins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..measures import metrics

# Values are kept in so many steps. Thresholds lie between two of them: no value equals one.
LEVELS = 250
THRESHOLDS = (
    np.floor(
        np.array(
            [1, 2, 3, 4, 6, 8, 10, 13, 16, 20, 24, 28, 32, 36, 40, 45, 50, 55, 60, 65, 70, 80, 90]
        )
        * (LEVELS / 100)
    )
    + 0.5
) / LEVELS
STRENGTHS = np.array([0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.15, 1.3, 1.5, 1.75, 2.0, 2.5])
PRESENT = 0.5
ROUNDS = 6
LEAST_GAIN = 1e-4

Objective = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Pixels:
    """Labelled pixels.

    Parameters
    ----------
    values : ndarray
        uint8, shape (classes and what competes with them, pixels), in steps of `LEVELS`.
    truth : ndarray
        uint8, shape (pixels,): 1 is the first class, 0 none of them.
    blocks : ndarray
        Block or scene of each pixel, a number from 0.
    classes : int
        How many of the values are classes; what is behind them becomes background.
    """

    values: np.ndarray
    truth: np.ndarray
    blocks: np.ndarray
    classes: int

    def of(self, chosen: np.ndarray) -> Pixels:
        """Some of the pixels."""
        return replace(
            self,
            values=self.values[:, chosen],
            truth=self.truth[chosen],
            blocks=self.blocks[chosen],
        )


@dataclass(frozen=True)
class Decision:
    """How classes are decided.

    Parameters
    ----------
    thresholds, strengths : tuple of float
        Of each class, and of what competes with them.
    background : bool
        False: the best class wins however unlikely it is.
    """

    thresholds: tuple[float, ...]
    strengths: tuple[float, ...]
    background: bool = True

    def changed(self, place: int, threshold: float, strength: float) -> Decision:
        """The same with other values for one class."""
        thresholds, strengths = list(self.thresholds), list(self.strengths)
        thresholds[place], strengths[place] = threshold, strength
        return replace(self, thresholds=tuple(thresholds), strengths=tuple(strengths))


def scores(threshold: float, strength: float) -> np.ndarray:
    """Score of every step of a value (see `clipseg.language.logic`), shape (LEVELS + 1,)."""
    strong = np.minimum(np.arange(LEVELS + 1) / LEVELS * strength, 1.0)
    if threshold >= 1:
        return strong * PRESENT
    below = np.minimum(strong * (PRESENT / max(threshold, 1e-9)), PRESENT)
    above = PRESENT + (strong - threshold) * (PRESENT / (1 - threshold))
    return np.where(strong > threshold, np.maximum(above, PRESENT + 2**-20), below)


def decide(pixels: Pixels, decision: Decision) -> np.ndarray:
    """Class of every pixel, uint8."""
    best = scores(decision.thresholds[0], decision.strengths[0])[pixels.values[0]]
    classes = np.ones(best.shape, np.uint8)
    for place in range(1, len(pixels.values)):
        table = scores(decision.thresholds[place], decision.strengths[place])
        other = table[pixels.values[place]]
        better = other > best
        best = np.where(better, other, best)
        classes[better] = place + 1
    classes[classes > pixels.classes] = 0
    if decision.background:
        classes[best <= PRESENT] = 0
    return classes


def confusion_of(pixels: Pixels, decision: Decision) -> np.ndarray:
    """Confusion matrix of a decision."""
    size = pixels.classes + 1
    code = pixels.truth.astype(np.int64) * size + decide(pixels, decision)
    return np.bincount(code, minlength=size * size).reshape(size, size)


def mean_of_classes(beta: float | None, present: Sequence[int]) -> Objective:
    """What is to be large: mean IoU, or F-beta, of the classes (1 is the first) that truth has.

    Of one matrix or of many, shape (…, classes + 1, classes + 1).
    """

    def objective(matrix: np.ndarray) -> np.ndarray:
        values = metrics.iou(matrix) if beta is None else metrics.f_beta(matrix, beta)
        return np.asarray(np.nan_to_num(values[..., list(present)]).mean(axis=-1))

    return objective


def one_threshold(pixels: Pixels, start: Decision, free: Sequence[int], of: Objective) -> Decision:
    """The same threshold for all classes that are free."""
    found = []
    for threshold in THRESHOLDS:
        decision = start
        for place in free:
            decision = decision.changed(place, float(threshold), 1.0)
        found.append((float(of(confusion_of(pixels, decision))), decision))
    return max(found, key=lambda pair: pair[0])[1]


def ascend(
    pixels: Pixels,
    start: Decision,
    free: Sequence[int],
    of: Objective,
    strengths: Sequence[float],
) -> Decision:
    """Coordinate ascent: class by class the best threshold and strength, the others as they are.

    Parameters
    ----------
    pixels : Pixels
    start : Decision
    free : sequence of int
        Places of the classes that may change.
    of : callable
        What is to be large.
    strengths : sequence of float
        To choose from; (1,) leaves them out.

    Returns
    -------
    Decision
    """
    candidates = [(float(t), float(s)) for s in strengths for t in THRESHOLDS]
    tables = np.array([scores(*candidate) for candidate in candidates])
    decision, reached = start, of(confusion_of(pixels, start))
    for _ in range(ROUNDS):
        before = reached
        for place in free:
            best = _best_of(pixels, decision, place, tables, of)
            # Counted in bins: judged again, pixel by pixel.
            trial = decision.changed(place, *candidates[best])
            value = of(confusion_of(pixels, trial))
            if value > reached:
                decision, reached = trial, value
        if reached - before < LEAST_GAIN:
            break
    return decision


BINS = 255


def _best_of(
    pixels: Pixels,
    decision: Decision,
    place: int,
    tables: np.ndarray,
    of: Objective,
) -> int:
    """The best of some tables of scores for one class.

    From counts over its value and the best other score: each table needs one product of matrices.
    """
    size = pixels.classes + 1
    others = np.full(pixels.truth.shape, PRESENT if decision.background else -1.0)
    labels = np.zeros(pixels.truth.shape, np.int64)
    for other in range(len(pixels.values)):
        if other == place:
            continue
        found = scores(decision.thresholds[other], decision.strengths[other])[pixels.values[other]]
        better = found > others
        others = np.where(better, found, others)
        labels[better] = other + 1 if other < pixels.classes else 0
    bins = np.clip(np.floor(others * BINS), 0, BINS).astype(np.int64)
    pairs = bins * (LEVELS + 1) + pixels.values[place]
    kinds, number = np.unique(pairs, return_inverse=True)
    cell = (number * size + pixels.truth) * size + labels
    counts = np.bincount(cell, minlength=len(kinds) * size * size).reshape(len(kinds), -1)
    wins = tables[:, kinds % (LEVELS + 1)] > (kinds // (LEVELS + 1) + 0.5) / BINS
    moved = (wins.astype(np.float64) @ counts).reshape(-1, size, size)
    base = counts.sum(axis=0).reshape(size, size)
    matrices = base - moved
    matrices[:, :, place + 1] += moved.sum(axis=2)
    return int(np.argmax(of(matrices)))


FAMILIES: dict[str, Callable[[Pixels, Decision, Sequence[int], Objective], Decision]] = {
    "one threshold": one_threshold,
    "a threshold per class": lambda pixels, start, free, of: ascend(
        pixels, one_threshold(pixels, start, free, of), free, of, (1.0,)
    ),
    "thresholds and strengths": lambda pixels, start, free, of: ascend(
        pixels, one_threshold(pixels, start, free, of), free, of, tuple(STRENGTHS)
    ),
}


def folds_of(blocks: np.ndarray, number: int = 5) -> np.ndarray:
    """Fold of every block, so that folds have about as many labelled pixels; shape (blocks,)."""
    sizes = np.bincount(blocks)
    folds, filled = np.zeros(len(sizes), np.int64), np.zeros(min(number, int((sizes > 0).sum())))
    for block in np.argsort(-sizes, kind="stable"):
        folds[block] = filled.argmin()
        filled[folds[block]] += sizes[block]
    return folds


def held_out(
    pixels: Pixels, family: str, start: Decision, free: Sequence[int], of: Objective
) -> np.ndarray:
    """Confusion of every block, decided by what was found without its fold.

    Returns
    -------
    ndarray
        int64, shape (blocks, classes + 1, classes + 1).
    """
    folds = folds_of(pixels.blocks)
    size = pixels.classes + 1
    matrices = np.zeros((len(folds), size, size), np.int64)
    fold_of_pixel = folds[pixels.blocks]
    for fold in range(folds.max() + 1):
        inside = fold_of_pixel == fold
        decision = FAMILIES[family](pixels.of(~inside), start, free, of)
        matrices += by_block(pixels.of(inside), decision, len(folds))
    return matrices


def by_block(pixels: Pixels, decision: Decision, blocks: int) -> np.ndarray:
    """Confusion of every block under one decision."""
    size = pixels.classes + 1
    code = (pixels.blocks.astype(np.int64) * size + pixels.truth) * size
    code = code + decide(pixels, decision)
    return np.bincount(code, minlength=blocks * size * size).reshape(blocks, size, size)
