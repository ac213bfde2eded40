"""What ArcGIS shows of a model: its loss, and results beside the truth."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from model_extension.clipseg.contract.legend import class_colors

from .learning.trainer import History
from .scenes import NOTHING, UNKNOWN

SAMPLES = 4


def write_characteristics(
    folder: Path,
    classes: Sequence[str],
    history: History,
    samples: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> None:
    """Write the files of ``ModelCharacteristics``.

    Parameters
    ----------
    folder : Path
    classes : sequence of str
    history : History
    samples : sequence of (ndarray, ndarray, ndarray)
        Pixels, uint8, shape (3, height, width); labels and results, uint8, shape (height, width).
    """
    draw_history(folder / "loss_graph.png", classes, history)
    if samples:
        _draw_samples(folder / "show_results.png", classes, samples)
    losses = [None if math.isnan(value) else round(value, 6) for value in history.losses]
    content: dict[str, Any] = {
        "steps": history.steps,
        "training_loss": losses,
        "validation_iou": {
            name: [None if math.isnan(row[i]) else round(row[i], 6) for row in history.ious]
            for i, name in enumerate(classes)
        },
    }
    text = json.dumps(content, indent=2, ensure_ascii=True) + "\n"
    (folder / "training_validation_loss.json").write_text(text, encoding="ascii", newline="\n")


def draw_history(path: Path, classes: Sequence[str], history: History) -> None:
    """Draw the loss and the IoU per class over the steps."""
    figure = _figure(9, 4)
    left, right = figure.subplots(1, 2)
    left.plot(history.steps[1:], history.losses[1:], "o-", color="black")
    left.set(xlabel="step", ylabel="training loss")
    for number, name in enumerate(classes):
        right.plot(history.steps, [row[number] for row in history.ious], "o-", label=_plain(name))
    right.set(xlabel="step", ylabel="IoU on validation blocks", ylim=(0, 1))
    right.legend(fontsize="small")
    figure.savefig(path, format="png", metadata={"Software": None})


def draw_ladder(
    path: Path, classes: Sequence[str], tiles: Sequence[int], ious: Sequence[Sequence[float]]
) -> None:
    """Draw the IoU per class over the number of labelled tiles."""
    figure = _figure(6, 4)
    axes = figure.subplots()
    for number, name in enumerate(classes):
        axes.plot(tiles, [row[number] for row in ious], "o-", label=_plain(name))
    axes.plot(tiles, [np.nanmean(row) for row in ious], "o--", color="black", label="mean")
    axes.set_xscale("log", base=2)
    axes.set_xticks(list(tiles), [str(count) for count in tiles])
    axes.set(xlabel="labelled tiles", ylabel="IoU on validation blocks", ylim=(0, 1))
    axes.legend(fontsize="small")
    figure.savefig(path, format="png", metadata={"Software": None})


def _draw_samples(
    path: Path,
    classes: Sequence[str],
    samples: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> None:
    table = np.zeros((256, 3), np.uint8)
    table[: len(classes)] = class_colors(classes)
    table[NOTHING], table[UNKNOWN] = (235, 235, 235), (255, 255, 255)
    figure = _figure(7.5, 2.5 * len(samples))
    axes = figure.subplots(len(samples), 3, squeeze=False)
    for row, (pixels, labels, result) in zip(axes, samples):
        shown = (np.moveaxis(pixels, 0, -1), table[labels], table[result])
        for place, title, image in zip(row, ("image", "labels", "result"), shown):
            place.imshow(image)
            place.set_axis_off()
            place.set_title(title, fontsize="small")
    figure.savefig(path, format="png", metadata={"Software": None})


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=110, layout="constrained")


def _plain(name: str) -> str:
    return name.replace("$", r"\$")
