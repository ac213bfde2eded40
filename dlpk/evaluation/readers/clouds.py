"""CloudSEN12 as CloudPrompts exports it: ``.npz`` with ``image`` and ``mask``."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from ...errors import TruthError
from ..dataset import Dataset, Sample, files_in, need

CLASSES = ("clear", "thick cloud", "thin cloud", "cloud shadow")


def read(root: Path, *, split: str = "test") -> Dataset:
    """Read ``images/*.npz`` and ``masks/*.npz`` of a split; there is no background."""
    home = root / split if (root / split).is_dir() else root
    samples = []
    for image in files_in(home / "images", [".npz"], "the folder of images"):
        mask = need(home / "masks" / image.name, "a mask")
        samples.append(Sample(image.stem, image, partial(_mask, mask)))
    return Dataset("cloudsen12", "classes", CLASSES, tuple(samples))


def _mask(path: Path) -> np.ndarray:
    with np.load(path) as arrays:
        if "mask" not in arrays:
            raise TruthError(f"{path} has no array 'mask'; it has {', '.join(arrays)}")
        values = arrays["mask"]
    # 0 to 3 are the classes; whatever else there is is not known.
    return np.where((values >= 0) & (values < len(CLASSES)), values + 1, 255).astype(np.uint8)
