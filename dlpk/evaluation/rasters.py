"""A prediction raster against truth, block by block."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal
from tqdm import tqdm

from builder.scratch import scratch_folder

from ..errors import TruthError
from ..polygons.ground import GroundAreas, ground_areas
from ..raster.gdal_config import block_cache
from ..raster.gdal_files import open_raster
from .grids import ClassRaster, Grid, Window, on_grid
from .labels import OUTSIDE, open_labels, open_regions, open_truth
from .matched_classes import match_classes
from .measures import metrics
from .measures.boundaries import boundary_counts, check_distances
from .measures.counts import IGNORED, MOST_CLASSES, ThresholdCounts, confusion, grouped_confusion
from .provenance import versions
from .reports.pictures import shrunk, thumbnail
from .result import Evaluation, Example

# Blocks are the samples that intervals are drawn from: large enough to be nearly independent, not
# so many that their counts take memory.
LEAST_SIDE = 256
MOST_BLOCKS = 1600
GRIDS = ("truth", "prediction")
EXAMPLES = 6


@dataclass(frozen=True)
class Options:
    """How to compare; every choice that changes a figure has a name.

    Parameters
    ----------
    classes : mapping, optional
        Class name to its value in the prediction and in the truth; by names or, where there are
        none, by equal values.
    field : str, optional
        Field of polygons that names the class.
    outside : str
        What lies outside of all polygons: see `dlpk.evaluation.labels.open_truth`.
    grid : str
        Whose pixels are counted: those of the ``truth`` (where that is a raster) or of the
        ``prediction``.
    threshold : float, optional
        Where the prediction is probabilities: the best class wins if it is above (default 0.5).
    by : str, optional
        Field of `regions` to report by.
    regions : path, optional
        Vector file; the truth by default.
    boundary : sequence of int
        Distances in pixels for boundary F.
    image : path, optional
        Raster to show examples on.
    block : int, optional
        Side in pixels of the blocks that are samples.
    ignore : sequence of int
        Values of a truth raster that are not known, beside its NoData.

    Raises
    ------
    TruthError
        A number is out of range.
    """

    classes: Mapping[str, tuple[int, int]] | None = None
    field: str | None = None
    outside: str = OUTSIDE[0]
    grid: str = GRIDS[0]
    threshold: float | None = None
    by: str | None = None
    regions: str | Path | None = None
    boundary: Sequence[int] = ()
    image: str | Path | None = None
    block: int | None = None
    ignore: Sequence[int] = (IGNORED,)

    def __post_init__(self) -> None:
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise TruthError(f"the threshold is {self.threshold:g}; it must be from 0 to 1")
        if self.block is not None and self.block < 1:
            raise TruthError(f"blocks have {self.block} pixels on a side; they need at least 1")
        check_distances(self.boundary)


def evaluate_raster(
    prediction: str | Path,
    truth: str | Path,
    options: Options | None = None,
    *,
    quiet: bool = True,
) -> Evaluation:
    """Compare a raster of classes, or of one probability band per class, with truth.

    Parameters
    ----------
    prediction : path
        Anything GDAL opens. Floating point bands are probabilities, named after their classes.
    truth : path
        Raster or polygons, in any coordinate system and cell size.
    options : Options, optional
    quiet : bool
        No progress bar.

    Returns
    -------
    Evaluation
        Pixels that are NoData in either do not count.

    Raises
    ------
    DlpkError
        A file cannot be read, or the two have no class in common.
    """
    chosen = options or Options()
    if chosen.grid not in GRIDS:
        raise TruthError(f"grid is {chosen.grid!r}; it must be one of {', '.join(GRIDS)}")
    predicted, labels = open_raster(str(prediction)), open_labels(truth)
    if chosen.field and labels.RasterCount:
        raise TruthError(f"{truth} is a raster: it has no field {chosen.field}, leave that out")
    counted = labels if labels.RasterCount and chosen.grid == "truth" else predicted
    grid = Grid.of(counted)
    side = chosen.block or max(
        LEAST_SIDE, math.ceil(math.sqrt(grid.width * grid.height / MOST_BLOCKS) / 256) * 256
    )
    with block_cache(), scratch_folder() as folder:
        is_probability = predicted.GetRasterBand(1).DataType in (gdal.GDT_Float32, gdal.GDT_Float64)
        threshold = 0.5 if chosen.threshold is None else chosen.threshold
        if not is_probability and chosen.threshold is not None:
            raise TruthError(
                f"{prediction} holds classes, not probabilities: a threshold has no effect on it, "
                "leave that out"
            )
        if not is_probability and predicted.RasterCount > 1 and not _alpha(predicted):
            raise TruthError(
                f"{prediction} has {predicted.RasterCount} bands of whole numbers, and a raster of "
                "classes has one: it may be an image"
            )
        names, ours, theirs = match_classes(
            prediction, predicted, truth, labels, chosen.classes, chosen.field
        )
        if len(names) > MOST_CLASSES:
            raise TruthError(f"there are {len(names)} classes, at most {MOST_CLASSES} are compared")
        reader: ClassRaster | ProbabilityRaster
        resampled = on_grid(
            predicted, grid, str(prediction), "bilinear" if is_probability else "near"
        )
        reader = (
            ProbabilityRaster(resampled, list(ours), threshold)
            if is_probability
            else ClassRaster(resampled, ours)
        )
        true = open_truth(
            truth,
            grid,
            names,
            folder,
            field=chosen.field,
            outside=chosen.outside,
            values=theirs,
            ignore=chosen.ignore,
        )
        count = _Count(reader, true, grid, names, chosen, ground_areas(counted))
        if chosen.by is not None:
            count.regions = open_regions(chosen.regions or truth, chosen.by, grid, folder)
        windows = list(grid.blocks(side))
        for window in tqdm(windows, disable=quiet, unit="block", leave=False):
            count.add(window)
        return count.evaluation(
            windows,
            f"blocks of {side:,} pixels",
            {
                "prediction": str(prediction),
                "truth": str(truth),
                "grid": f"{grid.width} x {grid.height} pixels of the {chosen.grid}"
                if labels.RasterCount
                else f"{grid.width} x {grid.height} pixels of the prediction",
                "classes of the prediction": ", ".join(
                    f"{'band' if is_probability else 'value'} {value} {names[number - 1]}"
                    for value, number in ours.items()
                ),
                **true.about,
                "threshold": threshold if is_probability else "",
                **versions(),
            },
        )


def _alpha(dataset: gdal.Dataset) -> bool:
    """Whether a second band only says where there is data."""
    last = dataset.GetRasterBand(dataset.RasterCount).GetColorInterpretation()
    return bool(dataset.RasterCount == 2 and last == gdal.GCI_AlphaBand)


@dataclass(frozen=True)
class ProbabilityRaster:
    """One band of probabilities per class; the best one above a threshold is the class.

    Parameters
    ----------
    dataset : gdal.Dataset
    bands : list of int
        1-based band of every class.
    threshold : float
    """

    dataset: Any
    bands: list[int]
    threshold: float

    def probabilities(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Of every class, shape (classes, rows, columns), and where they are known."""
        bands = [self.dataset.GetRasterBand(number) for number in self.bands]
        values = np.stack([band.ReadAsArray(*window) for band in bands])
        valid = np.logical_and.reduce([b.GetMaskBand().ReadAsArray(*window) > 0 for b in bands])
        return values, valid & np.isfinite(values).all(axis=0)

    def read(self, window: Window) -> np.ndarray:
        """Classes of a window, as `ClassRaster.read`."""
        values, valid = self.probabilities(window)
        best = values.argmax(axis=0)
        classes = np.where(values.max(axis=0) > self.threshold, best + 1, 0).astype(np.uint8)
        classes[~valid] = IGNORED
        return classes


