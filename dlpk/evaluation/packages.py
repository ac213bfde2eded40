"""A package over a labelled dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal
from tqdm import tqdm

from builder.scratch import scratch_folder

from ..classification.model import Model
from ..errors import TruthError
from ..package.open import open_package
from ..raster.gdal_files import open_raster
from .dataset import Dataset, Sample
from .measures import metrics
from .measures.boundaries import boundary_counts
from .measures.counts import IGNORED, ThresholdCounts, confusion
from .measures.matting import GROUPINGS, Matte, matting_measures
from .provenance import versions
from .reports.pictures import shrunk, thumbnail
from .result import Evaluation, Example

COMBINE = ("mean", "maximum")
EXAMPLES = 3


@dataclass(frozen=True)
class Method:
    """How a package is run over a dataset; every choice that changes a figure has a name.

    Parameters
    ----------
    words : mapping
        Class to its words; its name by default.
    combine : str
        Several words of a class: ``mean`` averages their embeddings, ``maximum`` takes the best
        probability.
    template : str
        Sentence with {} that phrases are put into.
    threshold : float or None
        Probability above which something is there; the package's own decision where None, which
        takes calibrated values.
    fallback : str
        Class of pixels that nothing is found in; background by default.
    forced : bool
        True: every pixel gets its best class.
    short_side : int, optional
        To resize images to; truth stays as it is.
    square : int, optional
        To squash images to.
    arguments : mapping
        Of the function.
    boundary : sequence of int
        Distances in pixels for boundary F.
    matte_groups : sequence of str
        What mattes are averaged by.
    """

    words: Mapping[str, Sequence[str]] = field(default_factory=dict)
    combine: str = COMBINE[0]
    template: str = "{}"
    threshold: float | None = None
    fallback: str = ""
    forced: bool = False
    short_side: int | None = None
    square: int | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    boundary: Sequence[int] = ()
    matte_groups: Sequence[str] = GROUPINGS

    def prompt(self, classes: Sequence[str]) -> str:
        """The text prompt for all classes, in order."""
        if self.combine not in COMBINE:
            raise TruthError(f"combine is {self.combine!r}; it must be one of {', '.join(COMBINE)}")
        between = "|" if self.combine == "mean" else " OR "
        return ", ".join(
            f"{quoted(name)} = {between.join(quoted(w) for w in self.words.get(name, [name]))}"
            for name in classes
        )


def quoted(text: str) -> str:
    """A text that the prompt language reads literally."""
    return '"' + text.replace('"', "'") + '"'


def evaluate_package(
    package: str | Path,
    dataset: Dataset,
    method: Method | None = None,
    *,
    device: str = "auto",
    quiet: bool = True,
) -> Evaluation:
    """Run a package over a dataset and compare with its truth.

    Parameters
    ----------
    package : path
    dataset : Dataset
    method : Method, optional
    device : str
        ``auto``, ``cpu`` or ``cuda:N``.
    quiet : bool
        No progress bar.

    Returns
    -------
    Evaluation

    Raises
    ------
    DlpkError
        The package does not run, or a file cannot be read.
    """
    chosen = method or Method()
    if not dataset.samples:
        raise TruthError(f"the dataset {dataset.name} holds no labelled image")
    names = dataset.classes or ("what is looked for",)
    totals = _Totals(names, chosen)
    with (
        open_package(package) as opened,
        scratch_folder() as home,
        Model(opened, device=device) as model,
    ):
        folder = home / "run"  # the scratch folder is locked, and so is the folder of a result
        folder.mkdir()
        runner = _Runner(model, opened.emd, chosen, dataset, folder)
        for sample in tqdm(dataset.samples, disable=quiet, unit="image", leave=False):
            truth = sample.truth()
            if dataset.kind == "mattes":
                alpha = _resized(runner.probabilities(sample), truth.shape)[0]
                totals.add_matte(sample, alpha, truth)
                continue
            if runner.by_probability:
                values = _resized(runner.probabilities(sample), truth.shape)
                found = runner.decided(values)
                totals.add_probabilities(values, truth)
            else:
                found = _resized(runner.classes(sample), truth.shape)
            totals.add(sample, truth, found)
        about = {
            "package": str(package),
            "SHA-256 of the package": opened.sha256 or "",
            "dataset": f"{dataset.name}: {len(dataset.samples)} samples",
            "words": runner.prompt or "each sample's phrase, as " + chosen.template,
            "threshold": "the package's own"
            if chosen.threshold is None
            else f"{chosen.threshold:g}",
            "several words of a class": chosen.combine,
            "images resized to": runner.size_text,
            "arguments": ", ".join(f"{k}={v}" for k, v in chosen.arguments.items()) or "default",
            **versions(),
        }
    return totals.evaluation(about)


class _Runner:
    """Runs the package on samples, image by image."""

    def __init__(
        self,
        model: Model,
        emd: Mapping[str, Any],
        method: Method,
        dataset: Dataset,
        folder: Path,
    ) -> None:
        self.model, self.method, self.folder = model, method, folder
        self.classes_of = dataset.classes
        self.by_probability = method.threshold is not None or dataset.kind == "mattes"
        if dataset.kind == "phrases" and method.threshold is None:
            self.by_probability = False
        takes_prompt = isinstance(emd.get("CLIPSeg"), dict)
        self.prompt = method.prompt(dataset.classes) if dataset.classes and takes_prompt else ""
        self.size_text = (
            f"{method.square} x {method.square}, squashed"
            if method.square
            else f"{method.short_side} pixels on the short side"
            if method.short_side
            else "as they are"
        )

    def probabilities(self, sample: Sample) -> np.ndarray:
        """Of every class, float32, shape (classes, rows, columns)."""
        return self._run(sample, {"return_probability_raster": "True"})

    def classes(self, sample: Sample) -> np.ndarray:
        """Classes as the package decides them, uint8, shape (rows, columns)."""
        return np.asarray(self._run(sample, {})[0])

    def _run(self, sample: Sample, more: Mapping[str, str]) -> np.ndarray:
        prompt = self.prompt
        if sample.phrase:
            prompt = quoted(self.method.template.replace("{}", sample.phrase))
        out = self.folder / "found.tif"
        out.unlink(missing_ok=True)
        arguments = {**self.method.arguments, **more}
        image = self._image(sample.image)
        self.model.classify(image, out, prompt=prompt or None, arguments=arguments)
        result = open_raster(str(out))
        pixels = np.asarray(result.ReadAsArray())
        pixels = pixels if pixels.ndim == 3 else pixels[None]
        if not more:
            band = result.GetRasterBand(1)
            pixels = np.where(band.GetMaskBand().ReadAsArray() > 0, pixels, IGNORED)
        return pixels

    def _image(self, path: Path) -> str:
        """The image as a raster of the size that the method wants."""
        name = str(path)
        if path.suffix == ".npz":
            name = str(self.folder / "image.tif")
            _write_array(path, name)
        dataset = open_raster(name)
        width, height = dataset.RasterXSize, dataset.RasterYSize
        if self.method.square:
            size = (self.method.square, self.method.square)
        elif self.method.short_side:
            scale = self.method.short_side / min(width, height)
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
        else:
            return name
        if size == (width, height):
            return name
        out = str(self.folder / "resized.tif")
        gdal.Translate(out, dataset, width=size[0], height=size[1], resampleAlg="bilinear")
        return out

    def decided(self, values: np.ndarray) -> np.ndarray:
        """Classes by the method's threshold, uint8."""
        best = values.argmax(axis=0)
        classes = (best + 1).astype(np.uint8)
        if not self.method.forced:
            names = list(self.classes_of)
            fallback = self.method.fallback
            missing = names.index(fallback) + 1 if fallback in names else 0
            classes[values.max(axis=0) <= (self.method.threshold or 0.0)] = missing
        return np.asarray(classes)


