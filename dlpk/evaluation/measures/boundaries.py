"""How well outlines agree, at k pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...errors import TruthError
from .counts import IGNORED
from .metrics import ratio

# Distances above this take long and say little.
FARTHEST = 50


def boundary_counts(
    truth: np.ndarray, predicted: np.ndarray, classes: int, within: int, margin: int = 0
) -> np.ndarray:
    """Count pixels of outlines, and those that have the other outline near.

    The outline of a class are its pixels beside a known pixel of another class; the edge of a
    raster and of what is known is none.

    Parameters
    ----------
    truth, predicted : ndarray
        uint8, shape (rows, columns); 255 does not count.
    classes : int
        Number of classes with the background.
    within : int
        Distance in pixels.
    margin : int
        Pixels at the border of the arrays that are there for their neighbours alone; at least
        `within` + 1 where the raster goes on.

    Returns
    -------
    ndarray
        int64, shape (classes, 4): outline of the prediction, those within reach of the true one,
        outline of the truth, those within reach of the predicted one.
    """
    known = (truth != IGNORED) & (predicted != IGNORED)
    counts = np.zeros((classes, 4), np.int64)
    middle = tuple(slice(margin, side - margin) for side in truth.shape)
    outlines = [_outline(part, known) for part in (predicted, truth)]
    for number in range(classes):
        lines = [line & (part == number) for line, part in zip(outlines, (predicted, truth))]
        if not (lines[0].any() or lines[1].any()):
            continue
        for place, (line, other) in enumerate((lines, lines[::-1])):
            near = _grown(other, within)
            counts[number, 2 * place] = line[middle].sum()
            counts[number, 2 * place + 1] = (line & near)[middle].sum()
    return counts


def boundary_f(counts: np.ndarray) -> np.ndarray:
    """F1 of outlines per class, from `boundary_counts` (summed over samples)."""
    precision = ratio(counts[..., 1], counts[..., 0])
    recall = ratio(counts[..., 3], counts[..., 2])
    total = precision + recall
    # One outline without the other agrees nowhere.
    both = np.where(np.isnan(precision) ^ np.isnan(recall), 0.0, 2 * precision * recall)
    return np.where(
        np.isnan(precision) & np.isnan(recall), np.nan, np.where(total > 0, both / total, 0.0)
    )


def check_distances(distances: Sequence[int]) -> None:
    """Refuse what would take for ever, or is no distance.

    Raises
    ------
    TruthError
        One is below 0 or above `FARTHEST`.
    """
    if any(not 0 <= distance <= FARTHEST for distance in distances):
        raise TruthError(f"distances of boundary F are from 0 to {FARTHEST} pixels")


def _outline(classes: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Pixels beside a known one of another class."""
    line = np.zeros(classes.shape, bool)
    for axis in (0, 1):
        first = (slice(None),) * axis + (slice(None, -1),)
        second = (slice(None),) * axis + (slice(1, None),)
        differs = (classes[first] != classes[second]) & known[first] & known[second]
        line[first] |= differs
        line[second] |= differs
    return line


def _grown(line: np.ndarray, within: int) -> np.ndarray:
    """Pixels that have one of the line in reach, over a disk."""
    rows, columns = line.shape
    wide = np.pad(line, within)
    grown = np.zeros_like(line)
    for down in range(-within, within + 1):
        half = math.isqrt(within**2 - down**2)
        for right in range(-half, half + 1):
            top, left = within + down, within + right
            grown |= wide[top : top + rows, left : left + columns]
    return grown
