"""Running a package's network on images, prompt by prompt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from model_extension.clipseg.inference.segmenter import Segmenter
from model_extension.clipseg.language.plan import Concept
from model_extension.common.tiles import Place


def probabilities(
    segmenter: Segmenter,
    pixels: np.ndarray,
    valid: np.ndarray,
    prompts: Sequence[str],
    *,
    tile_size: int,
    batch_size: int = 4,
) -> torch.Tensor:
    """Probabilities of a raster in tiles that do not overlap."""
    segmenter.look_for([Concept((prompt,)) for prompt in prompts])
    return segmenter.probabilities(
        pixels,
        valid,
        Place(0, 0, *valid.shape),
        padding=0,
        tile_size=tile_size,
        overlap=0,
        batch_size=batch_size,
    )
