"""Training crops: random places, scales, stretches, colours and defects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from training.data.rasters import Source
from training.data.references import UNKNOWN

SIZE = 96
"""Edge of the tiles that the network sees, in pixels."""

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)

PERCENTILES = (0.5, 99.5)
"""Which part of a band's values is stretched to 0 to 255 where the raster is not 8 bit."""

_STRETCHES = 300
_PLACES = 20_000
_SMALLEST_SHARE = 0.98


@dataclass(frozen=True)
class Stretch:
    """How the bands of one imagined raster are brought to 8 bit.

    Parameters
    ----------
    rows, columns : slice
        The imagined raster inside its source.
    low, high : array of float32, shape (3, 1, 1)
        The values that become 0 and 255.
    """

    rows: slice
    columns: slice
    low: NDArray[np.float32]
    high: NDArray[np.float32]


def limits(
    rgb: NDArray[np.float32], valid: NDArray[np.bool_], percentiles: tuple[float, float]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the values of each band that a stretch brings to 0 and 255.

    Parameters
    ----------
    rgb : array of float32, shape (3, height, width)
        The whole raster.
    valid : array of bool, shape (height, width)
        Pixels that count.
    percentiles : pair of float
        Lower and upper percentile of the valid pixels.

    Returns
    -------
    pair of arrays of float32, shape (3, 1, 1)
    """
    low, high = np.percentile(rgb[:, valid], percentiles, axis=1).astype(np.float32)
    return low[:, None, None], np.maximum(high, low + 1)[:, None, None]


def to_bytes(
    rgb: NDArray[np.float32], low: NDArray[np.float32], high: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Stretch linearly to 0 to 255, clip and round."""
    scaled = np.rint((rgb - low) / (high - low) * 255)
    return np.asarray(np.clip(scaled, 0, 255), dtype=np.uint8)


def normalise(pixels: torch.Tensor) -> torch.Tensor:
    """Return pixels (0 to 255; shape (..., 3, height, width)) as the network takes them."""
    mean = torch.tensor(MEAN).view(3, 1, 1)
    std = torch.tensor(STD).view(3, 1, 1)
    return (pixels.float() / 255 - mean) / std


class Crops:
    """Draws training crops from the scenes.

    Parameters
    ----------
    sources : list of Source
        The scenes.
    random : numpy Generator
        The only source of chance.
    """

    def __init__(self, sources: list[Source], random: np.random.Generator) -> None:
        self._random = random
        self._sources = sources
        weights = np.array([source.weight for source in sources])
        self._weights = weights / weights.sum()
        self._sums = [_integral(source.trainable) for source in sources]
        self._places = [self._find_places(source) for source in sources]
        self._stretches = [
            [self._imagine(source) for _ in range(_STRETCHES if source.stretch else 0)]
            for source in sources
        ]

    def draw(
        self, size: int = SIZE, *, widest: float = 2.0, closest: float = 0.5
    ) -> tuple[torch.Tensor, NDArray[np.uint8]]:
        """Draw one crop.

        Parameters
        ----------
        size : int
            Edge of the result in pixels.
        widest, closest : float
            Largest and smallest edge of the crop in its scene, as a multiple of `size`.

        Returns
        -------
        tensor of float32, shape (3, size, size)
            Pixel values, 0 to 255.
        array of uint8, shape (concept, size, size)
            Labels.
        """
        number = int(self._random.choice(len(self._sources), p=self._weights))
        source = self._sources[number]
        rows, columns, stretch = self._place(number, size, closest, widest)
        pixels = source.rgb[:, rows, columns]
        if stretch is not None:
            pixels = to_bytes(pixels, stretch.low, stretch.high).astype(np.float32)
        labels = source.labels[:, rows, columns]
        image = _resize(torch.from_numpy(np.ascontiguousarray(pixels)), size)
        if self._random.random() < 0.5:
            image = self._recolour(image)
        image = self._spoil(image)
        resized = _resize_labels(labels, size)
        image, resized = self._turn(image, resized)
        if self._random.random() < 0.12:
            self._cut(image, resized)
        return image, resized

    def _find_places(self, source: Source) -> list[NDArray[np.int64]]:
        """Return pixels of each concept that the scene shows, and of anything."""
        found = []
        for labels in source.labels:
            rows, columns = np.nonzero((labels == 1) & source.trainable)
            if len(rows) >= 200:
                chosen = self._random.choice(len(rows), min(_PLACES, len(rows)), replace=False)
                found.append(np.stack([rows[chosen], columns[chosen]], axis=1))
        rows, columns = np.nonzero(source.trainable)
        chosen = self._random.choice(len(rows), _PLACES, replace=False)
        anything = np.stack([rows[chosen], columns[chosen]], axis=1)
        # As often anywhere as at a concept chosen first: rare concepts must be seen, too.
        return found + [anything] * len(found)

    def _imagine(self, source: Source) -> Stretch:
        """Return the stretch of a random part of the scene, as if it were a raster of its own."""
        height, width = source.trainable.shape
        while True:
            size = float(np.exp(self._random.uniform(np.log(300), np.log(max(height, width)))))
            aspect = float(self._random.uniform(0.6, 1.6))
            tall = min(int(size * aspect), height)
            broad = min(int(size / aspect), width)
            top = int(self._random.integers(0, height - tall + 1))
            left = int(self._random.integers(0, width - broad + 1))
            rows, columns = slice(top, top + tall), slice(left, left + broad)
            inside = source.trainable[rows, columns]
            if inside.sum() < 200 * 200:
                continue
            percentiles = PERCENTILES if self._random.random() < 0.85 else (2.0, 98.0)
            # Every fifth pixel each way gives nearly the same percentiles.
            part = source.rgb[:, rows, columns][:, ::5, ::5]
            low, high = limits(part, inside[::5, ::5], percentiles)
            return Stretch(rows, columns, low, high)

    def _place(
        self, number: int, size: int, closest: float, widest: float
    ) -> tuple[slice, slice, Stretch | None]:
        """Return where to crop a scene, inside what the training may see, and its stretch."""
        source, sums = self._sources[number], self._sums[number]
        places, stretches = self._places[number], self._stretches[number]
        height, width = source.trainable.shape
        for _ in range(10_000):
            edge = int(size * np.exp(self._random.uniform(np.log(closest), np.log(widest))))
            if self._random.random() < 0.4:
                edge = size
            options = places[int(self._random.integers(0, len(places)))]
            row, column = options[int(self._random.integers(0, len(options)))]
            top = int(row) - int(self._random.integers(0, edge))
            left = int(column) - int(self._random.integers(0, edge))
            if top < 0 or left < 0 or top + edge > height or left + edge > width:
                continue
            seen = (
                sums[top + edge, left + edge]
                - sums[top, left + edge]
                - sums[top + edge, left]
                + sums[top, left]
            )
            # The footprint of a scene may have holes. What is missing can be a sliver of the gap
            # but never a held-out pixel: the gap is wider than that.
            if seen < edge * edge * (1 if source.stretch else _SMALLEST_SHARE):
                continue
            stretch = None
            if stretches:
                stretch = stretches[int(self._random.integers(0, len(stretches)))]
                if not (_covers(stretch.rows, top, edge) and _covers(stretch.columns, left, edge)):
                    continue
            return slice(top, top + edge), slice(left, left + edge), stretch
        raise RuntimeError(f"no crop of {size} pixels fits into {source.name}")

    def _recolour(self, image: torch.Tensor) -> torch.Tensor:
        """Change brightness, contrast and colour balance as other scenes and stretches would."""
        gamma = float(np.exp(self._random.normal(0, 0.18)))
        gain = torch.tensor(
            np.exp(self._random.normal(0, 0.1) + self._random.normal(0, 0.05, 3)),
            dtype=torch.float32,
        )
        offset = torch.tensor(
            self._random.normal(0, 7) + self._random.normal(0, 3, 3), dtype=torch.float32
        )
        image = 255 * (image.clamp(0, 255) / 255) ** gamma
        return (image * gain.view(3, 1, 1) + offset.view(3, 1, 1)).clamp(0, 255)

    def _spoil(self, image: torch.Tensor) -> torch.Tensor:
        """Sometimes blur, add noise, round."""
        kind = self._random.random()
        if kind < 0.12:
            image = functional.avg_pool2d(image[None], 3, 1, 1, count_include_pad=False)[0]
        elif kind < 0.3:
            sigma = float(self._random.uniform(1, 6))
            noise = self._random.normal(0, sigma, tuple(image.shape)).astype(np.float32)
            image = image + torch.from_numpy(noise)
        return image.round().clamp(0, 255)

    def _turn(
        self, image: torch.Tensor, labels: NDArray[np.uint8]
    ) -> tuple[torch.Tensor, NDArray[np.uint8]]:
        """Turn by a multiple of 90 degrees and mirror."""
        turns = int(self._random.integers(0, 4))
        image = torch.rot90(image, turns, (1, 2))
        labels = np.rot90(labels, turns, (1, 2))
        if self._random.random() < 0.5:
            image = image.flip(2)
            labels = labels[:, :, ::-1]
        return image.contiguous(), np.ascontiguousarray(labels)

    def _cut(self, image: torch.Tensor, labels: NDArray[np.uint8]) -> None:
        """Blank what lies beyond a straight edge, as at the border of a raster or its footprint."""
        angle = float(self._random.uniform(0, 2 * np.pi))
        if self._random.random() < 0.5:
            angle = float(np.rint(angle / (np.pi / 2)) * (np.pi / 2))
        size = labels.shape[-1]
        rows, columns = np.mgrid[0:size, 0:size] - (size - 1) / 2
        across = rows * np.sin(angle) + columns * np.cos(angle)
        beyond = across > float(self._random.uniform(0.05, 0.5)) * size
        colours = ((0, 0, 0), (0, 0, 0), (124, 116, 104), (255, 255, 255))
        colour = colours[int(self._random.integers(0, len(colours)))]
        image[:, torch.from_numpy(beyond)] = torch.tensor(colour, dtype=torch.float32).view(3, 1)
        labels[:, beyond] = UNKNOWN


def _covers(part: slice, first: int, count: int) -> bool:
    return bool(part.start <= first and first + count <= part.stop)


def _integral(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    sums = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), dtype=np.int64)
    sums[1:, 1:] = mask.cumsum(0).cumsum(1)
    return sums


def _resize(pixels: torch.Tensor, size: int) -> torch.Tensor:
    if pixels.shape[-1] == size:
        return pixels.clone()
    return functional.interpolate(
        pixels[None], size=(size, size), mode="bilinear", antialias=True, align_corners=False
    )[0]


def _resize_labels(labels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Resample labels: what covers more than half of a pixel."""
    if labels.shape[-1] == size:
        return labels.copy()
    planes = np.stack([labels == 1, labels == UNKNOWN]).astype(np.float32)
    resampled = _resize(torch.from_numpy(planes.reshape(-1, *labels.shape[1:])), size)
    present, unknown = resampled.view(2, len(labels), size, size).numpy()
    resized = np.asarray(present > 0.5, dtype=np.uint8)
    resized[unknown > 0.5] = UNKNOWN
    return resized
