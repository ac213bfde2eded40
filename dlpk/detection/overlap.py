"""Duplicates: what several blocks have found, or one block several times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import shapely


def without_duplicates(
    shapes: Sequence[shapely.Geometry],
    confidence: Sequence[float],
    classes: Sequence[object],
    max_overlap_ratio: float,
) -> list[int]:
    """Choose features as Esri's tool *Non Maximum Suppression* documents it.

    Of two that overlap by more than the ratio (intersection over union), the less confident goes:
    first within each class, then among all that are left.

    Parameters
    ----------
    shapes : sequence of shapely.Geometry
        Polygons.
    confidence : sequence of float
        Of each; of equals, the first stays.
    classes : sequence
        Of each.
    max_overlap_ratio : float
        0 to 1.

    Returns
    -------
    list of int
        Indexes of those that stay, in order.
    """
    outlines = shapely.make_valid(np.asarray(shapes, object))
    ranked = sorted(range(len(shapes)), key=lambda index: (-confidence[index], index))
    areas = shapely.area(outlines)
    tree = shapely.STRtree(outlines)

    def suppressed(candidates: Iterable[int], same_class: bool) -> list[int]:
        left = list(candidates)
        gone: set[int] = set()
        alive = set(left)
        for index in left:
            if index in gone:
                continue
            for other in map(int, tree.query(outlines[index], predicate="intersects")):
                if other == index or other in gone or other not in alive:
                    continue
                if same_class and classes[other] != classes[index]:
                    continue
                if rank[other] < rank[index]:
                    continue  # it was looked at, and has let this one stay
                common = shapely.area(shapely.intersection(outlines[index], outlines[other]))
                union = areas[index] + areas[other] - common
                if common > max_overlap_ratio * union:
                    gone.add(other)
        return [index for index in left if index not in gone]

    rank = {index: place for place, index in enumerate(ranked)}
    return sorted(suppressed(suppressed(ranked, same_class=True), same_class=False))
