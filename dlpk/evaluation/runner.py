"""Runs a package on the samples of a dataset, image by image."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal

from ..classification.model import Model
from ..errors import TruthError
from ..output.png import png_bytes
from ..raster.gdal_files import open_raster
from .dataset import Dataset, Sample
from .measures.counts import IGNORED
from .method import Method, quoted
from .result import BACKGROUND

# What an example image and the text that it is mixed with are called in a prompt.
SHOWN = "shown"
LEAST_PROBABILITY = 1e-6


class Runner:
    """Runs a package on samples.

    Parameters
    ----------
    model : Model
    emd : mapping
        The package's definition.
    method : Method
    dataset : Dataset
    folder : Path
        For files between.
    """

    def __init__(
        self, model: Model, emd: Mapping[str, Any], method: Method, dataset: Dataset, folder: Path
    ) -> None:
        self.model, self.method, self.folder = model, method, folder
        self.names = dataset.classes
        self.by_probability = method.threshold is not None or dataset.kind == "mattes"
        ours = emd.get("CLIPSeg")
        self.takes_prompt = isinstance(ours, dict)
        self.arguments = dict(method.arguments)
        frozen = isinstance(ours, dict) and ours.get("Vocabulary") == "frozen"
        self.sentences = "as the vocabulary of the package was made" if frozen else None
        if self.takes_prompt and not frozen:
            self.sentences = method.sentences_text()
            if tuple(method.templates) != ("{}",):
                self.arguments["prompt_template"] = "|".join(method.templates)
        strange = [name for name in method.words if name not in dataset.classes]
        if method.fallback not in ("", BACKGROUND, *dataset.classes):
            strange.append(method.fallback)
        if strange:
            raise TruthError(
                f"the dataset {dataset.name} has no class {', '.join(strange)}; it has "
                + (", ".join(dataset.classes) or "phrases")
            )
        if method.scores == "softmax" and not dataset.classes:
            raise TruthError(f"scores=softmax needs several classes; {dataset.name} has phrases")
        if method.prompts != "text" and not all(s.support for s in dataset.samples):
            raise TruthError(
                f"prompts is {method.prompts!r}, and the dataset {dataset.name} has no support "
                "images"
            )

    def probabilities(self, sample: Sample) -> np.ndarray:
        """Scores of background and every class, float32, shape (classes + 1, rows, columns).

        That of background is 0 where no words compete for it.
        """
        asked, numbers = {"return_probability_raster": "True"}, list(range(1, len(self.names) + 1))
        if not self.takes_prompt:
            found = self._run(sample, "", asked)
        elif sample.phrase:
            found, numbers = self._run(sample, *self._phrase(sample, asked)), [1]
        else:
            phrases, numbers = self.method.phrases(self.names)
            texts = ("|".join(map(quoted, words)) for words in phrases)
            found = self._run(sample, ", ".join(f"w{i} = {t}" for i, t in enumerate(texts)), asked)
        if self.method.scores == "softmax":
            found = _softmax(found)
        scores = np.zeros((max(numbers) + 1, *found.shape[1:]), np.float32)
        for number, band in zip(numbers, found):
            scores[number] = np.maximum(scores[number], band)
        scores[0] *= self.method.background_strength
        return scores

    def classes(self, sample: Sample) -> np.ndarray:
        """Classes as the package decides them, uint8, shape (rows, columns)."""
        prompt = self.method.prompt(self.names) if self.names and self.takes_prompt else ""
        if sample.phrase:
            return np.asarray(self._run(sample, *self._phrase(sample, {}))[0])
        return np.asarray(self._run(sample, prompt, {})[0])

    def decided(self, scores: np.ndarray) -> np.ndarray:
        """Classes by the method's threshold, uint8."""
        classes = scores.argmax(axis=0).astype(np.uint8)
        names, fallback = list(self.names), self.method.fallback
        nothing = names.index(fallback) + 1 if fallback in names else 0
        if self.method.forced:
            if not scores[0].any():  # nothing competes: where all are 0 the first class wins
                classes = (scores[1:].argmax(axis=0) + 1).astype(np.uint8)
        else:
            classes[scores.max(axis=0) <= (self.method.threshold or 0.0)] = 0
        classes[classes == 0] = nothing
        return np.asarray(classes)

    def _phrase(self, sample: Sample, arguments: Mapping[str, str]) -> tuple[str, dict[str, str]]:
        """Prompt and arguments that show what a sample asks for."""
        if self.method.prompts == "text":
            return quoted(sample.phrase), dict(arguments)
        examples = [
            quoted(str(_write_support(support, self.folder / f"support{number}.png")))
            for number, support in enumerate(sample.support)
        ]
        name = sample.phrase if self.method.prompts == "both" else SHOWN
        shown = {"image_prompt": f"{quoted(name)} = {' | '.join(examples)}"}
        return quoted(name) if self.method.prompts == "both" else "", {**arguments, **shown}

    def _run(self, sample: Sample, prompt: str, more: Mapping[str, str]) -> np.ndarray:
        out = self.folder / "found.tif"
        out.unlink(missing_ok=True)
        arguments = {**self.arguments, **more}
        image = self._image(sample.image)
        self.model.classify(image, out, prompt=prompt or None, arguments=arguments)
        result = open_raster(str(out))
        pixels = np.asarray(result.ReadAsArray())
        pixels = pixels if pixels.ndim == 3 else pixels[None]
        if "return_probability_raster" not in more:
            band = result.GetRasterBand(1)
            pixels = np.where(band.GetMaskBand().ReadAsArray() > 0, pixels, IGNORED)
        return pixels

    def _image(self, path: Path) -> str:
        """The image as a raster of the size that the method wants."""
        name = str(path)
        if path.suffix == ".npz":
            name = str(self.folder / "image.tif")
            _write_array(path, name)
        dataset, method = open_raster(name), self.method
        size = width, height = dataset.RasterXSize, dataset.RasterYSize
        if method.square:
            size = (method.square, method.square)
        elif wanted := method.short_side or method.long_side:
            scale = wanted / (min(size) if method.short_side else max(size))
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
        if size == (width, height):
            return name
        out = str(self.folder / "resized.tif")
        gdal.Translate(out, dataset, width=size[0], height=size[1], resampleAlg="bilinear")
        return out


