"""CLIPSeg for rasters: what the raster function beside this folder calls.

The package runs inside ArcGIS, where it may import the standard library, numpy and torch only.
torch itself is imported when the first block is classified: filling a dialog has to be instant.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Callable

from ..common.blocks import without_padding
from ..common.errors import BlockError, CLIPSegError, DeviceError
from ..common.ground import pixel_metres
from ..common.place import raster_frame
from ..common.safetensors import SafetensorsFile
from ..common.tiles import Place
from ..common.values import whole as parse_whole
from .contract.arguments import Arguments, parse_arguments
from .contract.blocks import read_block
from .contract.definition import ModelDefinition, read_definition
from .contract.legend import attribute_table, class_colors
from .contract.parameters import parameter_info
from .language.plan import Plan
from .language.prompts import match_names, parse_prompts
from .network.tensors import check_tensors

if TYPE_CHECKING:
    from .inference.decision import BlockClassifier

__all__ = [
    "Arguments",
    "BlockError",
    "CLIPSegError",
    "ModelDefinition",
    "Place",
    "Plan",
    "attribute_table",
    "check_device",
    "check_prompts",
    "check_weights",
    "class_colors",
    "load_classifier",
    "parameter_info",
    "parse_arguments",
    "parse_prompts",
    "parse_whole",
    "pixel_metres",
    "raster_frame",
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


def check_prompts(plan: Plan, definition: ModelDefinition) -> None:
    """Look the prompts up in a frozen vocabulary; any prompt will do in other packages.

    Raises
    ------
    PromptError
        Lists the unknown prompts and the known ones.
    """
    if definition.prompt_names is not None:
        match_names(plan.texts, definition.prompt_names)


def check_device(device: int) -> None:
    """Look for a device (-1 processor, -2 any graphics card, 0 and up that card).

    Raises
    ------
    DeviceError
        There is no such graphics card, or no torch.
    """
    with _torch_needed():
        from ..common.device import choose_device
    choose_device(device)


def load_classifier(
    definition: ModelDefinition,
    arguments: Arguments,
    device: int,
    warn: Callable[[str], None],
    previous: BlockClassifier | None = None,
) -> BlockClassifier:
    """Load the network onto a device, see `check_device`, and embed what is looked for.

    Parameters
    ----------
    definition : ModelDefinition
    arguments : Arguments
    device : int
    warn : callable
        Takes a message for the user.
    previous : BlockClassifier, optional
        For the same package and device: its network is used again if the precision is the same.

    Raises
    ------
    CLIPSegError
        The device, the weights, a prompt or an example is at fault.
    """
    with _torch_needed():
        from ..common.device import choose_device
        from .inference.decision import BlockClassifier, calibration_note
        from .inference.segmenter import Segmenter
        from .network.precision import choose_precision
    chosen = choose_device(device)
    dtype = choose_precision(arguments.precision, chosen)
    # Who asks for single precision by name gets that of the reference.
    exact = arguments.precision == "fp32"
    # On processors the kernels that the weights are laid out for are faster than compiled code.
    compiled = arguments.compile_network and chosen.type == "cuda"
    if arguments.compile_network and not compiled:
        warn("compile_network has no effect on a processor: it is slower there")
    wanted = (dtype, exact, compiled)
    loaded = None if previous is None else previous.segmenter
    if loaded is None or (loaded.dtype, loaded.exact, loaded.compiled) != wanted:
        previous, segmenter = None, Segmenter(definition, chosen, dtype, warn, exact, compiled)
    else:
        segmenter = loaded
    if previous is None or previous.arguments.looked_for != arguments.looked_for:
        segmenter.look_for(
            arguments.plan.concepts,
            templates=arguments.templates,
            text_weight=arguments.prompt_weight,
            recipe=arguments.image_prompt_style,
            presence_threshold=arguments.presence_threshold,
        )
    note = calibration_note(arguments, definition)
    if note:
        warn(note)
    return BlockClassifier(segmenter, arguments)


@contextmanager
def _torch_needed() -> Iterator[None]:
    try:
        yield
    except (ImportError, OSError) as error:  # OSError: a library that torch brings along is broken
        raise DeviceError(
            f"PyTorch cannot be loaded ({error}): install the deep learning libraries for ArcGIS, "
            "or torch elsewhere"
        ) from error
