"""The arguments, with the names that they have in Esri's pixel classifiers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, Optional

from ..common.errors import ArgumentError
from ..common.symmetries import MIRRORED, SYMMETRIES
from ..common.tiles import reach
from ..common.values import boolean, number, whole
from .definition import Definition

LARGEST_BATCH = 1024
LARGEST_TILE = 8192
# Side of a block in tiles and at most in pixels: the larger, the less is read twice.
BLOCK_TILES, BLOCK_SIDE = 4, 2048
# Blocks of many values per pixel are smaller, so that they do not take much memory.
BLOCK_VALUES = 64_000_000
BLOCK_STEP = 256
YES_OR_NO = ("True", "False")


class Arguments(NamedTuple):
    """The arguments of one run.

    Parameters
    ----------
    padding : int
        Half of what neighbouring tiles overlap by at least, in pixels.
    batch_size : int
        Tiles per call of the network.
    tile_size : int
        Side of a tile in pixels.
    threshold : float
        Probability above which a pixel belongs to a class; for sigmoid outputs.
    predict_background : bool
        False: every pixel gets the likeliest class other than 0.
    return_probability_raster : bool
        One band per output instead of classes.
    views : tuple of int
        Symmetries of the square in which tiles are looked at.
    block_size, block_padding : int
        Side in pixels of the blocks to ask for, and what to ask for around them.
    """

    padding: int
    batch_size: int
    tile_size: int
    threshold: float
    predict_background: bool
    return_probability_raster: bool
    views: tuple[int, ...]
    block_size: int
    block_padding: int


def read_arguments(scalars: Mapping[str, Any], definition: Definition) -> Arguments:
    """Read what ``getConfiguration`` is given; what is missing or empty has its default.

    Raises
    ------
    ArgumentError
        Names the argument, its value and what is allowed.
    """
    given = {name: value for name, value in scalars.items() if value not in (None, "")}
    tile_size = definition.tile_size
    if definition.variable_tile_size:
        tile_size = whole("tile_size", given.get("tile_size", tile_size))
    unit = definition.size_unit
    if not unit <= tile_size <= LARGEST_TILE or tile_size % unit:
        raise ArgumentError(
            f"tile_size is {tile_size}; it must be a multiple of {unit} up to {LARGEST_TILE}"
        )
    # The default is that of the default tile.
    padding = min(definition.padding, (tile_size - 1) // 2)
    padding = whole("padding", given.get("padding", padding))
    if not 0 <= padding < tile_size / 2:
        raise ArgumentError(
            f"padding is {padding}; it must be from 0 to less than half of the tile size, "
            f"{tile_size}"
        )
    batch_size = whole("batch_size", given.get("batch_size", definition.batch_size))
    if not 1 <= batch_size <= LARGEST_BATCH:
        raise ArgumentError(f"batch_size is {batch_size}; it must be from 1 to {LARGEST_BATCH}")
    threshold = number("threshold", given.get("threshold", definition.threshold))
    if not 0 <= threshold <= 1:
        raise ArgumentError(f"threshold is {threshold:g}; it must be from 0 to 1, such as 0.4")
    augmented = boolean("test_time_augmentation", given.get("test_time_augmentation", False))
    symmetries = SYMMETRIES if definition.map_space else MIRRORED
    side = math.isqrt(BLOCK_VALUES // max(1, definition.outputs)) // BLOCK_STEP * BLOCK_STEP
    continuous = definition.activation == "regression"
    return Arguments(
        padding=padding,
        batch_size=min(batch_size, definition.largest_batch),
        tile_size=tile_size,
        threshold=threshold,
        predict_background=boolean("predict_background", given.get("predict_background", True)),
        return_probability_raster=continuous
        or boolean("return_probability_raster", given.get("return_probability_raster", False)),
        views=symmetries if augmented else (0,),
        block_size=max(BLOCK_STEP, min(BLOCK_TILES * tile_size, BLOCK_SIDE, side)),
        block_padding=reach(tile_size, (1.0,)),
    )


def parameter_info(definition: Optional[Definition]) -> list[dict[str, Any]]:
    """Describe the arguments for ``getParameterInfo`` (contract, section 4).

    Parameters
    ----------
    definition : Definition or None
        Says which there are, and their defaults; None as long as no model is chosen.
    """
    shown = [
        _parameter("raster", "raster", None, "Raster", "The image to look at.", required=True),
        _parameter("model", "string", None, "Model", "The model definition.", required=True),
        _parameter("device", "numeric", None, "Device", "-1: processor; 0, 1, …: graphics card."),
    ]
    if definition is None:
        return shown
    shown += [
        _parameter(
            "padding",
            "numeric",
            definition.padding,
            "Padding",
            "Half of what neighbouring tiles overlap by, in pixels. Their results are blended: "
            "more is smoother and slower.",
        ),
        _parameter(
            "batch_size",
            "numeric",
            min(definition.batch_size, definition.largest_batch),
            "Batch Size",
            "Tiles at once on a graphics card. Lower it when memory runs out.",
        ),
        _parameter(
            "test_time_augmentation",
            "string",
            "False",
            "Test Time Augmentation",
            "True: tiles are also looked at turned and mirrored. Smoother, and slower.",
            domain=YES_OR_NO,
        ),
    ]
    if definition.variable_tile_size:
        text = f"Side of a tile in pixels, a multiple of {definition.size_unit}."
        shown.append(_parameter("tile_size", "numeric", definition.tile_size, "Tile Size", text))
    if definition.activation == "sigmoid":
        text = "Probability from 0 to 1 above which a pixel belongs to a class."
        shown.append(_parameter("threshold", "numeric", definition.threshold, "Threshold", text))
    if definition.activation != "regression":
        text = "True: a band of probabilities, 0 to 1, per class instead of classes."
        name, title = "return_probability_raster", "Return Probability Raster"
        shown.append(_parameter(name, "string", "False", title, text, domain=YES_OR_NO))
    if definition.has_background and definition.activation != "regression":
        text = "False: every pixel gets the likeliest class other than the background, 0."
        name, title = "predict_background", "Predict Background"
        shown.append(_parameter(name, "string", "True", title, text, domain=YES_OR_NO))
    return shown


def _parameter(
    name: str,
    kind: str,
    value: Any,
    title: str,
    text: str,
    *,
    required: bool = False,
    domain: tuple[str, ...] = (),
) -> dict[str, Any]:
    parameter = {
        "name": name,
        "dataType": kind,
        "required": required,
        "displayName": title,
        "description": text,
    }
    if value is not None:
        parameter["value"] = value
    if domain:
        parameter["domain"] = domain
    return parameter
