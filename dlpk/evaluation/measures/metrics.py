"""Measures of agreement, from counts.

Functions take a confusion matrix, shape (…, classes, classes), rows truth, columns prediction, of
which class 0 is the background; or counts per threshold. A ratio of nothing to nothing is NaN and
stays out of means, unless an argument says otherwise.
"""

from __future__ import annotations

import numpy as np

from .counts import EDGES, STEPS, ThresholdCounts

# The edges that are thresholds of the CLIPSeg paper: 0.02, 0.04 … 0.98.
PAPER = slice(STEPS // 50, STEPS, STEPS // 50)


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """`part` / `whole`, NaN where there is nothing."""
    whole = np.asarray(whole, np.float64)
    nothing = np.full(whole.shape, np.nan)
    return np.asarray(np.divide(part, whole, out=nothing, where=whole > 0))


def mean(values: np.ndarray) -> float:
    """Mean of what is not NaN; NaN if nothing is left."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def true_positive(matrix: np.ndarray) -> np.ndarray:
    """Pixels per class that are right."""
    found: np.ndarray = np.diagonal(matrix, axis1=-2, axis2=-1)
    return found


def iou(matrix: np.ndarray) -> np.ndarray:
    """Intersection over union per class, shape (…, classes)."""
    both = true_positive(matrix)
    return ratio(both, matrix.sum(axis=-1) + matrix.sum(axis=-2) - both)


def mean_iou(matrix: np.ndarray, *, background: bool) -> float:
    """Mean over classes of the IoU over all samples; a class that is nowhere does not count."""
    return mean(iou(matrix)[0 if background else 1 :])


def mean_iou_by_sample(matrices: np.ndarray, *, background: bool) -> float:
    """Mean over samples of each sample's mean over classes, shape (samples, classes, classes)."""
    per_sample = iou(matrices)[:, 0 if background else 1 :]
    return mean(np.array([mean(values) for values in per_sample]))


def foreground_iou(matrix: np.ndarray) -> float:
    """IoU of anything against background, whichever class it is."""
    both = matrix[1:, 1:].sum()
    return float(ratio(both, matrix.sum() - matrix[0, 0]))


def dice(matrix: np.ndarray, *, empty: float = float("nan")) -> np.ndarray:
    """Dice per class: 2 |P and G| / (|P| + |G|).

    Parameters
    ----------
    matrix : ndarray
    empty : float
        What a class counts that is in neither: NaN (left out), or 1 as with MONAI's
        ``ignore_empty=False``.
    """
    sizes = matrix.sum(axis=-1) + matrix.sum(axis=-2)
    return np.where(sizes == 0, empty, ratio(2 * true_positive(matrix), sizes))


def precision(matrix: np.ndarray) -> np.ndarray:
    """Part of each predicted class that is right."""
    return ratio(true_positive(matrix), matrix.sum(axis=-2))


def recall(matrix: np.ndarray) -> np.ndarray:
    """Part of each true class that was found."""
    return ratio(true_positive(matrix), matrix.sum(axis=-1))


def f_beta(matrix: np.ndarray, beta: float = 1.0) -> np.ndarray:
    """F-beta per class; above 1 `beta` weighs recall."""
    square = beta**2
    weighted = square * matrix.sum(axis=-1) + matrix.sum(axis=-2)
    return ratio((1 + square) * true_positive(matrix), weighted)


def accuracy(matrix: np.ndarray) -> float:
    """Part of all pixels that are right."""
    return float(ratio(true_positive(matrix).sum(), matrix.sum()))


def false_alarms(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is found in samples that do not have it.

    Parameters
    ----------
    matrices : ndarray
        Shape (samples, classes, classes).

    Returns
    -------
    samples, share, pixels : ndarray
        Per class: samples without the class, the share of them in which some of it is found, and
        the share of their pixels.
    """
    without = matrices.sum(axis=-1) == 0
    found = matrices.sum(axis=-2)
    samples = without.sum(axis=0)
    share = ratio(((found > 0) & without).sum(axis=0), samples)
    pixels = matrices.sum(axis=(-1, -2))[:, None] * without
    return samples, share, ratio((found * without).sum(axis=0), pixels.sum(axis=0))


# By threshold ------------------------------------------------------------------------------------


def iou_by_threshold(counts: ThresholdCounts, *, plus: int = 0) -> np.ndarray:
    """IoU above each of `EDGES`, shape (…, STEPS + 1); `plus` is added to the denominator."""
    return ratio(counts.tp, counts.tp + counts.fp + counts.fn + plus)


def best_threshold(values: np.ndarray) -> float:
    """Threshold of the largest value, the middle of equally good ones: farthest from wrong."""
    values = np.nan_to_num(values)
    first = last = int(np.argmax(values))
    while last + 1 < len(values) and values[last + 1] == values[first]:
        last += 1
    return float(EDGES[(first + last) // 2])


def average_precision(counts: ThresholdCounts) -> float:
    """Step AP of one class: sum of precision times what it adds to recall, from the top down.

    The same as scikit-learn's but for probabilities that share a step of a five-hundredth.
    """
    hits = counts.hits[::-1].astype(np.float64)
    tp, fp = hits.cumsum(), counts.misses[::-1].cumsum()
    if not tp[-1]:
        return float("nan")
    return float((hits / tp[-1] * np.nan_to_num(ratio(tp, tp + fp))).sum())


def paper_average_precision(counts: ThresholdCounts) -> float:
    """AP as the CLIPSeg paper has it.

    At 49 thresholds, 1 added to every denominator, thresholds above which nothing lies left out,
    repeated pairs left out, area by Simpson's rule over recall, without end points.

    Returns
    -------
    float
        NaN where fewer than two thresholds are left.
    """
    from scipy.integrate import simpson

    tp, fp, fn = (part[PAPER] for part in (counts.tp, counts.fp, counts.fn))
    made = tp + fp > 0
    pairs = {
        (float(r), float(p)) for r, p in zip((tp / (1 + tp + fn))[made], (tp / (1 + tp + fp))[made])
    }
    if len(pairs) < 2:
        return float("nan")
    recalls, precisions = zip(*sorted(pairs))
    return float(simpson(precisions, x=recalls))


def paper_measures(samples: ThresholdCounts, labels: list[int]) -> dict[str, np.ndarray]:
    """The IoUs of the CLIPSeg paper at its 49 thresholds, 1 added to every denominator.

    Parameters
    ----------
    samples : ThresholdCounts
        Of each sample, shape (samples, STEPS + 1).
    labels : list of int
        Class of each sample; in PhraseCut its number, which makes mIoU a mean over samples.

    Returns
    -------
    dict
        ``IoU_FG``, ``IoU_BIN`` and ``mIoU``, each shape (49,).
    """
    total = samples.summed()
    foreground = iou_by_threshold(total, plus=1)[PAPER]
    background = (total.tn / (1 + total.tn + total.fn + total.fp))[PAPER]
    chosen = np.asarray(labels)
    by_class = [
        iou_by_threshold(
            ThresholdCounts(samples.hits[chosen == c], samples.misses[chosen == c]).summed(), plus=1
        )[PAPER]
        for c in np.unique(chosen)
    ]
    return {
        "IoU_FG": foreground,
        "IoU_BIN": (foreground + background) / 2,
        "mIoU": np.mean(by_class, axis=0),
    }


def reliability(
    counts: ThresholdCounts, bins: int = 10
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How often what is said with a probability is so.

    Parameters
    ----------
    counts : ThresholdCounts
        Of one class.
    bins : int
        Of equal width; a divisor of 500.

    Returns
    -------
    said, true, pixels : ndarray
        Per bin: mean probability (pixels count with the middle of their step), the share of pixels
        of the class, and how many there are.
    """
    middles = np.maximum((np.arange(STEPS + 1) - 0.5) / STEPS, 0)
    number = np.maximum((np.arange(STEPS + 1) - 1) * bins // STEPS, 0)
    every = counts.hits + counts.misses
    pixels = np.bincount(number, every, bins)
    said = ratio(np.bincount(number, every * middles, bins), pixels)
    return said, ratio(np.bincount(number, counts.hits, bins), pixels), pixels


def calibration_error(counts: ThresholdCounts, bins: int = 10) -> float:
    """Expected calibration error (ECE): mean difference of said and true, weighted by pixels."""
    said, true, pixels = reliability(counts, bins)
    return float(ratio((np.nan_to_num(np.abs(said - true)) * pixels).sum(), pixels.sum()))
