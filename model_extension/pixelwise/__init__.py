"""Networks that give values for every pixel: what a raster function beside this folder calls.

torch is imported when the first block is looked at: filling a dialog has to be instant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

import numpy as np

from ..common.blocks import without_padding
from ..common.errors import DeviceError
from ..common.legend import attribute_table
from ..common.place import raster_frame
from ..common.tiles import Place
from ..common.values import boolean, number, whole
from .arguments import Arguments, parameter_info, read_arguments
from .blocks import read_block
from .definition import Definition, PixelClass, read_definition

if TYPE_CHECKING:
    import torch

    from .tiled import Predict, Tiled

__all__ = [
    "Arguments",
    "Definition",
    "PixelClass",
    "Place",
    "attribute_table",
    "boolean",
    "choose_device",
    "class_type",
    "load_network",
    "number",
    "parameter_info",
    "pixel_values",
    "raster_frame",
    "read_arguments",
    "read_block",
    "read_definition",
    "over_tiles",
    "whole",
    "without_padding",
]


def choose_device(number: int) -> torch.device:
    """The device that ArcGIS means: -1 processor, -2 any graphics card, 0 and up that card.

    Raises
    ------
    DeviceError
        There is no such graphics card, or no torch.
    """
    try:
        from ..common.device import choose_device
    except (ImportError, OSError) as error:  # OSError: a library that torch brings along is broken
        raise DeviceError(
            f"PyTorch cannot be loaded ({error}): install the deep learning libraries for ArcGIS, "
            "or torch elsewhere"
        ) from error
    return choose_device(number)


def load_network(path: str, device: torch.device) -> Callable[[torch.Tensor], Any]:
    """Load a network, see `network.load`."""
    from .network import load

    return load(path, device)


def pixel_values(answer: Any, size: tuple[int, int], activation: str) -> torch.Tensor:
    """Make values of pixels of what a network answers, see `network.pixel_values`."""
    from .network import pixel_values

    return pixel_values(answer, size, activation)


def over_tiles(
    predict: Predict, definition: Definition, arguments: Arguments, device: torch.device
) -> Tiled:
    """Blocks in, values out, blended from overlapping tiles: see `tiled.Tiled`."""
    from .tiled import Tiled

    return Tiled(predict, definition, arguments, device)


def class_type(classes: tuple[PixelClass, ...]) -> tuple[str, int]:
    """Pixel type that holds the values of all classes, and a value of it that none has."""
    values = [0, *(entry.value for entry in classes)]
    if min(values) >= 0 and max(values) < 65535:
        return ("u1", 255) if max(values) < 255 else ("u2", 65535)
    return "i4", int(np.iinfo(np.int32).min)
