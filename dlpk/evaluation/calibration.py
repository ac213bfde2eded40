"""The threshold per prompt that agrees best with labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal

from builder.scratch import scratch_folder
from builder.target import replacing

from ..classification.api import classify
from ..errors import TruthError
from ..output.geotiff import check_png
from ..package.open import open_package
from .counts import IGNORED
from .grids import Grid
from .labels import open_truth

# Probabilities are counted in steps of a five-hundredth.
STEPS = 500
ROWS = 256
IOU = "IoU"


@dataclass(frozen=True)
class Curve:
    """How one prompt agrees with the labels, threshold by threshold.

    Parameters
    ----------
    name : str
    thresholds, iou, f_beta : ndarray
        float64, shape (steps,).
    threshold : float
        The best one.
    pixels : int
        Labelled pixels of the class.
    """

    name: str
    thresholds: np.ndarray
    iou: np.ndarray
    f_beta: np.ndarray
    threshold: float
    pixels: int

    @property
    def best_iou(self) -> float:
        """IoU at the best threshold."""
        return float(self.iou[round(self.threshold * STEPS)])

    @property
    def best_f_beta(self) -> float:
        """F-beta at the best threshold."""
        return float(self.f_beta[round(self.threshold * STEPS)])


@dataclass(frozen=True)
class Calibration:
    """The thresholds of some prompts."""

    curves: tuple[Curve, ...]
    measure: str

    @property
    def thresholds(self) -> dict[str, float]:
        """Prompt to threshold."""
        return {curve.name: curve.threshold for curve in self.curves}

    def to_text(self) -> str:
        """The result for people."""
        lines = [f"{'prompt':24} {'threshold':>9} {'IoU':>7} {'F':>7} {'labelled pixels':>16}"]
        for curve in self.curves:
            lines.append(
                f"{curve.name[:24]:24} {curve.threshold:9.3f} {curve.best_iou:7.3f} "
                f"{curve.best_f_beta:7.3f} {curve.pixels:16,}"
            )
        return "\n".join([*lines, f"(best by {self.measure})"])


def calibrate(
    package: str | Path,
    raster: str | Path,
    truth: str | Path,
    *,
    prompt: str | None = None,
    field: str | None = None,
    beta: float | None = None,
    arguments: Mapping[str, Any] | None = None,
    device: str = "auto",
    quiet: bool = True,
) -> Calibration:
    """Find the threshold per prompt that agrees best with labels.

    Parameters
    ----------
    package : path
    raster : path
        Where the labels are.
    truth : path
        See `dlpk.evaluation.labels.open_truth`.
    prompt : str, optional
        Prompts to calibrate; the package's default by default.
    field : str, optional
        Field of a vector file that names the class.
    beta : float, optional
        Maximise F-beta (above 1 weighs recall, below 1 precision) instead of IoU.
    arguments : mapping, optional
        Other arguments of the function.
    device : str
        ``auto``, ``cpu`` or ``cuda:N``.
    quiet : bool
        No progress bar.

    Returns
    -------
    Calibration

    Raises
    ------
    DlpkError
        The labels do not fit, or the run fails.
    """
    if beta is not None and not beta > 0:
        raise TruthError(f"beta is {beta:g}; it must be above 0")
    given = {**(arguments or {}), "return_probability_raster": "True"}
    with scratch_folder() as folder:
        result = folder / "probabilities.tif"
        classify(
            package, raster, result, prompt=prompt, arguments=given, device=device, quiet=quiet
        )
        dataset = gdal.Open(str(result))
        count = range(1, dataset.RasterCount + 1)
        classes = [str(dataset.GetRasterBand(number).GetDescription()) for number in count]
        if not all(classes):
            raise TruthError(f"the package {package} does not name the bands of its probabilities")
        labels = open_truth(truth, Grid.of(dataset), classes, folder, field=field)
        counts = np.zeros((2, len(classes), STEPS + 1), np.int64)
        for row in range(0, dataset.RasterYSize, ROWS):
            window = (0, row, dataset.RasterXSize, min(ROWS, dataset.RasterYSize - row))
            _count(dataset, labels.read(window), window, counts)
        measure = IOU if beta is None else f"F-beta with beta {beta:g}"
        curves = [_curve(name, counts[0, i], counts[1, i], beta) for i, name in enumerate(classes)]
        return Calibration(tuple(curve for curve in curves if curve.pixels), measure)


def _count(
    dataset: Any, labels: np.ndarray, window: tuple[int, int, int, int], counts: np.ndarray
) -> None:
    labelled = labels != IGNORED
    for index in range(dataset.RasterCount):
        band = dataset.GetRasterBand(index + 1)
        valid = labelled & (band.GetMaskBand().ReadAsArray(*window) > 0)
        steps = np.clip(np.ceil(band.ReadAsArray(*window) * STEPS), 0, STEPS).astype(np.int64)
        hit = labels == index + 1
        for place, chosen in enumerate((valid & hit, valid & ~hit)):
            counts[place, index] += np.bincount(steps[chosen], minlength=STEPS + 1)


def _curve(name: str, hits: np.ndarray, misses: np.ndarray, beta: float | None) -> Curve:
    # A pixel in step s is above every threshold t < s: probability > threshold, as in a run.
    true_positive = hits[::-1].cumsum()[::-1] - hits
    false_positive = misses[::-1].cumsum()[::-1] - misses
    pixels = int(hits.sum())
    false_negative = pixels - true_positive
    union = np.maximum(true_positive + false_positive + false_negative, 1)
    square = 1.0 if beta is None else beta**2
    weighted = (1 + square) * true_positive + square * false_negative + false_positive
    iou = true_positive / union
    f_beta = (1 + square) * true_positive / np.maximum(weighted, 1)
    thresholds = np.arange(STEPS + 1) / STEPS
    best = _middle_of_best(iou if beta is None else f_beta)
    return Curve(name, thresholds, iou, f_beta, float(thresholds[best]), pixels)


def _middle_of_best(values: np.ndarray) -> int:
    """Of several equally good thresholds the middle one: it is the farthest from being wrong."""
    first = int(np.argmax(values))
    last = first
    while last + 1 < len(values) and values[last + 1] == values[first]:
        last += 1
    return (first + last) // 2


def draw_curves(calibration: Calibration, out: str | Path) -> Path:
    """Draw IoU over the threshold, one line per prompt, into a PNG.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    target = check_png(out)
    figure = Figure(figsize=(7, 4.5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for curve in calibration.curves:
        (line,) = axes.plot(curve.thresholds, curve.iou, label=curve.name.replace("$", r"\$"))
        axes.plot([curve.threshold], [curve.best_iou], "o", color=line.get_color())
        if calibration.measure != IOU:
            axes.plot(curve.thresholds, curve.f_beta, ":", color=line.get_color())
            axes.plot([curve.threshold], [curve.best_f_beta], "o", color=line.get_color())
    axes.set_xlabel("threshold")
    axes.set_ylabel(IOU if calibration.measure == IOU else f"IoU; dotted: {calibration.measure}")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.grid(alpha=0.3)
    axes.legend()
    with replacing(target) as drawn:
        figure.savefig(drawn, format="png", metadata={"Software": None})
    return target


def write_thresholds(package: str | Path, out: str | Path, thresholds: Mapping[str, float]) -> str:
    """Write a new package in which these thresholds are the defaults of their prompts.

    Parameters
    ----------
    package : path
        A package that this project built.
    out : path
        The .dlpk file to write.
    thresholds : mapping
        Prompt to threshold.

    Returns
    -------
    str
        SHA-256 of the new package.

    Raises
    ------
    DlpkError
        The package is not one of ours, or cannot be written.
    """
    from builder.repack import repack

    target = Path(out)
    with open_package(package) as opened:
        if not opened.is_clipseg or opened.root is None or opened.emd_path is None:
            raise TruthError(
                f"{package} was not built by this project: it has no place for thresholds"
            )

        def change(emd: dict[str, Any]) -> dict[str, Any]:
            kept = emd["CLIPSeg"].get("Thresholds", {})
            rounded = {name: round(value, 4) for name, value in thresholds.items()}
            emd["CLIPSeg"]["Thresholds"] = dict(sorted({**kept, **rounded}.items()))
            return emd

        return repack(opened.root, opened.emd_path, target, change)
