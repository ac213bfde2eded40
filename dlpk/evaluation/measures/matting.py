"""How well alpha mattes agree: SAD, MSE and MAD, each with its scale in its name.

As in the code of those who measured on RefMatte: over the whole image, not a band around the
outline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

GROUPINGS = ("image", "entity", "expression")


@dataclass(frozen=True)
class Matte:
    """Differences of one alpha matte.

    Parameters
    ----------
    image, entity, expression : str
        What it belongs to, coarse to fine.
    pixels : int
    absolute, squared : float
        Sums of |p - g| and (p - g)², alpha 0 to 1.
    """

    image: str
    entity: str
    expression: str
    pixels: int
    absolute: float
    squared: float

    @classmethod
    def of(
        cls,
        alpha: np.ndarray,
        truth: np.ndarray,
        *,
        image: str = "",
        entity: str = "",
        expression: str = "",
    ) -> Matte:
        """Compare two mattes of the same shape, 0 to 1."""
        if alpha.shape != truth.shape:
            raise ValueError(f"mattes of shapes {alpha.shape} and {truth.shape} are compared")
        difference = np.asarray(alpha, np.float64) - truth
        absolute, squared = np.abs(difference).sum(), np.square(difference).sum()
        return cls(image, entity, expression, alpha.size, float(absolute), float(squared))


def matting_measures(mattes: Sequence[Matte], group_by: str) -> dict[str, float]:
    """Mean over groups of the mean within each.

    Which grouping papers call (E) was not found in public sources: hence the argument.

    Parameters
    ----------
    mattes : sequence of Matte
    group_by : str
        ``expression`` (every matte counts the same), ``entity`` or ``image``.

    Returns
    -------
    dict
        ``SAD (sum / 1000)``, ``MSE (alpha 0 to 1)`` and ``MAD (alpha 0 to 1)``.
    """
    if group_by not in GROUPINGS:
        raise ValueError(f"group_by is {group_by!r}; it must be one of {', '.join(GROUPINGS)}")
    groups: dict[tuple[str, ...], list[Matte]] = {}
    for matte in mattes:
        key = {
            "image": (matte.image,),
            "entity": (matte.image, matte.entity),
            "expression": (matte.image, matte.entity, matte.expression),
        }[group_by]
        groups.setdefault(key, []).append(matte)
    rows = [
        np.mean(
            [(m.absolute / 1000, m.squared / m.pixels, m.absolute / m.pixels) for m in group],
            axis=0,
        )
        for group in groups.values()
    ]
    names = ("SAD (sum / 1000)", "MSE (alpha 0 to 1)", "MAD (alpha 0 to 1)")
    means = np.mean(rows, axis=0) if rows else np.full(3, np.nan)
    return dict(zip(names, (float(value) for value in means)))
