"""What adds up over the samples of a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..raster.gdal_files import open_raster
from .dataset import Dataset, Sample
from .measures import metrics
from .measures.boundaries import boundary_counts
from .measures.counts import IGNORED, ThresholdCounts, confusion
from .measures.matting import Matte, matting_measures
from .method import Method
from .reports.pictures import shrunk, thumbnail
from .result import BACKGROUND, Evaluation, Example

EXAMPLES = 3


class Totals:
    """Counts of samples, and the measures that follow.

    Parameters
    ----------
    dataset : Dataset
    method : Method
    """

    def __init__(self, dataset: Dataset, method: Method) -> None:
        self.names = dataset.classes or ("what is looked for",)
        self.dataset, self.method, self.size = dataset, method, len(self.names) + 1
        self.samples: list[Sample] = []
        self.matrices: list[np.ndarray] = []
        self.thresholds: list[ThresholdCounts] = []
        self.mattes: list[Matte] = []
        self.outlines = {k: np.zeros((self.size, 4), np.int64) for k in method.boundary}
        self.examples: list[Example] = []

    def add(self, sample: Sample, truth: np.ndarray, found: np.ndarray) -> None:
        """Count a sample of classes."""
        matrix = confusion(truth, found.astype(np.uint8), self.size)
        self.samples.append(sample)
        self.matrices.append(matrix)
        for within, counts in self.outlines.items():
            counts += boundary_counts(truth, found, self.size, within)
        score = metrics.mean(metrics.iou(matrix)[1:])
        if not np.isnan(score):
            picture = None
            if sample.image.suffix != ".npz":
                image = open_raster(str(sample.image))
                picture = thumbnail(image, (0, 0, image.RasterXSize, image.RasterYSize))
            name = f"{sample.name} {sample.phrase}".strip()
            self.examples.append(Example(name, score, picture, shrunk(truth), shrunk(found)))
            self.examples.sort(key=lambda example: example.iou)
            if len(self.examples) > 2 * EXAMPLES:
                del self.examples[EXAMPLES:-EXAMPLES]

    def add_probabilities(self, values: np.ndarray, truth: np.ndarray) -> None:
        """Count thresholds of a sample."""
        self.thresholds.append(ThresholdCounts.of_classes(values, truth, truth != IGNORED))

    def add_matte(self, sample: Sample, alpha: np.ndarray, truth: np.ndarray) -> None:
        """Compare a matte; its matrix is that of alpha above one half."""
        self.mattes.append(
            Matte.of(
                alpha,
                truth,
                image=sample.group,
                entity=sample.entity,
                expression=sample.name,
            )
        )
        self.add(sample, (truth > 0.5).astype(np.uint8), (alpha > 0.5).astype(np.uint8))

    def evaluation(self, about: Mapping[str, Any]) -> Evaluation:
        """The result."""
        measures: dict[str, float] = {}
        for group in self.method.matte_groups if self.mattes else ():
            for name, value in matting_measures(self.mattes, group).items():
                measures[f"{name}, by {group}"] = value
        probabilities = None
        if self.thresholds:
            stacked = ThresholdCounts.stacked(self.thresholds)
            probabilities = stacked.summed()
            if len(self.names) == 1:
                measures.update(self._paper(stacked))
        measures.update(self._seen_and_unseen())
        groups = tuple(sample.group for sample in self.samples)
        return Evaluation(
            names=self.names,
            samples=tuple(f"{s.name} {s.phrase}".strip() for s in self.samples),
            unit="scenes",
            matrices=np.array(self.matrices),
            groups=groups if all(groups) else (),
            probabilities=probabilities,
            outlines=self.outlines,
            about=about,
            measures=measures,
            examples=tuple(self.examples),
        )

    def _seen_and_unseen(self) -> dict[str, float]:
        """Mean IoU of classes that training saw (background among them), and of the others."""
        unseen = self.dataset.unseen
        if not unseen:
            return {}
        values = metrics.iou(np.sum(self.matrices, axis=0))
        new = np.array([name in unseen for name in (BACKGROUND, *self.names)])
        seen, other = metrics.mean(values[~new]), metrics.mean(values[new])
        both = 2 * seen * other / (seen + other) if seen + other > 0 else 0.0
        return {
            "mIoU seen": seen,
            "mIoU unseen": other,
            "harmonic mean of seen and unseen": both,
            "mIoU overall": metrics.mean(values),
        }

    def _paper(self, stacked: ThresholdCounts) -> dict[str, float]:
        """The measures of the CLIPSeg paper, and the medical ones."""
        samples = ThresholdCounts(stacked.hits[:, 0], stacked.misses[:, 0])
        by = "class" if all(sample.label for sample in self.samples) else "sample"
        parts = list(dict.fromkeys(sample.part for sample in self.samples))
        curves = [self._curves(samples, part, by) for part in parts]
        threshold = self.method.threshold or 0.5
        place = min(max(round(threshold * 50) - 1, 0), 48)
        found = {}
        for name in curves[0]:
            what = f"{name} (by {by})" if name == "mIoU" else name
            rows = np.array([curve[name] for curve in curves])
            found[f"{what}, paper, t={threshold:g}"] = float(rows[:, place].mean())
            found[f"{what}, paper, best t"] = float(rows.max(axis=1).mean())
            if len(parts) > 1:
                # Of each part at the threshold that is best on the others.
                best = [int(np.delete(rows, i, 0).mean(0).argmax()) for i in range(len(rows))]
                value = float(np.mean([row[i] for row, i in zip(rows, best)]))
                found[f"{what}, paper, best t of the other parts"] = value
                for part, row in zip(parts, rows):
                    found[f"{what}, paper, t={threshold:g}, {part}"] = float(row[place])
        every = [self._of_part(samples, part).summed() for part in parts]
        found["AP, paper"] = float(np.mean([metrics.paper_average_precision(c) for c in every]))
        found["AP, step"] = float(np.mean([metrics.average_precision(c) for c in every]))
        matrices = np.array(self.matrices)
        dice = metrics.dice(matrices, empty=1.0)[:, 1]
        iou = metrics.iou(matrices)[:, 1]
        found["Dice, mean of images (both empty: 1)"] = float(dice.mean())
        found["IoU, mean of images (both empty: 1)"] = float(np.nan_to_num(iou, nan=1.0).mean())
        return found

    def _of_part(self, samples: ThresholdCounts, part: str) -> ThresholdCounts:
        there = np.array([sample.part == part for sample in self.samples])
        return ThresholdCounts(samples.hits[there], samples.misses[there])

    def _curves(self, samples: ThresholdCounts, part: str, by: str) -> dict[str, np.ndarray]:
        labels = [sample.label for sample in self.samples if sample.part == part]
        known = list(dict.fromkeys(labels))
        numbers = list(range(len(labels)))
        if by == "class":
            numbers = [known.index(label) for label in labels]
        return metrics.paper_measures(self._of_part(samples, part), numbers)