@dataclass
class _Count:
    """What adds up while blocks are read."""

    predicted: ClassRaster | ProbabilityRaster
    truth: ClassRaster
    grid: Grid
    names: tuple[str, ...]
    options: Options
    ground: GroundAreas | None = None
    regions: tuple[Any, tuple[str, ...]] | None = None
    matrices: list[np.ndarray] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.size = len(self.names) + 1
        self.outlines = {k: np.zeros((self.size, 4), np.int64) for k in self.options.boundary}
        self.by_region: np.ndarray | int = 0
        self.thresholds: ThresholdCounts | None = None
        self.worst: list[tuple[float, int]] = []
        self.best: list[tuple[float, int]] = []

    def add(self, window: Window) -> None:
        """Count a block."""
        true, found = self.truth.read(window), self.predicted.read(window)
        matrix = confusion(true, found, self.size)
        if self.regions is not None:
            dataset, names = self.regions
            numbers = dataset.GetRasterBand(1).ReadAsArray(*window)
            self.by_region = self.by_region + grouped_confusion(
                true, found, numbers, self.size, len(names)
            )
        for within, counts in self.outlines.items():
            counts += self._outlines(window, within)
        if isinstance(self.predicted, ProbabilityRaster):
            values, valid = self.predicted.probabilities(window)
            levels = ThresholdCounts.of_classes(values, true, valid & (true != IGNORED))
            if self.thresholds is not None:
                levels = ThresholdCounts.stacked([self.thresholds, levels]).summed()
            self.thresholds = levels
        score = metrics.mean(metrics.iou(matrix)[1:])
        if not math.isnan(score):
            place = len(self.matrices)
            for heap, key in ((self.worst, -score), (self.best, score)):
                heapq.heappush(heap, (key, place))
                del heap[: max(0, len(heap) - EXAMPLES // 2)]
        self.matrices.append(matrix)

    def _outlines(self, window: Window, within: int) -> np.ndarray:
        margin = within + 1
        column, row, width, height = window
        left, top = min(margin, column), min(margin, row)
        right = min(margin, self.grid.width - column - width)
        bottom = min(margin, self.grid.height - row - height)
        wide = (column - left, row - top, left + width + right, top + height + bottom)
        around = ((margin - top, margin - bottom), (margin - left, margin - right))
        true, found = (
            np.pad(part.read(wide), around, constant_values=IGNORED)
            for part in (self.truth, self.predicted)
        )
        return boundary_counts(true, found, self.size, within, margin)

    def evaluation(self, windows: list[Window], unit: str, about: dict[str, Any]) -> Evaluation:
        """The result."""
        matrices = np.array(self.matrices)
        counted = matrices.sum(axis=(1, 2)) > 0
        if not counted.any():
            raise TruthError(
                f"{about['prediction']} and {about['truth']} have no pixel in common that has data "
                "in both"
            )
        kept = [window for window, some in zip(windows, counted) if some]
        middles = np.array([(left + w / 2, top + h / 2) for left, top, w, h in kept])
        regions = {}
        if self.regions is not None and isinstance(self.by_region, np.ndarray):
            regions = dict(zip(self.regions[1], self.by_region))
        return Evaluation(
            names=self.names,
            samples=tuple(f"column {w[0]}, row {w[1]}" for w in kept),
            unit=unit,
            matrices=matrices[counted],
            areas=None if self.ground is None else self.ground.at(middles),
            probabilities=self.thresholds,
            outlines=self.outlines,
            regions=regions,
            about={key: value for key, value in about.items() if value != ""},
            examples=self._examples(windows),
        )

    def _examples(self, windows: list[Window]) -> tuple[Example, ...]:
        places = dict.fromkeys(
            place
            for _, place in [
                *sorted(self.worst, reverse=True),
                *sorted(self.best),
            ]
        )
        image = None
        if self.options.image is not None:
            name = str(self.options.image)
            image = on_grid(open_raster(name), self.grid, name, "bilinear")
        found = []
        for place in places:
            window = windows[place]
            found.append(
                Example(
                    f"column {window[0]}, row {window[1]}",
                    metrics.mean(metrics.iou(self.matrices[place])[1:]),
                    None if image is None else thumbnail(image, window),
                    shrunk(self.truth.read(window)),
                    shrunk(self.predicted.read(window)),
                )
            )
        return tuple(found)