def _write_array(path: Path, out: str) -> None:
    with np.load(path) as arrays:
        if "image" not in arrays:
            raise TruthError(f"{path} has no array 'image'; it has {', '.join(arrays)}")
        pixels = np.round(np.clip(arrays["image"], 0, 1) * 255).astype(np.uint8)
    driver = gdal.GetDriverByName("GTiff")
    made = driver.Create(out, pixels.shape[2], pixels.shape[1], len(pixels), gdal.GDT_Byte)
    made.WriteArray(pixels)


def _resized(pixels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Probabilities (bilinear, corners aligned, as the CLIPSeg authors do) or classes (nearest)."""
    if pixels.shape[-2:] == shape[-2:]:
        return pixels
    import torch

    if pixels.ndim == 2:
        rows = (np.arange(shape[0]) * pixels.shape[0]) // shape[0]
        columns = (np.arange(shape[1]) * pixels.shape[1]) // shape[1]
        return np.asarray(pixels[rows[:, None], columns])
    resized = torch.nn.functional.interpolate(
        torch.from_numpy(pixels)[None], size=shape[-2:], mode="bilinear", align_corners=True
    )
    return np.asarray(resized[0].numpy())


class _Totals:
    """What adds up over samples."""

    def __init__(self, names: tuple[str, ...], method: Method) -> None:
        self.names, self.method, self.size = names, method, len(names) + 1
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
        known = truth != IGNORED
        self.thresholds.append(
            ThresholdCounts.stacked(
                [ThresholdCounts.of(v, truth == n, known) for n, v in enumerate(values, 1)]
            )
        )

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

    def _paper(self, stacked: ThresholdCounts) -> dict[str, float]:
        """The measures of the CLIPSeg paper, and the medical ones."""
        samples = ThresholdCounts(stacked.hits[:, 0], stacked.misses[:, 0])
        labels = [sample.label for sample in self.samples]
        known = list(dict.fromkeys(labels))
        numbers = (
            [known.index(label) for label in labels] if all(labels) else list(range(len(labels)))
        )
        by = "class" if all(labels) else "sample"
        threshold = self.method.threshold or 0.5
        place = min(max(round(threshold * 50) - 1, 0), 48)
        found = {}
        for name, values in metrics.paper_measures(samples, numbers).items():
            what = f"{name} (by {by})" if name == "mIoU" else name
            found[f"{what}, paper, t={threshold:g}"] = float(values[place])
            found[f"{what}, paper, best t"] = float(values.max())
        found["AP, paper"] = metrics.paper_average_precision(samples.summed())
        found["AP, step"] = metrics.average_precision(samples.summed())
        matrices = np.array(self.matrices)
        dice = metrics.dice(matrices, empty=1.0)[:, 1]
        iou = metrics.iou(matrices)[:, 1]
        found["Dice, mean of images (both empty: 1)"] = float(dice.mean())
        found["IoU, mean of images (both empty: 1)"] = float(np.nan_to_num(iou, nan=1.0).mean())
        return found
