"""The arguments of the tool: what ArcGIS shows, and what comes back as strings.

ArcGIS hands every argument over as text, written in the user's own locale: "0,3" is a number in
half of the world. Names are those of Esri's pixel classifiers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .definition import ModelDefinition
from .errors import ArgumentError
from .prompts import parse_prompts

# More tiles than this in one batch take more memory than any card has.
LARGEST_BATCH = 1024
LARGEST_TILE = 4096
# Side of a block in pixels; its three bands are then as large as 0.8 GB.
LARGEST_BLOCK = 16384
TRUE = ("true", "1", "yes", "on")
FALSE = ("false", "0", "no", "off")


@dataclass(frozen=True)
class Arguments:
    """The arguments of one run.

    Parameters
    ----------
    prompts : tuple of str
        Class 1, 2, … in this order.
    threshold : float
        Probability above which a pixel belongs to a prompt, 0 to 1.
    padding : int
        Pixels cut from each side of a tile's result, so that tiles meet without a seam.
    batch_size : int
        Tiles per call of the network, a perfect square.
    tile_size : int
        Side in pixels of the square that the network looks at.
    predict_background : bool
        False: every pixel gets the likeliest prompt, however unlikely.
    return_probability_raster : bool
        True: one band of probabilities per prompt, no classes.
    """

    prompts: tuple[str, ...]
    threshold: float
    padding: int
    batch_size: int
    tile_size: int
    predict_background: bool
    return_probability_raster: bool

    @property
    def tiles_per_side(self) -> int:
        """Tiles along each side of a block."""
        return math.isqrt(self.batch_size)

    @property
    def block_size(self) -> int:
        """Side in pixels of the block asked for per call, without padding (contract, section 6)."""
        return (self.tile_size - 2 * self.padding) * self.tiles_per_side


def parse_arguments(scalars: Mapping[str, Any], definition: ModelDefinition) -> Arguments:
    """Read the scalars of ``getConfiguration``; what is missing has its default.

    Parameters
    ----------
    scalars : mapping
        Argument name to value, usually a string.
    definition : ModelDefinition
        Source of the defaults.

    Returns
    -------
    Arguments

    Raises
    ------
    ArgumentError, PromptError
        Names the argument, its value and what is allowed.
    """
    given = {
        name: value
        for name, value in scalars.items()
        # What was emptied has its default, except for the prompt: nobody means that by it.
        if value is not None and (value != "" or name == "text_prompt")
    }
    tile_size = whole("tile_size", given.get("tile_size", definition.tile_size))
    patch = definition.network.patch
    if not patch <= tile_size <= LARGEST_TILE or tile_size % patch:
        lower = min(max(tile_size // patch, 1), LARGEST_TILE // patch) * patch
        raise ArgumentError(
            f"tile_size is {tile_size}; it must be a multiple of {patch} from {patch} to "
            f"{LARGEST_TILE}, for example {lower} or {definition.tile_size}"
        )
    default_padding = definition.padding if tile_size == definition.tile_size else tile_size // 4
    padding = whole("padding", given.get("padding", default_padding))
    if not padding >= 0 or 2 * padding >= tile_size:
        raise ArgumentError(
            f"padding is {padding}; it must be from 0 to {(tile_size - 1) // 2}, less than half "
            f"of the tile size {tile_size}"
        )
    batch_size = whole("batch_size", given.get("batch_size", definition.batch_size))
    if not 1 <= batch_size <= LARGEST_BATCH:
        raise ArgumentError(f"batch_size is {batch_size}; it must be from 1 to {LARGEST_BATCH}")
    # "The highest possible perfect square value is used" (help of the tool).
    batch_size = math.isqrt(batch_size) ** 2
    threshold = number("threshold", given.get("threshold", definition.threshold))
    if not 0.0 <= threshold <= 1.0:
        raise ArgumentError(f"threshold is {threshold:g}; it must be from 0 to 1")
    arguments = Arguments(
        prompts=parse_prompts(str(given.get("text_prompt", definition.prompt))),
        threshold=threshold,
        padding=padding,
        batch_size=batch_size,
        tile_size=tile_size,
        predict_background=boolean("predict_background", given.get("predict_background", True)),
        return_probability_raster=boolean(
            "return_probability_raster", given.get("return_probability_raster", False)
        ),
    )
    if arguments.block_size + 2 * padding > LARGEST_BLOCK:
        raise ArgumentError(
            f"batch_size {batch_size} and tile_size {tile_size} make blocks of "
            f"{arguments.block_size + 2 * padding} pixels a side, {LARGEST_BLOCK} are the most: "
            "lower one of them"
        )
    return arguments


def number(name: str, value: Any) -> float:
    """Read a number that may be text with a decimal comma.

    Raises
    ------
    ArgumentError
        It is not a finite number.
    """
    try:
        result = float(value.strip().replace(",", ".") if isinstance(value, str) else value)
    except (TypeError, ValueError, OverflowError):
        result = math.nan
    if not math.isfinite(result):
        raise ArgumentError(f"{name} is {value!r}; it must be a number, for example 0.3")
    return result


def whole(name: str, value: Any) -> int:
    """Read a whole number; "88.0" is one.

    Raises
    ------
    ArgumentError
        It is not a whole number.
    """
    result = number(name, value)
    if result != int(result):
        raise ArgumentError(f"{name} is {value!r}; it must be a whole number")
    return int(result)


def boolean(name: str, value: Any) -> bool:
    """Read a yes or no in any of the spellings in use.

    Raises
    ------
    ArgumentError
        It is neither.
    """
    word = str(value).strip().lower()
    if word not in TRUE + FALSE:
        raise ArgumentError(f"{name} is {value!r}; it must be True or False")
    return word in TRUE


def parameter_info(definition: ModelDefinition | None) -> list[dict[str, Any]]:
    """Describe the arguments for ``getParameterInfo`` (contract, section 4).

    Parameters
    ----------
    definition : ModelDefinition or None
        Source of the defaults and of the frozen vocabulary, if there is one. None as long as no
        model is chosen.

    Returns
    -------
    list of dict
        ``raster`` and ``model`` first, as the contract demands; ArcGIS shows the others.
    """
    parameters: list[dict[str, Any]] = [
        {
            "name": "raster",
            "dataType": "raster",
            "required": True,
            "displayName": "Raster",
            "description": "The image to classify.",
        },
        {
            "name": "model",
            "dataType": "string",
            "required": True,
            "displayName": "Input Model Definition (EMD) File",
            "description": "The model definition, as a path or as JSON.",
        },
        {
            "name": "device",
            "dataType": "numeric",
            "required": False,
            "displayName": "Device ID",
            "description": "-1 for the processor, 0, 1, … for a graphics card.",
        },
    ]
    return parameters if definition is None else [*parameters, *_shown(definition)]


def _shown(definition: ModelDefinition) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = [
        _text_prompt(definition),
        {
            "name": "threshold",
            "dataType": "numeric",
            "value": definition.threshold,
            "required": False,
            "displayName": "Threshold",
            "description": "Probability from 0 to 1 above which a pixel belongs to a prompt. "
            "Lower it to find more, raise it to find less.",
        },
        {
            "name": "padding",
            "dataType": "numeric",
            "value": definition.padding,
            "required": False,
            "displayName": "Padding",
            "description": "Pixels at the border of each tile whose prediction is replaced by "
            "that of the neighbouring tile; less than half of the tile size.",
        },
        {
            "name": "batch_size",
            "dataType": "numeric",
            "value": definition.batch_size,
            "required": False,
            "displayName": "Batch Size",
            "description": "Tiles processed at once; the largest square number up to it is used. "
            "Lower it when memory runs out.",
        },
        {
            "name": "predict_background",
            "dataType": "string",
            "value": "True",
            "required": False,
            "domain": ("True", "False"),
            "displayName": "Predict Background",
            "description": "True: pixels that no prompt reaches the threshold for become 0. "
            "False: every pixel gets its likeliest prompt.",
        },
        {
            "name": "return_probability_raster",
            "dataType": "string",
            "value": "False",
            "required": False,
            "domain": ("True", "False"),
            "displayName": "Return Probability Raster",
            "description": "True: one band of probabilities (0 to 1) per prompt instead of "
            "classes.",
        },
    ]
    if definition.variable_tile_size:
        parameters.append(
            {
                "name": "tile_size",
                "dataType": "numeric",
                "value": definition.tile_size,
                "required": False,
                "displayName": "Tile Size",
                "description": "Side in pixels of the square the model looks at, a multiple of "
                f"{definition.network.patch}. {definition.tile_size} is what it was trained on.",
            }
        )
    return parameters


def _text_prompt(definition: ModelDefinition) -> dict[str, Any]:
    parameter: dict[str, Any] = {
        "name": "text_prompt",
        "dataType": "string",
        "value": definition.prompt,
        "required": True,
        "displayName": "Text Prompt",
        "description": "What to look for, in English. Several prompts separated by commas give "
        "several classes, for example: water, solar panels",
    }
    if definition.prompt_names is not None:
        # A drop-down allows one choice, so the default, which may join several, is one of them.
        choices = dict.fromkeys((definition.prompt, *definition.prompt_names))
        parameter["domain"] = tuple(choice for choice in choices if choice)
        parameter["description"] = "What to look for: this package knows the prompts listed here."
    return parameter
