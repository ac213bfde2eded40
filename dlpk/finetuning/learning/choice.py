"""Thresholds and strengths, chosen on validation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..scenes import NOTHING, UNKNOWN

# Of the pixels of a view every so many-th one is looked at.
EVERY = 7
STRENGTHS = (0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4)
THRESHOLDS = tuple(np.round(np.arange(0.1, 0.91, 0.05), 2).tolist())
ROUNDS = 2
# Strengths are for classes that are mistaken for each other: less than this is chance.
WORTH = 0.005


@dataclass(frozen=True)
class Choice:
    """How probabilities become classes.

    Parameters
    ----------
    threshold : float
        From which a pixel is a class at all; 0 where every labelled pixel is one.
    strengths : tuple of float
        What the probability of each class is multiplied with.
    before, after : float
        Mean IoU on validation without and with them.
    """

    threshold: float
    strengths: tuple[float, ...]
    before: float
    after: float


def choose(predictions: Iterable[tuple[np.ndarray, np.ndarray]], classes: int) -> Choice:
    """Find the threshold and the strengths with the best mean IoU.

    Parameters
    ----------
    predictions : iterable of (ndarray, ndarray)
        Probabilities, shape (views, classes, height, width), and labels, shape (views, height,
        width).
    classes : int

    Returns
    -------
    Choice
    """
    parts, truths = [], []
    for probabilities, labels in predictions:
        flat = np.moveaxis(probabilities, 1, -1).reshape(-1, classes)[::EVERY]
        known = labels.ravel()[::EVERY] != UNKNOWN
        parts.append(flat[known].astype(np.float32))
        truths.append(labels.ravel()[::EVERY][known])
    found, truth = np.concatenate(parts), np.concatenate(truths)
    nothing = bool((truth == NOTHING).any())
    start = 0.5 if nothing else 0.0
    ones = np.ones(classes)
    before = best = _mean_iou(found, truth, ones, start)
    threshold = start
    for candidate in THRESHOLDS if nothing else ():
        value = _mean_iou(found, truth, ones, candidate)
        if value > best:
            best, threshold = value, candidate
    strengths = ones.copy()
    for _ in range(ROUNDS if classes > 1 else 0):
        for number in range(classes):
            for candidate in STRENGTHS:
                tried = strengths.copy()
                tried[number] = candidate
                value = _mean_iou(found, truth, tried, threshold)
                if value > best + WORTH:
                    best, strengths = value, tried
    return Choice(threshold, tuple(strengths.tolist()), before, best)


def _mean_iou(found: np.ndarray, truth: np.ndarray, strengths: np.ndarray, level: float) -> float:
    classes = len(strengths)
    scores = np.minimum(found * strengths.astype(np.float32), 1.0)
    chosen = scores.argmax(axis=1)
    chosen[scores.max(axis=1) <= level] = classes
    number = np.where(truth == NOTHING, classes, truth)
    table = np.bincount(number * (classes + 1) + chosen, minlength=(classes + 1) ** 2)
    table = table.reshape(classes + 1, classes + 1)
    both = np.diag(table)[:classes]
    true = table.sum(axis=1)[:classes]
    either = true + table.sum(axis=0)[:classes] - both
    there = true > 0
    return float((both[there] / either[there]).mean()) if there.any() else 0.0
