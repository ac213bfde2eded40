"""CLIPSeg for rasters: what the raster function beside this folder calls.

The package runs inside ArcGIS, where it may import the standard library, numpy and torch only.
torch itself is imported when the first block is classified: filling a dialog has to be instant.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Callable

from .arguments import Arguments, parameter_info, parse_arguments
from .arguments import whole as parse_whole
from .blocks import read_block, without_padding
from .definition import ModelDefinition, read_definition
from .errors import CLIPSegError, DeviceError
from .legend import attribute_table, class_colors
from .prompts import match_names, parse_prompts
from .safetensors import SafetensorsFile
from .tensors import check_tensors

if TYPE_CHECKING:
    from .segmenter import Segmenter

__all__ = [
    "Arguments",
    "CLIPSegError",
    "ModelDefinition",
    "attribute_table",
    "check_device",
    "check_prompts",
    "check_weights",
    "class_colors",
    "load_segmenter",
    "parameter_info",
    "parse_arguments",
    "parse_prompts",
    "parse_whole",
    "read_block",
    "read_definition",
    "without_padding",
]


def check_weights(definition: ModelDefinition) -> None:
    """Compare the header of the weights file with the model definition; reads no tensor.

    Raises
    ------
    WeightsError
        The file is missing, damaged or of another network.
    """
    with SafetensorsFile(definition.weights) as file:
        shapes = {name: file.shape(name) for name in file.keys()}
    check_tensors(definition.network, shapes, definition.weights)


def check_prompts(prompts: Sequence[str], definition: ModelDefinition) -> None:
    """Look the prompts up in a frozen vocabulary; any prompt will do in other packages.

    Raises
    ------
    PromptError
        Lists the unknown prompts and the known ones.
    """
    if definition.prompt_names is not None:
        match_names(prompts, definition.prompt_names)


def check_device(device: int) -> None:
    """Look for a device (-1 processor, -2 any graphics card, 0 and up that card).

    Raises
    ------
    DeviceError
        There is no such graphics card, or no torch.
    """
    with _torch_needed():
        from .segmenter import choose_device
    choose_device(device)


def load_segmenter(
    definition: ModelDefinition, device: int, warn: Callable[[str], None]
) -> Segmenter:
    """Load the network onto a device, see `check_device`; `warn` takes messages for the user.

    Raises
    ------
    CLIPSegError
        The device, the weights or the vocabulary is at fault.
    """
    with _torch_needed():
        from .segmenter import Segmenter, choose_device
    return Segmenter(definition, choose_device(device), warn=warn)


@contextmanager
def _torch_needed() -> Iterator[None]:
    try:
        yield
    except (ImportError, OSError) as error:  # OSError: a library that torch brings along is broken
        raise DeviceError(
            f"PyTorch cannot be loaded ({error}): install the deep learning libraries for ArcGIS, "
            "or torch elsewhere"
        ) from error
