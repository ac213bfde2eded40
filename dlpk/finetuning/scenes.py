"""Labelled images as they come: a name, a size, and windows of pixels with labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# Values of labels; classes are 0, 1, … in their order.
NOTHING, UNKNOWN = 254, 255
MOST_CLASSES = 200

Window = tuple[int, int, int, int]
Read = Callable[[Window], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Scene:
    """One labelled image.

    Parameters
    ----------
    name : str
        For messages.
    width, height : int
        In pixels.
    place : (str, float, float)
        Ground that it shares with other scenes: what the ground is called, column and row of its
        top left pixel there, in pixels. Scenes without a place on earth have a
        ground of their own.
    read : callable
        Takes a window (left, top, width, height) inside of the image; returns pixels, uint8, shape
        (3, height, width), and labels, uint8, shape (height, width): number of the class,
        `NOTHING` for what is none of them, `UNKNOWN` for what counts neither way.
    """

    name: str
    width: int
    height: int
    place: tuple[str, float, float]
    read: Read

    def whole(self) -> np.ndarray:
        """Labels of the whole image."""
        return self.read((0, 0, self.width, self.height))[1]


@dataclass(frozen=True)
class LabelledData:
    """What is to be learnt from.

    Parameters
    ----------
    scenes : tuple of Scene
    classes : tuple of str
        Names, in the order of the labels' numbers.
    words : mapping
        Class name to the wordings that its prompt starts from.
    fingerprint : str
        SHA-256 of all files that were read.
    warnings : tuple of str
        What is odd, for people.
    """

    scenes: tuple[Scene, ...]
    classes: tuple[str, ...]
    words: dict[str, tuple[str, ...]]
    fingerprint: str
    warnings: tuple[str, ...] = ()
