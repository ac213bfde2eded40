"""What few-shot datasets share: folds of classes, and support images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from ...errors import TruthError
from ..dataset import Sample, first_band, read_classes

FOLDS = 4


def chosen_folds(fold: int | str, what: str) -> list[int]:
    """Folds to read: one, or all.

    Raises
    ------
    TruthError
        There is no such fold.
    """
    if fold == "all":
        return list(range(FOLDS))
    if fold not in range(FOLDS):
        raise TruthError(f"the fold is {fold}; {what} has the folds 0 to 3, or all")
    return [int(fold)]


def values_in(mask: Path, least: int) -> set[int]:
    """Values of a mask that at least so many pixels have."""
    counts = np.bincount(first_band(mask).ravel().astype(np.int64), minlength=1)
    return {int(value) for value in np.flatnonzero(counts >= max(1, least))}


def class_samples(
    name: str,
    image: Path,
    mask: Path,
    present: set[int],
    values: Mapping[int, str],
    part: str,
    ignore: Sequence[int] = (),
) -> list[Sample]:
    """A sample for each class of a fold that an image shows."""
    return [
        Sample(
            f"{name} {label}",
            image,
            partial(read_classes, mask, {value: 1}, ignore),
            label,
            label,
            group=name,
            part=part,
        )
        for value, label in values.items()
        if value in present
    ]


def with_support(samples: Sequence[Sample], shots: int, seed: int) -> tuple[list[Sample], str]:
    """Samples with support images, drawn from other images of their class, and what was done.

    Raises
    ------
    TruthError
        There are too few images of a class to draw from.
    """
    if not shots:
        return list(samples), ""
    by_class: dict[str, list[Sample]] = {}
    for sample in samples:
        by_class.setdefault(sample.label, []).append(sample)
    found = []
    for number, sample in enumerate(samples):
        others = [other for other in by_class[sample.label] if other.group != sample.group]
        if len(others) < shots:
            raise TruthError(
                f"{len(others)} images besides {sample.group} show {sample.label}: {shots} are "
                "needed as support"
            )
        drawn = np.random.default_rng((seed, number)).permutation(len(others))[:shots]
        support = tuple(others[i] for i in drawn)
        found.append(replace(sample, support=support))
    return found, f", {shots} support images of the same list by seed {seed}"
