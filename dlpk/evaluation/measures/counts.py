"""What agreement is counted in: whole numbers, however large a raster is.

Class 0 is the background, what is none of the classes; class 1, 2, … are those looked for; pixels
of truth with the value 255 are not known and count nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

IGNORED = 255
MOST_CLASSES = 254
# Probabilities are counted in steps of a five-hundredth. Every tenth edge is a threshold of the
# CLIPSeg paper, to the last bit.
STEPS = 500
EDGES = np.linspace(0, 1, STEPS + 1)
EDGES[::10] = np.linspace(0, 1, STEPS // 10 + 1)


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Count pairs of classes.

    Parameters
    ----------
    truth, predicted : ndarray
        uint8, the same shape; what either holds at 255 does not count.
    classes : int
        Number of classes with the background.

    Returns
    -------
    ndarray
        int64, shape (classes, classes): rows are the truth, columns the prediction.
    """
    pairs = truth.astype(np.uint16) * 256 + predicted
    table = np.bincount(pairs.ravel(), minlength=65536).reshape(256, 256)
    return table[:classes, :classes].astype(np.int64)


def grouped_confusion(
    truth: np.ndarray, predicted: np.ndarray, groups: np.ndarray, classes: int, number: int
) -> np.ndarray:
    """Count pairs of classes per group of pixels, shape (groups, classes, classes).

    Parameters
    ----------
    truth, predicted : ndarray
        As in `confusion`.
    groups : ndarray
        Group of every pixel, from 0; `number` and above count nowhere.
    classes, number : int
        Number of classes with the background, and of groups.
    """
    counted = (truth < classes) & (predicted < classes) & (groups < number)
    code = groups[counted].astype(np.int64)
    code = (code * classes + truth[counted]) * classes + predicted[counted]
    table = np.bincount(code, minlength=number * classes * classes)
    return table.reshape(number, classes, classes).astype(np.int64)


@dataclass(frozen=True)
class ThresholdCounts:
    """How many pixels lie above each threshold.

    Parameters
    ----------
    hits, misses : ndarray
        int64, shape (…, STEPS + 1): pixels of the class, and others, per step of probability.
    """

    hits: np.ndarray
    misses: np.ndarray

    @classmethod
    def of(cls, probabilities: np.ndarray, truth: np.ndarray, known: np.ndarray) -> ThresholdCounts:
        """Count one class in an array.

        Parameters
        ----------
        probabilities : ndarray
        truth, known : ndarray
            bool, the same shape: whether a pixel is of the class, and whether that is known.
        """
        # How many of the edges a probability is above: p > t as in a run.
        step = np.minimum(np.searchsorted(EDGES, probabilities, side="left"), STEPS)
        hits, misses = (
            np.bincount(step[chosen], minlength=STEPS + 1)
            for chosen in (known & truth, known & ~truth)
        )
        return cls(hits, misses)

    @classmethod
    def of_classes(
        cls, values: np.ndarray, truth: np.ndarray, known: np.ndarray
    ) -> ThresholdCounts:
        """Count all classes, one band each, the first of them class 1."""
        return cls.stacked([cls.of(band, truth == n, known) for n, band in enumerate(values, 1)])

    @classmethod
    def stacked(cls, parts: list[ThresholdCounts]) -> ThresholdCounts:
        """Counts of several samples or classes, along a new first axis."""
        return cls(np.stack([p.hits for p in parts]), np.stack([p.misses for p in parts]))

    def summed(self) -> ThresholdCounts:
        """Counts summed over the first axis."""
        return ThresholdCounts(self.hits.sum(axis=0), self.misses.sum(axis=0))

    @property
    def tp(self) -> np.ndarray:
        """Pixels of the class above each of `EDGES`."""
        return _above(self.hits)

    @property
    def fp(self) -> np.ndarray:
        """Other pixels above each of `EDGES`."""
        return _above(self.misses)

    @property
    def fn(self) -> np.ndarray:
        """Pixels of the class that are not above."""
        return np.asarray(self.hits.sum(axis=-1, keepdims=True) - self.tp)

    @property
    def tn(self) -> np.ndarray:
        """Other pixels that are not above."""
        return np.asarray(self.misses.sum(axis=-1, keepdims=True) - self.fp)


def _above(values: np.ndarray) -> np.ndarray:
    # A pixel in step s is above the edges 0 … s - 1.
    from_here = values[..., ::-1].cumsum(axis=-1)[..., ::-1]
    above: np.ndarray = from_here - values
    return above
