"""Training and validation apart from each other on the ground, with a gap between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import FinetuningError
from .scenes import NOTHING, UNKNOWN, Scene, Window

# Part of the blocks that validate, and how many blocks there should be to choose from.
SHARE, FEW_BLOCKS = 0.2, 8
DRAWS = 200

# Ground, row and column of a block.
Block = tuple[str, int, int]


@dataclass(frozen=True)
class Split:
    """Which blocks train and which validate.

    Parameters
    ----------
    side : int
        Of a block, in pixels.
    gap : int
        Pixels around validation that belong to neither.
    training, validation : tuple of Block
        Those with labels.
    counts : dict
        Labelled pixels per block, int64, shape (classes + 1,); the last of no class.
    """

    side: int
    gap: int
    training: tuple[Block, ...]
    validation: tuple[Block, ...]
    counts: dict[Block, np.ndarray] = field(repr=False)

    def masked(self, scene: Scene, window: Window, *, training: bool) -> np.ndarray:
        """Which pixels of a window belong to a side of the split: bool, shape (height, width)."""
        ground, column, row = scene.place
        left, top, width, height = window
        left, top = round(column) + left, round(row) + top
        held = np.zeros((height, width), bool)
        gap = self.gap if training else 0

        def span(number: int, start: int) -> slice:
            first = number * self.side - gap - start
            return slice(max(0, first), max(0, first + self.side + 2 * gap))

        for other, block_row, block_column in self.validation:
            if other == ground:
                held[span(block_row, top), span(block_column, left)] = True
        return ~held if training else held

    def to_text(self, classes: Sequence[str]) -> str:
        """The split for people."""
        lines = [
            f"{len(self.training)} blocks of {self.side} pixels train, {len(self.validation)} "
            f"validate, {self.gap} pixels around those belong to neither",
            f"{'labelled pixels':24} {'training':>12} {'validation':>12}",
        ]
        for number, name in enumerate(classes):
            training, validation = (
                sum(int(self.counts[block][number]) for block in blocks)
                for blocks in (self.training, self.validation)
            )
            odd = "  not validated: label some elsewhere" if not validation else ""
            odd = odd if training else "  not learnt: label some elsewhere"
            lines.append(f"{name[:24]:24} {training:12,} {validation:12,}{odd}")
        return "\n".join(lines)


def split(scenes: Sequence[Scene], classes: Sequence[str], tile: int, seed: int) -> Split:
    """Divide labelled ground into blocks and choose those that validate.

    Blocks are as large as a tile, or smaller where there are few, or where one holds all of a
    class. Of many random choices that is
    taken in which every class has nearly the same share in validation.

    Raises
    ------
    FinetuningError
        There are too few labels to divide; says all that is wrong.
    """
    side = tile
    counts = _count(scenes, len(classes), side)
    while _are_few(counts) and side > tile // 4 and side >= 16:
        side //= 2
        counts = _count(scenes, len(classes), side)
    blocks = sorted(counts)
    table = np.array([counts[block] for block in blocks], np.int64).reshape(-1, len(classes) + 1)
    _check(table, classes, side)
    chosen = _choose(table, seed)
    return Split(
        side,
        max(1, side // 8),
        tuple(block for block, held in zip(blocks, chosen) if not held),
        tuple(block for block, held in zip(blocks, chosen) if held),
        counts,
    )


def _are_few(counts: dict[Block, np.ndarray]) -> bool:
    if len(counts) < FEW_BLOCKS:
        return True
    alone = (np.array(list(counts.values()))[:, :-1] > 0).sum(axis=0) == 1
    return bool(alone.any())


def _check(table: np.ndarray, classes: Sequence[str], side: int) -> None:
    """Refuse labels that nothing can be learnt from, or nothing be validated with."""
    there = table[:, : len(classes)].sum(axis=0) > 0
    if not there.any():
        raise FinetuningError("the images hold no labelled pixel of any class")
    wrong = []
    if len(table) < 2:
        wrong.append(
            f"all labels lie in one block of {side} pixels: training and validation need two"
        )
    missing = [name for name, some in zip(classes, there) if not some]
    if missing:
        wrong.append(
            f"no pixel is labelled {', '.join(missing)}: label some, or leave the class out with "
            "--classes"
        )
    if there.sum() == 1 and not table[:, -1].any():
        name = classes[int(there.argmax())]
        wrong.append(
            f"every labelled pixel is {name}: label some of what is not (as background, or with "
            "polygons called other), or there is nothing to tell it from"
        )
    alone = [
        name
        for name, blocks in zip(classes, (table[:, : len(classes)] > 0).sum(axis=0))
        if blocks == 1 and len(table) > 1
    ]
    if len(alone) == there.sum() and len(table) > 1:
        wrong.append(
            f"{', '.join(alone)}: all of it lies in one block of {side} pixels; label some "
            "elsewhere, as what is learnt is judged on other blocks"
        )
    if wrong:
        raise FinetuningError("the labels cannot be used:\n  " + "\n  ".join(wrong))


def _choose(table: np.ndarray, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    held = max(1, round(SHARE * len(table)))
    best, least = np.zeros(len(table), bool), np.inf
    totals = np.maximum(table.sum(axis=0), 1)
    for _ in range(DRAWS):
        choice = np.zeros(len(table), bool)
        choice[random.permutation(len(table))[:held]] = True
        share = (table[choice].sum(axis=0) / totals)[table.sum(axis=0) > 0]
        # A class that is on one side only is worst, and more so where it cannot be learnt.
        cost = float(
            np.abs(share - SHARE).sum() + 10 * (share == 0).sum() + 20 * (share == 1).sum()
        )
        if cost < least:
            best, least = choice, cost
    return best


def _count(scenes: Sequence[Scene], classes: int, side: int) -> dict[Block, np.ndarray]:
    counts: dict[Block, np.ndarray] = {}
    for scene in scenes:
        ground, column, row = scene.place
        for top, height, block_row in _parts(round(row), scene.height, side):
            for left, width, block_column in _parts(round(column), scene.width, side):
                labels = scene.read((left, top, width, height))[1]
                found = np.bincount(labels.ravel(), minlength=256)
                if found[:UNKNOWN].sum():
                    key = (ground, block_row, block_column)
                    known = counts.setdefault(key, np.zeros(classes + 1, np.int64))
                    known += np.append(found[:classes], found[NOTHING])
    return counts


def _parts(offset: int, length: int, side: int) -> list[tuple[int, int, int]]:
    """Start and length of the pieces that blocks cut an axis into, and the block's number."""
    parts, start = [], 0
    while start < length:
        number = (offset + start) // side
        end = min(length, (number + 1) * side - offset)
        parts.append((start, end - start, number))
        start = end
    return parts
