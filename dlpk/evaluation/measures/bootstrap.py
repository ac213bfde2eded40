"""Confidence intervals by drawing samples, or blocks of a raster, anew."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

DRAWS = 1000


def interval(
    matrices: np.ndarray,
    measure: Callable[[np.ndarray], np.ndarray | float],
    *,
    draws: int = DRAWS,
) -> tuple[np.ndarray, np.ndarray]:
    """Interval of 95 % of a measure of summed counts (percentile bootstrap).

    Parameters
    ----------
    matrices : ndarray
        Counts of each sample or block, first axis samples. These are what is drawn, with
        repetition: neighbouring pixels are no independent witnesses, blocks nearly are.
    measure : callable
        Takes summed counts, the shape of one sample.
    draws : int

    Returns
    -------
    low, high : ndarray
        Shape of what `measure` returns; NaN with fewer than two samples. The same samples give the
        same interval.
    """
    count = len(matrices)
    if count < 2:
        nothing = np.full(np.shape(measure(matrices.sum(axis=0))), np.nan)
        return nothing, nothing
    generator = np.random.default_rng(0)
    times = generator.multinomial(count, np.full(count, 1 / count), size=draws)
    flat = matrices.reshape(count, -1)
    sums = (times @ flat).reshape(draws, *matrices.shape[1:])
    values = np.array([measure(counts) for counts in sums])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a class that no draw has
        low, high = np.nanquantile(values, (0.025, 0.975), axis=0)
    return low, high
