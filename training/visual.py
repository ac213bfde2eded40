"""Pictures as prompts: a crop with everything but the wanted thing dimmed (CLIPSeg, section 3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from training.data.references import CONCEPTS, Labels
from training.data.sampling import Crops, normalise

# What each pixel shows, the first that holds: these do not overlap, as the concepts do.
_ORDER = (
    *("cloud", "snow", "sand", "built-up", "bare ground"),
    *("marsh", "cropland", "forest", "water"),
)


@dataclass(frozen=True)
class VisualPrompt:
    """A picture used as a prompt.

    Parameters
    ----------
    pixels : tensor of float32, shape (3, size, size)
        Normalised.
    target : tensor of float32, shape (PROJECTION,)
        Where its embedding should lie.
    concept : int or None
        The concept that it shows nearly alone, if any.
    """

    pixels: torch.Tensor
    target: torch.Tensor
    concept: int | None


def draw_visual_prompts(
    crops: Crops, random: np.random.Generator, count: int, size: int, targets: torch.Tensor
) -> list[VisualPrompt]:
    """Draw pictures for use as prompts.

    Parameters
    ----------
    crops : Crops
        Where pictures come from.
    random : numpy Generator
        The only source of chance.
    count : int
        How many.
    size : int
        Edge of the pictures in pixels.
    targets : tensor of float32, shape (concept + 1, PROJECTION)
        The places of the concepts, and of "nothing".

    Returns
    -------
    list of VisualPrompt
    """
    prompts = []
    for _ in range(count):
        image, labels = crops.draw(size, closest=0.3)
        shown = dominant(labels)
        pixels = normalise(image)
        present = [number for number in np.unique(shown) if (shown == number).mean() > 0.05]
        inside = np.ones((size, size), dtype=bool)
        if random.random() < 0.65 and present:
            inside = shown == present[int(random.integers(0, len(present)))]
            pixels = highlight(pixels, inside)
        shares = np.bincount(shown[inside].ravel(), minlength=len(targets)) / inside.sum()
        target = torch.from_numpy(shares).float() @ targets
        best = int(shares.argmax())
        alone = best < len(CONCEPTS) and shares[best] > 0.8
        prompts.append(VisualPrompt(pixels, target, best if alone else None))
    return prompts


def dominant(labels: Labels) -> np.ndarray:
    """Return the one concept of each pixel, shape (height, width); the last number is "none"."""
    shown = np.full(labels.shape[1:], len(CONCEPTS), dtype=np.int64)
    for concept in reversed(_ORDER):
        number = CONCEPTS.index(concept)
        shown[labels[number] == 1] = number
    vegetation = CONCEPTS.index("vegetation")
    shown[(labels[vegetation] == 1) & (shown == len(CONCEPTS))] = vegetation
    return shown


def highlight(pixels: torch.Tensor, inside: np.ndarray) -> torch.Tensor:
    """Blur the background and bring it to a tenth, in normalised space (CLIPSeg, table 2).

    Parameters
    ----------
    pixels : tensor of float32, shape (3, height, width)
        Normalised.
    inside : array of bool, shape (height, width)
        The wanted thing.
    """
    reach = torch.arange(-7, 8, dtype=torch.float32)
    weights = torch.exp(-(reach**2) / (2 * 3.0**2))
    weights = weights / weights.sum()
    padded = functional.pad(pixels[:, None], (7, 7, 7, 7), mode="reflect")
    blurred = functional.conv2d(padded, weights.view(1, 1, 1, -1))
    blurred = functional.conv2d(blurred, weights.view(1, 1, -1, 1))[:, 0]
    mask = torch.from_numpy(inside)
    return torch.where(mask, pixels, 0.1 * blurred)
