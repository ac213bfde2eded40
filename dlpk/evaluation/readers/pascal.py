"""Pascal VOC: the folds of Pascal-5i, and the splits of its zero-shot protocol."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ...errors import TruthError
from ..dataset import Dataset, Sample, need, read_classes
from ..measures.counts import IGNORED
from .folds import chosen_folds, class_samples, values_in, with_support

CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
)  # fmt: skip
MASKS = ("SegmentationClassAug", "SegmentationClass")
# In the order in which zero-shot splits take classes away from training: 2, 4, 6, 8, 10.
UNSEEN = (
    "cow", "motorbike", "aeroplane", "sofa", "cat", "tvmonitor", "train", "bottle", "chair",
    "pottedplant",
)  # fmt: skip


def read(
    root: Path,
    *,
    fold: int | str = "all",
    names: str = "val",
    least: int = 0,
    shots: int = 0,
    seed: int = 0,
) -> Dataset:
    """Read Pascal-5i: one sample per image and class of a fold that is in it.

    Parameters
    ----------
    root : Path
        ``VOC2012`` with ``JPEGImages``, masks and ``ImageSets/Segmentation``.
    fold : int or str
        0 to 3, five classes each, or ``all``: figures are then means over the folds.
    names : str
        List of images in ``ImageSets/Segmentation``, without ``.txt``.
    least : int
        Pixels of a class from which on it counts as being in an image; PFENet asks for 2,048.
    shots, seed : int
        Support images of each sample, drawn from the others of its class.
    """
    samples: list[Sample] = []
    folds = chosen_folds(fold, "Pascal-5i")
    for name, image, mask in _listed(root, names):
        present = values_in(mask, least)
        for number in folds:
            values = {v: CLASSES[v - 1] for v in range(5 * number + 1, 5 * number + 6)}
            part = f"fold {number}"
            samples += class_samples(name, image, mask, present, values, part, (IGNORED,))
    about = f"fold {fold}, {names}.txt, classes from {least} pixels on"
    samples, drawn = with_support(samples, shots, seed)
    return Dataset("pascal5i", "phrases", (), tuple(samples), about=about + drawn)


def read_zero_shot(root: Path, *, names: str = "val", unseen: int = 10) -> Dataset:
    """Read VOC with all 20 classes at once, for the zero-shot protocol.

    Parameters
    ----------
    root : Path
    names : str
        See `read`.
    unseen : int
        2, 4, 6, 8 or 10: classes that count as unseen.
    """
    if unseen not in range(2, 11, 2):
        raise TruthError(f"unseen is {unseen}; the splits have 2, 4, 6, 8 or 10 unseen classes")
    values = {number: number for number in range(1, 21)}
    samples = tuple(
        Sample(name, image, partial(read_classes, mask, values, (IGNORED,)))
        for name, image, mask in _listed(root, names)
    )
    about = f"{names}.txt, unseen: {', '.join(UNSEEN[:unseen])}"
    return Dataset("pascal-zeroshot", "classes", CLASSES, samples, UNSEEN[:unseen], about)


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