def _softmax(probabilities: np.ndarray) -> np.ndarray:
    """Softmax over the logits of all words, which are the bands."""
    p = np.clip(probabilities, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    odds = p / (1 - p)  # the exponential of the logit
    return np.asarray(odds / odds.sum(axis=0), np.float32)


def _write_support(support: Sample, path: Path) -> Path:
    """An example image with its object in the alpha channel."""
    dataset = open_raster(str(support.image))
    pixels = dataset.ReadAsArray()
    pixels = np.stack([pixels] * 3) if pixels.ndim == 2 else pixels[:3]
    alpha = np.where(support.truth() == 1, 255, 0).astype(np.uint8)
    if pixels.shape[1:] != alpha.shape or pixels.dtype != np.uint8:
        raise TruthError(
            f"{support.image} cannot be an example: it has {pixels.shape[2]} by {pixels.shape[1]} "
            f"pixels of {pixels.dtype}, and its mask {alpha.shape[1]} by {alpha.shape[0]} of uint8"
        )
    path.write_bytes(png_bytes(np.dstack([*pixels, alpha])))
    return path


def _write_array(path: Path, out: str) -> None:
    with np.load(path) as arrays:
        if "image" not in arrays:
            raise TruthError(f"{path} has no array 'image'; it has {', '.join(arrays)}")
        pixels = np.round(np.clip(arrays["image"], 0, 1) * 255).astype(np.uint8)
    driver = gdal.GetDriverByName("GTiff")
    made = driver.Create(out, pixels.shape[2], pixels.shape[1], len(pixels), gdal.GDT_Byte)
    made.WriteArray(pixels)


def resized(pixels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
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
