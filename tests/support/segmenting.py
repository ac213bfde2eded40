"""Running a package's network on images, prompt by prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from model_extension.clipseg.inference.segmenter import Segmenter
from model_extension.clipseg.language.plan import Concept


def probabilities(
    segmenter: Segmenter,
    pixels: np.ndarray,
    valid: np.ndarray,
    prompts: Sequence[str],
    **sizes: Any,
) -> torch.Tensor:
    segmenter.look_for([Concept((prompt,)) for prompt in prompts])
    return segmenter.probabilities(pixels, valid, **sizes)
