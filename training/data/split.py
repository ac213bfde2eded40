"""Which parts of the Sentinel-2 scene the training may see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK = 240
"""Edge of a block, in pixels; the last row and column of blocks take what is left over."""

GAP = 48
"""Pixels around every held-out block that belong to neither side: half a tile."""

BLOCK_MAP = (
    "........",
    "H.......",
    "..DDDD..",
    "..DDDD..",
    "..DDDD..",
    "..DDDD..",
    ".H......",
    "........",
)
"""One character per block, north up: ``.`` training, ``D`` demo scene, ``H`` held out as well.

The demo scene is the middle of the picture: its shares of water and vegetation (0.60 and 0.19) are
those of the whole scene (0.57 and 0.19). The other two blocks lie inland and at the southern shore.
"""


@dataclass(frozen=True)
class Window:
    """A rectangle of pixels.

    Parameters
    ----------
    top, left, height, width : int
        First row, first column and size, in pixels of the scene.
    """

    top: int
    left: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Return the row and the column slice of the window."""
        return (
            slice(self.top, self.top + self.height),
            slice(self.left, self.left + self.width),
        )


def demo_window() -> Window:
    """Return the window of the demo scene: the rectangle of all ``D`` blocks."""
    rows = [row for row, line in enumerate(BLOCK_MAP) if "D" in line]
    columns = [column for column in range(len(BLOCK_MAP[0])) if BLOCK_MAP[rows[0]][column] == "D"]
    return Window(
        top=rows[0] * BLOCK,
        left=columns[0] * BLOCK,
        height=len(rows) * BLOCK,
        width=len(columns) * BLOCK,
    )


def other_windows() -> list[Window]:
    """Return the windows of the other held-out blocks (``H``), from the north."""
    return [
        Window(row * BLOCK, column * BLOCK, BLOCK, BLOCK)
        for row, line in enumerate(BLOCK_MAP)
        for column, kind in enumerate(line)
        if kind == "H"
    ]


def training_mask(height: int, width: int) -> NDArray[np.bool_]:
    """Return which pixels of the scene the training may see.

    Parameters
    ----------
    height, width : int
        Size of the scene in pixels.

    Returns
    -------
    array of bool, shape (height, width)
        False in the held-out blocks and in a gap of `GAP` pixels around them.

    Raises
    ------
    ValueError
        The scene is too small for the map of blocks.
    """
    if height < BLOCK * len(BLOCK_MAP) or width < BLOCK * len(BLOCK_MAP[0]):
        raise ValueError(
            f"the scene has {width} x {height} pixels; the split needs at least "
            f"{BLOCK * len(BLOCK_MAP[0])} x {BLOCK * len(BLOCK_MAP)}"
        )
    mask = np.ones((height, width), dtype=bool)
    for window in [demo_window(), *other_windows()]:
        rows = slice(max(window.top - GAP, 0), window.top + window.height + GAP)
        columns = slice(max(window.left - GAP, 0), window.left + window.width + GAP)
        mask[rows, columns] = False
    return mask
