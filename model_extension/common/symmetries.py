"""The eight symmetries of the square, in which tiles can be looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # dialogs list arguments without torch
    from torch import Tensor

SYMMETRIES = tuple(range(8))  # of views from above
MIRRORED = (0, 4)  # of pictures that have an up and a down


def turned(images: Tensor, view: int) -> Tensor:
    """Images in one of the eight symmetries of the square: a quarter turn each, mirrored from 4."""
    if view >= 4:
        images = images.flip(-1)
    return images.rot90(view % 4, (-2, -1)) if view % 4 else images


def turned_back(images: Tensor, view: int) -> Tensor:
    """Undo `turned`."""
    if view % 4:
        images = images.rot90(-(view % 4), (-2, -1))
    return images.flip(-1) if view >= 4 else images
