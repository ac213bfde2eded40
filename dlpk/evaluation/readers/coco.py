"""COCO-20i in the layout of HSNet: images and masks of class values, and lists of the folds."""

from __future__ import annotations

from pathlib import Path

from ..dataset import Dataset, Sample, files_in, need
from .folds import FOLDS, chosen_folds, class_samples, values_in, with_support

CLASSES = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat",
    "traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog",
    "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella",
    "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite",
    "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich",
    "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch",
    "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote",
    "keyboard", "cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", "book",
    "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip


def read(root: Path, *, fold: int | str = "all", shots: int = 0, seed: int = 0) -> Dataset:
    """Read folds: class numbers fold, fold + 4, fold + 8 … of the 80, as HSNet cuts them.

    Parameters
    ----------
    root : Path
        ``val2014/NAME.jpg`` and ``annotations/val2014/NAME.png`` (class number + 1). Where there
        is ``splits/val/foldN.txt``, with a name per line, it says which images a fold has; else
        every mask counts.
    fold : int or str
        0 to 3, or ``all``: figures are then means over the folds.
    shots, seed : int
        Support images of each sample, drawn from the others of its class.
    """
    samples: list[Sample] = []
    folder = root / "annotations" / "val2014"
    for number in chosen_folds(fold, "COCO-20i"):
        listed = root / "splits" / "val" / f"fold{number}.txt"
        if listed.is_file():
            lines = listed.read_text(encoding="utf-8").splitlines()
            stems = [Path(line.split()[0]).stem for line in lines if line.strip()]
        else:
            stems = [path.stem for path in files_in(folder, (".png",), "the folder of masks")]
        values = {i + 1: CLASSES[i] for i in range(number, len(CLASSES), FOLDS)}
        for stem in stems:
            image = need(root / "val2014" / f"{stem}.jpg", "an image of COCO")
            mask = need(folder / f"{stem}.png", "a mask of COCO-20i")
            present = values_in(mask, 1)
            samples += class_samples(stem, image, mask, present, values, f"fold {number}")
    samples, drawn = with_support(samples, shots, seed)
    return Dataset("coco20i", "phrases", (), tuple(samples), about=f"fold {fold}{drawn}")
