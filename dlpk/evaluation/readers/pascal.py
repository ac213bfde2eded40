"""Pascal VOC: the folds of Pascal-5i, and the splits of its zero-shot protocol."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from ...errors import TruthError
from ..dataset import Dataset, Sample, need, read_classes
from ..measures.counts import IGNORED

CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
)  # fmt: skip
MASKS = ("SegmentationClassAug", "SegmentationClass")


def read(root: Path, *, fold: int = 0, names: str = "val") -> Dataset:
    """Read a fold of Pascal-5i: one sample per image and class of the fold that is in it.

    Parameters
    ----------
    root : Path
        ``VOC2012`` with ``JPEGImages``, masks and ``ImageSets/Segmentation``.
    fold : int
        0 to 3: five classes each.
    names : str
        List of images in ``ImageSets/Segmentation``, without ``.txt``.
    """
    if fold not in range(4):
        raise TruthError(f"the fold is {fold}; Pascal-5i has the folds 0 to 3")
    samples = []
    for name, image, mask in _listed(root, names):
        present = np.unique(read_values(mask))
        for value in range(5 * fold + 1, 5 * fold + 6):
            if value in present:
                label = CLASSES[value - 1]
                truth = partial(read_classes, mask, {value: 1}, (IGNORED,))
                samples.append(Sample(f"{name} {label}", image, truth, label, label, name))
    return Dataset(f"pascal5i fold {fold}", "phrases", (), tuple(samples))


def read_zero_shot(root: Path, *, names: str = "val") -> Dataset:
    """Read VOC with all 20 classes at once, for the zero-shot protocol."""
    values = {number: number for number in range(1, 21)}
    samples = [
        Sample(name, image, partial(read_classes, mask, values, (IGNORED,)))
        for name, image, mask in _listed(root, names)
    ]
    return Dataset("pascal-zeroshot", "classes", CLASSES, tuple(samples))


def _listed(root: Path, names: str) -> list[tuple[str, Path, Path]]:
    listed = need(root / "ImageSets" / "Segmentation" / f"{names}.txt", "the list of images")
    masks = next((root / name for name in MASKS if (root / name).is_dir()), root / MASKS[0])
    need(masks, "the folder of masks")
    return [
        (
            name,
            need(root / "JPEGImages" / f"{name}.jpg", "an image of VOC"),
            need(masks / f"{name}.png", "a mask of VOC"),
        )
        for name in listed.read_text(encoding="utf-8").split()
    ]


def read_values(path: Path) -> np.ndarray:
    """Values of a mask as they are."""
    values: Sequence[int] = range(1, 255)
    return read_classes(path, {value: value for value in values})
