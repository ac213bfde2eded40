"""The arguments of a run: what the user chose, checked.

Names are those of Esri's pixel classifiers where those have the argument.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...common.errors import ArgumentError
from ...common.symmetries import MIRRORED, SYMMETRIES
from ...common.tiles import reach
from ...common.values import boolean, number, whole
from ..language.growth import GROWTH, check_growth
from ..language.plan import Plan, make_plan
from ..language.recipes import BEST, RECIPES
from ..language.templates import choose_templates
from .definition import ModelDefinition
from .parameters import PRECISIONS

# More tiles than this in one batch take more memory than any card has.
LARGEST_BATCH = 1024
LARGEST_TILE = 4096
# Side of a block in pixels: the larger, the fewer tiles reach into several blocks.
BLOCK_SIDE = 2048
# Blocks of many prompts are smaller, so that their probabilities do not take much memory.
BLOCK_VALUES = 64_000_000
BLOCK_STEP = 256
# More than this reduces a raster to little, or makes much of it.
SCALES = (0.125, 4.0)
MOST_SCALES = 4


@dataclass(frozen=True)
class Arguments:
    """The arguments of one run.

    Parameters
    ----------
    plan : Plan
        Classes and what they consist of; class 1, 2, … in its order.
    threshold : float
        Probability above which a pixel belongs to a prompt, 0 to 1.
    presence_threshold : float
        Likeness of a whole tile to a prompt below which nothing of it is found there; 0 is off.
    prompt_weight : float
        Share of the text where a class has a text and examples.
    image_prompt_style : str
        One of `clipseg.inference.visual_prompts.RECIPES`.
    templates : tuple of str
        Sentences with {} that texts are put into.
    padding : int
        Half of what neighbouring tiles overlap by at least, in pixels.
    batch_size : int
        Tiles per call of the network, a perfect square.
    tile_size : int
        Side in pixels of the square that the network looks at.
    predict_background : bool
        False: every pixel gets the likeliest prompt, however unlikely.
    return_probability_raster : bool
        True: one band of probabilities per class, no classes.
    scales : tuple of float
        Pixels of the network per pixel of the raster; results of several are averaged.
    views : tuple of int
        Symmetries of the square in which tiles are looked at.
    precision : str
        ``auto``, ``fp32``, ``bf16`` or ``fp16``.
    compile_network : bool
        Compile the network on graphics cards when the run turns out to be long.
    """

    plan: Plan
    threshold: float
    presence_threshold: float
    prompt_weight: float
    image_prompt_style: str
    templates: tuple[str, ...]
    padding: int
    batch_size: int
    tile_size: int
    predict_background: bool
    return_probability_raster: bool
    scales: tuple[float, ...]
    views: tuple[int, ...]
    precision: str
    compile_network: bool

    @property
    def prompts(self) -> tuple[str, ...]:
        """Classes as the legend shows them."""
        return self.plan.names

    @property
    def looked_for(self) -> tuple[object, ...]:
        """What embeddings depend on: runs that agree in this share them."""
        return (
            self.plan.concepts,
            self.templates,
            self.prompt_weight,
            self.image_prompt_style,
            self.presence_threshold,
        )

    @property
    def margin(self) -> int:
        """Pixels around a block that are computed for phrases that grow or shrink."""
        return self.plan.margin(GROWTH)

    @property
    def reach(self) -> int:
        """Pixels around a place that decide what is found there."""
        return reach(self.tile_size, self.scales)

    @property
    def block_padding(self) -> int:
        """Pixels that ArcGIS is asked for on each side of a block."""
        return self.reach + self.margin

    @property
    def block_size(self) -> int:
        """Side in pixels of the block asked for per call, without padding (contract, section 6)."""
        most = math.isqrt(BLOCK_VALUES // len(self.plan.concepts)) - 2 * self.margin
        return max(BLOCK_STEP, min(BLOCK_SIDE, most // BLOCK_STEP * BLOCK_STEP))


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
    tile_size = _tile_size(given, definition)
    batch_size = whole("batch_size", given.get("batch_size", definition.batch_size))
    if not 1 <= batch_size <= LARGEST_BATCH:
        raise ArgumentError(f"batch_size is {batch_size}; it must be from 1 to {LARGEST_BATCH}")
    image_prompt = str(given.get("image_prompt", ""))
    text_prompt = str(given.get("text_prompt", definition.prompt))
    if image_prompt.strip() and text_prompt.strip() == definition.prompt.strip():
        # Who shows what to look for does not mean the words that stand in the table anyway.
        text_prompt = ""
    augmented = boolean("test_time_augmentation", given.get("test_time_augmentation", False))
    symmetries = SYMMETRIES if definition.map_space else MIRRORED
    plan = make_plan(text_prompt, image_prompt, str(given.get("background_prompt", "")))
    # Here growth by pixels; that by metres when the first block says what a pixel measures.
    check_growth((*plan.nodes, *plan.background), math.inf)
    return Arguments(
        plan=plan,
        threshold=_share("threshold", given.get("threshold", definition.threshold)),
        presence_threshold=_share("presence_threshold", given.get("presence_threshold", 0.0)),
        prompt_weight=_share("prompt_weight", given.get("prompt_weight", 0.5)),
        image_prompt_style=_choice(
            "image_prompt_style", given.get("image_prompt_style", BEST), tuple(RECIPES)
        ),
        templates=choose_templates(str(given.get("prompt_template", "none"))),
        padding=_padding(given, definition, tile_size),
        # "The highest possible perfect square value is used" (help of the tool).
        batch_size=math.isqrt(batch_size) ** 2,
        tile_size=tile_size,
        predict_background=boolean("predict_background", given.get("predict_background", True)),
        return_probability_raster=boolean(
            "return_probability_raster", given.get("return_probability_raster", False)
        ),
        scales=_scales(str(given.get("scales", definition.scales))),
        views=symmetries if augmented else (0,),
        precision=_choice("precision", given.get("precision", "auto"), PRECISIONS),
        compile_network=boolean("compile_network", given.get("compile_network", False)),
    )


def _tile_size(given: Mapping[str, Any], definition: ModelDefinition) -> int:
    tile_size = whole("tile_size", given.get("tile_size", definition.tile_size))
    patch = definition.network.patch
    if not patch <= tile_size <= LARGEST_TILE or tile_size % patch:
        lower = min(max(tile_size // patch, 1), LARGEST_TILE // patch) * patch
        examples = " or ".join(dict.fromkeys(map(str, (lower, definition.tile_size))))
        raise ArgumentError(
            f"tile_size is {tile_size}; it must be a multiple of {patch} from {patch} to "
            f"{LARGEST_TILE}, for example {examples}"
        )
    return tile_size


def _padding(given: Mapping[str, Any], definition: ModelDefinition, tile_size: int) -> int:
    usual = definition.padding if tile_size == definition.tile_size else tile_size // 8
    padding = whole("padding", given.get("padding", usual))
    if not padding >= 0 or 2 * padding >= tile_size:
        raise ArgumentError(
            f"padding is {padding}; it must be from 0 to {(tile_size - 1) // 2}, less than half "
            f"of the tile size {tile_size}"
        )
    return padding


def _scales(text: str) -> tuple[float, ...]:
    scales = tuple(dict.fromkeys(number("scales", part) for part in text.split(",")))
    if len(scales) > MOST_SCALES or not all(SCALES[0] <= scale <= SCALES[1] for scale in scales):
        raise ArgumentError(
            f"scales is {text!r}; it must be up to {MOST_SCALES} numbers from {SCALES[0]:g} to "
            f"{SCALES[1]:g}, separated by commas, for example 1,0.5"
        )
    return scales


def _share(name: str, value: Any) -> float:
    share = number(name, value)
    if not 0.0 <= share <= 1.0:
        raise ArgumentError(f"{name} is {share:g}; it must be from 0 to 1")
    return share


def _choice(name: str, value: Any, choices: tuple[str, ...]) -> str:
    word = str(value).strip().lower()
    if word not in choices:
        raise ArgumentError(f"{name} is {value!r}; it must be one of {', '.join(choices)}")
    return word
