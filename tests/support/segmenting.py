"""Running a package's network on images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from model_extension.clipseg.inference.embedding import Embedder
from model_extension.clipseg.inference.segmenter import Segmenter
from model_extension.clipseg.language.plan import Concept
from model_extension.common.tiles import Place


def noise(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (3, rows, columns), np.uint8)


def whole(
    segmenter: Segmenter,
    pixels: np.ndarray,
    valid: np.ndarray | None = None,
    *,
    tile_size: int = 16,
    overlap: int = 8,
    batch_size: int = 4,
    **options: Any,
) -> np.ndarray:
    """Probabilities of a raster in tiles, of what the segmenter looks for."""
    valid = np.ones(pixels.shape[1:], bool) if valid is None else valid
    sizes = {"tile_size": tile_size, "overlap": overlap, "batch_size": batch_size}
    place = Place(0, 0, *valid.shape)
    return segmenter.probabilities(pixels, valid, place, padding=0, **sizes, **options).numpy()


def concept_embeddings(
    embedder: Embedder,
    concepts: Sequence[Concept],
    templates: Sequence[str] = ("{}",),
    weight: float = 0.5,
) -> torch.Tensor:
    """Embeddings of concepts, texts and examples mixed."""
    return torch.cat([parts.mixed(weight) for parts in embedder.parts(concepts, templates)])
