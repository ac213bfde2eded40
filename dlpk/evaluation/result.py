"""What an evaluation found: counts, and the measures that follow from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from .measures import metrics
from .measures.bootstrap import interval
from .measures.boundaries import boundary_f
from .measures.counts import ThresholdCounts

BACKGROUND = "background"


@dataclass(frozen=True)
class Example:
    """One sample to look at.

    Parameters
    ----------
    name : str
    iou : float
        Mean over the classes in it.
    image : ndarray or None
        uint8, shape (rows, columns, 3).
    truth, predicted : ndarray
        uint8 classes, shape (rows, columns), 255 not known.
    """

    name: str
    iou: float
    image: np.ndarray | None
    truth: np.ndarray
    predicted: np.ndarray


@dataclass(frozen=True)
class Evaluation:
    """How a prediction agrees with truth.

    Parameters
    ----------
    names : tuple of str
        The classes; background, class 0, is not among them.
    samples : tuple of str
        Names of scenes, or of blocks of a raster.
    unit : str
        What a sample is, for reports.
    matrices : ndarray
        int64, shape (samples, classes + 1, classes + 1): rows truth, columns prediction.
    groups : tuple of str
        Of each sample; intervals draw groups, since samples of one group are no independent
        witnesses. Empty: each sample for itself.
    areas : ndarray or None
        Square metres of a pixel of each sample.
    probabilities : ThresholdCounts or None
        Per class, shape (classes, steps + 1).
    outlines : mapping
        Distance in pixels to counts of `boundary_counts`, summed.
    regions : mapping
        Name of a region to its matrix.
    about : mapping
        Files, versions, words, thresholds: what the figures rest on.
    measures : mapping
        Further figures with their names, of a protocol for example.
    published : tuple of (str, str, str)
        Who, figure, source: rows to compare with.
    examples : tuple of Example
        Worst first.
    """

    names: tuple[str, ...]
    samples: tuple[str, ...]
    unit: str
    matrices: np.ndarray
    groups: tuple[str, ...] = ()
    areas: np.ndarray | None = None
    probabilities: ThresholdCounts | None = None
    outlines: Mapping[int, np.ndarray] = field(default_factory=dict)
    regions: Mapping[str, np.ndarray] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    measures: Mapping[str, float] = field(default_factory=dict)
    published: tuple[tuple[str, str, str], ...] = ()
    examples: tuple[Example, ...] = ()

    @cached_property
    def matrix(self) -> np.ndarray:
        """Counts of all samples together."""
        summed: np.ndarray = self.matrices.sum(axis=0)
        return summed

    @cached_property
    def witnesses(self) -> np.ndarray:
        """Counts of what intervals are drawn from: groups of samples, or samples."""
        if not self.groups:
            return self.matrices
        known = list(dict.fromkeys(self.groups))
        grouped = np.zeros((len(known), *self.matrices.shape[1:]), np.int64)
        np.add.at(grouped, [known.index(group) for group in self.groups], self.matrices)
        return grouped

    def per_class(self) -> list[dict[str, Any]]:
        """One row per class, background first: the measures, and 95 % intervals of IoU."""
        matrix = self.matrix
        low, high = interval(self.witnesses, metrics.iou)
        samples, alarms, alarm_pixels = metrics.false_alarms(self.matrices)
        columns = {
            "iou": metrics.iou(matrix),
            "iou_low": low,
            "iou_high": high,
            "precision": metrics.precision(matrix),
            "recall": metrics.recall(matrix),
            "f1": metrics.f_beta(matrix),
            "f2": metrics.f_beta(matrix, 2.0),
            "dice": metrics.dice(matrix),
            "dice_empty_is_one": self._dice_by_sample(),
            "true_pixels": matrix.sum(axis=-1),
            "predicted_pixels": matrix.sum(axis=-2),
            "samples_without": samples,
            "false_alarm_samples": alarms,
            "false_alarm_pixels": alarm_pixels,
        }
        for within, counts in self.outlines.items():
            columns[f"boundary_f_{within}px"] = boundary_f(counts)
        if self.areas is not None:
            weighted = self.weighted
            columns["iou_by_area"] = metrics.iou(weighted)
            columns["true_hectares"] = weighted.sum(axis=-1) / 1e4
            columns["predicted_hectares"] = weighted.sum(axis=-2) / 1e4
        rows = [
            {"class": name, **{key: values[i].item() for key, values in columns.items()}}
            for i, name in enumerate((BACKGROUND, *self.names))
        ]
        if self.probabilities is not None:
            for row, number in zip(rows[1:], range(len(self.names))):
                row.update(self._of_probabilities(number))
        return rows

    @cached_property
    def weighted(self) -> np.ndarray:
        """Square metres instead of pixels, shape of a matrix."""
        areas = np.ones(len(self.matrices)) if self.areas is None else self.areas
        return np.asarray(np.tensordot(areas, self.matrices, axes=1))

    def _dice_by_sample(self) -> np.ndarray:
        return np.asarray(metrics.dice(self.matrices, empty=1.0).mean(axis=0))

    def _of_probabilities(self, number: int) -> dict[str, float]:
        assert self.probabilities is not None
        counts = self.class_counts(number)
        values = metrics.iou_by_threshold(counts)
        best = metrics.best_threshold(values)
        return {
            "ap": metrics.average_precision(counts),
            "ap_paper": metrics.paper_average_precision(counts),
            "best_threshold": best,
            "best_iou_alone": float(np.nanmax(np.nan_to_num(values))),
            "ece": metrics.calibration_error(counts),
        }

    def class_counts(self, number: int) -> ThresholdCounts:
        """Counts by threshold of one class (0 is the first)."""
        assert self.probabilities is not None
        return ThresholdCounts(self.probabilities.hits[number], self.probabilities.misses[number])

    def summary(self) -> dict[str, float]:
        """Figures over all classes, each with what it is in its name."""
        matrix = self.matrix
        low, high = interval(self.witnesses, lambda m: metrics.mean_iou(m, background=False))
        summary = {
            "miou_without_background": metrics.mean_iou(matrix, background=False),
            "miou_without_background_low": float(low),
            "miou_without_background_high": float(high),
            "miou_with_background": metrics.mean_iou(matrix, background=True),
            "miou_by_sample_without_background": metrics.mean_iou_by_sample(
                self.matrices, background=False
            ),
            "miou_by_sample_with_background": metrics.mean_iou_by_sample(
                self.matrices, background=True
            ),
            "foreground_iou": metrics.foreground_iou(matrix),
            "accuracy": metrics.accuracy(matrix),
            "pixels": int(matrix.sum()),
            "samples": len(self.samples),
        }
        if self.areas is not None:
            summary["miou_without_background_by_area"] = metrics.mean_iou(
                self.weighted, background=False
            )
        return {**summary, **self.measures}

    def per_region(self) -> list[dict[str, Any]]:
        """One row per region: mean IoU without background, and the IoU of every class."""
        return [
            {
                "region": region,
                "pixels": int(matrix.sum()),
                "miou_without_background": metrics.mean_iou(matrix, background=False),
                **dict(zip(self.names, metrics.iou(matrix)[1:].tolist())),
            }
            for region, matrix in self.regions.items()
        ]
