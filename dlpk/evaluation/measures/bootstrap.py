"""Confidence intervals by drawing samples, or blocks of a raster, anew."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

DRAWS = 1000


def interval(
    matrices: np.ndarray,
    measure: Callable[[np.ndarray], np.ndarray | float],
    *,
    draws: int = DRAWS,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Interval of a measure of summed counts (percentile bootstrap).

    Parameters
    ----------
    matrices : ndarray
        Counts of each sample or block, first axis samples. These are what is drawn, with
        repetition: neighbouring pixels are no independent witnesses, blocks nearly are.
    measure : callable
        Takes summed counts, the shape of one sample.
    draws : int
    level : float
    seed : int
        The same samples give the same interval.

    Returns
    -------
    low, high : ndarray
        Shape of what `measure` returns; NaN with fewer than two samples.
    """
    count = len(matrices)
    if count < 2:
        nothing = np.full(np.shape(measure(matrices.sum(axis=0))), np.nan)
        return nothing, nothing
    generator = np.random.default_rng(seed)
    times = generator.multinomial(count, np.full(count, 1 / count), size=draws)
    flat = matrices.reshape(count, -1)
    sums = (times @ flat).reshape(draws, *matrices.shape[1:])
    values = np.array([measure(counts) for counts in sums])
    tail = (1 - level) / 2
    with np.errstate(all="ignore"):
        low, high = (
            np.where(np.isnan(values).all(axis=0), np.nan, _quantile(values, share))
            for share in (tail, 1 - tail)
        )
    return low, high


def _quantile(values: np.ndarray, share: float) -> np.ndarray:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a class that no draw has
        return np.asarray(np.nanquantile(values, share, axis=0))
