"""Thresholds from a few places that somebody has named on the map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

import numpy as np

from ...errors import ArgumentsError
from ...evaluation.calibration.calibrate import MADE_HERE
from ...evaluation.calibration.search import (
    LEVELS,
    Decision,
    Pixels,
    ascend,
    confusion_of,
    decide,
)
from ...evaluation.calibration.store import Words, words_of
from ..map.pyramid import TILE, Tile
from ..prompt_set import Row
from ..studio import Studio
from .packages import tuned

MOST_SPOTS = 200
ROUNDS = 3


class Spot(NamedTuple):
    """A pixel, and what is there.

    Parameters
    ----------
    column, row : int
        In the raster.
    value : int
        Of the class; 0: none of them.
    """

    column: int
    row: int
    value: int


def calibrate_spots(
    studio: Studio,
    raster: int,
    rows: Sequence[Row],
    arguments: Mapping[str, str],
    spots: Sequence[Spot],
) -> dict[str, Any]:
    """Find the thresholds with which most spots get the class that they were given.

    Between two that decide alike, the one in the middle is taken: a few spots say no more.

    Parameters
    ----------
    raster : int
        Its number.
    rows : sequence of Row
        Of the page, where the search starts.
    arguments : mapping
        Other arguments of the function, by name.
    spots : sequence of Spot

    Returns
    -------
    dict
        ``classes``, each with ``value``, ``threshold``, ``strength``, and ``why`` it was left as
        it is; ``right`` and ``before``, how many spots are right with these thresholds and were
        before; ``spots``, how many there are; ``wrong``, the numbers of those that are not right.

    Raises
    ------
    DlpkError
        There are no spots, or one lies outside.
    """
    if not spots or len(spots) > MOST_SPOTS:
        raise ArgumentsError(f"mark 1 to {MOST_SPOTS} spots, not {len(spots)}")
    prompts = studio.prompt_set(raster, {})
    if prompts is None:
        raise ArgumentsError("this package has no place for thresholds")
    prompt, values = tuned(rows, prompts.thresholds)
    given = {**arguments, "text_prompt": prompt}
    studio.prompt_set(raster, given)  # which says what cannot be read
    words = words_of(studio.package, given)
    start = words.start
    for place, name in enumerate(words.keys):
        if name in values:
            start = start.changed(place, *values[name])
    pixels, kept = _pixels(studio, raster, given, words, spots)
    free = [place for place in range(len(words.keys)) if place not in words.fixed]
    decision = _ascended(pixels, start, free)
    decision = _in_the_middle(pixels, decision, start, free)
    classes = [
        {
            "value": place + 1,
            "threshold": round(decision.thresholds[place], 3),
            "strength": round(decision.strengths[place], 3),
            "changed": decision.thresholds[place] != start.thresholds[place],
            "why": words.fixed.get(place, ""),
        }
        for place in range(len(words.keys))
    ]
    found = _right(pixels, decision)
    return {
        "classes": classes,
        "right": int(found.sum()),
        "before": int(_right(pixels, start).sum()),
        "spots": len(kept),
        "wrong": [kept[place] for place in np.flatnonzero(~found).tolist()],
    }


def _share_right(matrix: np.ndarray) -> np.ndarray:
    """Share of spots that are right, of one confusion matrix or many."""
    return np.asarray(np.trace(matrix, axis1=-2, axis2=-1) / matrix.sum(axis=(-2, -1)))


def _ascended(pixels: Pixels, start: Decision, free: Sequence[int]) -> Decision:
    """The best thresholds, found class by class; strengths stay."""
    decision = start
    for _ in range(ROUNDS):
        before = decision
        for place in free:
            decision = ascend(pixels, decision, [place], _share_right, (start.strengths[place],))
        if decision == before:
            break
    return decision


def _pixels(
    studio: Studio,
    raster: int,
    arguments: Mapping[str, str],
    words: Words,
    spots: Sequence[Spot],
) -> tuple[Pixels, list[int]]:
    """What the package says at the spots, and the numbers of those that have data."""
    size = studio.pyramid(raster).raster
    given = {name: value for name, value in arguments.items() if name not in MADE_HERE}
    given |= {"text_prompt": words.prompt, "return_probability_raster": "True"}
    tiles: dict[Tile, Future[np.ndarray]] = {}
    for spot in spots:
        if not (0 <= spot.column < size.width and 0 <= spot.row < size.height):
            raise ArgumentsError(f"column {spot.column}, row {spot.row} lies outside the raster")
        if not 0 <= spot.value <= len(words.keys):
            raise ArgumentsError(f"there is no class {spot.value}: they are 1 to {len(words.keys)}")
        tile = Tile(0, spot.column // TILE, spot.row // TILE)
        if tile not in tiles:
            tiles[tile] = studio.computed(raster, tile, given)
    values = []
    for spot in spots:
        tile = Tile(0, spot.column // TILE, spot.row // TILE)
        values.append(tiles[tile].result()[:, spot.row - tile.top, spot.column - tile.left])
    stack = np.array(values).T
    known = np.isfinite(stack).all(axis=0)
    if not known.any():
        raise ArgumentsError("there is no data at these spots")
    levels = np.round(np.clip(stack[:, known], 0, 1) * LEVELS).astype(np.uint8)
    truth = np.array([spot.value for spot in spots], np.uint8)[known]
    blocks = np.zeros(len(truth), np.int64)
    return Pixels(levels, truth, blocks, len(words.keys)), np.flatnonzero(known).tolist()


def _right(pixels: Pixels, decision: Decision) -> np.ndarray:
    return np.asarray(decide(pixels, decision) == pixels.truth)


def _in_the_middle(
    pixels: Pixels, decision: Decision, start: Decision, free: Sequence[int]
) -> Decision:
    """Thresholds half-way between the spots below and above, where that changes none of them."""
    for place in free:
        values = pixels.values[place] / LEVELS * decision.strengths[place]
        threshold = decision.thresholds[place]
        middle = (
            max(values[values <= threshold], default=0.0)
            + min(values[values > threshold], default=1.0)
        ) / 2
        for trial in (start.thresholds[place], round(float(middle), 3)):
            changed = decision.changed(place, trial, decision.strengths[place])
            if (confusion_of(pixels, changed) == confusion_of(pixels, decision)).all():
                decision = changed
                break
    return decision
