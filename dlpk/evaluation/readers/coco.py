"""COCO-20i in the layout of HSNet: images, masks of class values, and lists of the folds."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np

from ...errors import TruthError
from ..dataset import Dataset, Sample, need, read_classes
from .pascal import read_values

FOLDS = 4
CLASSES = 80


def read(root: Path, *, fold: int = 0, names: str = "classes.json") -> Dataset:
    """Read a fold: class numbers fold, fold + 4, fold + 8 … of the 80, as HSNet cuts them.

    Parameters
    ----------
    root : Path
        ``val2014/NAME.jpg``, ``annotations/val2014/NAME.png`` (class number + 1) and
        ``splits/val/foldN.txt`` with a name per line.
    fold : int
        0 to 3.
    names : str
        JSON list of the 80 class names, in `root`.
    """
    if fold not in range(FOLDS):
        raise TruthError(f"the fold is {fold}; COCO-20i has the folds 0 to 3")
    labels = json.loads(need(root / names, "the list of class names").read_text(encoding="utf-8"))
    if len(labels) != CLASSES:
        raise TruthError(f"{root / names} lists {len(labels)} names; COCO has {CLASSES}")
    listed = need(root / "splits" / "val" / f"fold{fold}.txt", "the list of images")
    samples = []
    for name in listed.read_text(encoding="utf-8").split():
        stem = Path(name).stem
        image = need(root / "val2014" / f"{stem}.jpg", "an image of COCO")
        mask = need(root / "annotations" / "val2014" / f"{stem}.png", "a mask of COCO-20i")
        present = set(np.unique(read_values(mask)).tolist())
        for number in range(fold, CLASSES, FOLDS):
            if number + 1 in present:
                truth = partial(read_classes, mask, {number + 1: 1})
                label = str(labels[number])
                samples.append(Sample(f"{stem} {label}", image, truth, label, label, stem))
    return Dataset(f"coco20i fold {fold}", "phrases", (), tuple(samples))
