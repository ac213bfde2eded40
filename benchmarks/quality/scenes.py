"""Folders of labelled scenes: images/, masks/, classes.txt."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from dlpk.finetuning.scenes import NOTHING, UNKNOWN, Scene, Window


@dataclass(frozen=True)
class Data:
    """Scenes with the group of each, and the names of the classes."""

    scenes: list[Scene]
    groups: list[str]
    classes: list[str]


def read_scenes(folder: Path, grouping: str, longest: int | None = None) -> Data:
    """Read images and masks, reduced where they are longer."""
    lines = (folder / "classes.txt").read_text(encoding="utf-8").splitlines()
    table = np.full(256, UNKNOWN, np.uint8)
    classes: list[str] = []
    for value, name in (
        line.split("\t") if "\t" in line else line.split(None, 1) for line in lines
    ):
        if name.startswith("background"):
            table[int(value)] = NOTHING
        elif not name.startswith("unlabelled"):
            table[int(value)] = len(classes)
            classes.append(name.split()[0])
    images = sorted((folder / "images").iterdir())
    scenes = [
        _scene(path, folder / "masks" / f"{path.stem}.png", table, longest) for path in images
    ]
    groups = [path.name.split("_")[0] for path in images]
    if grouping == "halves":
        groups = ["west" if 2 * number < len(images) else "east" for number in range(len(images))]
    return Data(scenes, groups, classes)


def _scene(image: Path, mask: Path, table: np.ndarray, longest: int | None) -> Scene:
    picture, labels = Image.open(image).convert("RGB"), Image.open(mask)
    factor = min(1.0, (longest or math.inf) / max(picture.size))
    size = tuple(round(side * factor) for side in picture.size)
    pixels = np.moveaxis(np.array(picture.resize(size, Image.Resampling.BILINEAR)), -1, 0)
    values = table[np.array(labels.resize(size, Image.Resampling.NEAREST))]

    def read(part: Window) -> tuple[np.ndarray, np.ndarray]:
        left, top, width, height = part
        place = (slice(top, top + height), slice(left, left + width))
        return pixels[(slice(None), *place)], values[place].copy()

    return Scene(image.name, *size, (image.name, 0.0, 0.0), read)
