"""A model as its author has it, whatever file it came in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# Statistics of ImageNet, which most encoders were trained with, for values from 0 to 1.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Original:
    """A model, loaded, and what its files say of it.

    Parameters
    ----------
    kind : str
        In words, such as ``TorchScript``.
    call : callable
        Normalised tiles, float32 of shape (tiles, bands, rows, columns), to whatever the model
        answers.
    module : torch.nn.Module, optional
        To be exported; without it `file` goes into the package as it is.
    file : Path, optional
    bands : int, optional
        How many the model takes.
    tile_size, size_unit : int, optional
        Sides of tiles, and what they have to be multiples of.
    mean, std : tuple of float, optional
        Per band, for values from 0 to 1.
    names : tuple of str, optional
        Of the classes, in the order of the outputs.
    activation : str, optional
        See `model_extension.pixelwise.definition.Definition`.
    """

    kind: str
    call: Callable[[torch.Tensor], Any]
    module: torch.nn.Module | None = None
    file: Path | None = None
    bands: int | None = None
    tile_size: int | None = None
    size_unit: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    names: tuple[str, ...] | None = None
    activation: str | None = None
