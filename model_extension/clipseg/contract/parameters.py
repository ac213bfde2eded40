"""The arguments as ArcGIS shows them."""

from __future__ import annotations

from typing import Any

from ..language.recipes import BEST, RECIPES
from .definition import ModelDefinition

PRECISIONS = ("auto", "fp32", "fp32_fast", "bf16", "fp16")
YES_OR_NO = ("True", "False")
FIXED: tuple[dict[str, Any], ...] = (
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
)


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
    shown = [] if definition is None else [*_prompts(definition), *_result(definition)]
    if definition is not None:
        shown += _tiles(definition)
    return [dict(parameter) for parameter in FIXED] + shown


def _parameter(
    name: str, title: str, kind: str, value: Any, text: str, domain: tuple[str, ...] = ()
) -> dict[str, Any]:
    parameter: dict[str, Any] = {
        "name": name,
        "dataType": kind,
        "value": value,
        "required": False,
        "displayName": title,
        "description": text,
    }
    if domain:
        parameter["domain"] = domain
    return parameter


def _prompts(definition: ModelDefinition) -> list[dict[str, Any]]:
    text_prompt = _parameter(
        "text_prompt",
        "Text Prompt",
        "string",
        definition.prompt,
        "What to look for, in English. Commas separate classes: water, solar panels. Capitals "
        "combine: roof NOT skylight. Own thresholds: water:0.4. Names: pools = swimming pool NOT "
        "lake. Several wordings of one thing, often better than one: pond|lake|reservoir.",
    )
    parameters = [
        text_prompt,
        _parameter(
            "image_prompt",
            "Image Prompt",
            "string",
            "",
            "Example images of what to look for, several separated by bars: boats = a.png | b.png. "
            "A mask may follow in square brackets: a.png[mask.png]. With a prompt of the same name "
            "in Text Prompt, both are mixed.",
        ),
        _parameter(
            "prompt_weight",
            "Prompt Weight",
            "numeric",
            0.5,
            "Share of the text, from 0 (examples alone) to 1 (text alone), where a class has both "
            "a text and example images. For example: 0.5",
        ),
        _parameter(
            "image_prompt_style",
            "Image Prompt Style",
            "string",
            BEST,
            "How the surroundings of the object in an example with a mask are treated. "
            f"{BEST} is the best of the CLIPSeg paper.",
            tuple(RECIPES),
        ),
        _parameter(
            "prompt_template",
            "Prompt Template",
            "string",
            "none",
            "Sentences that prompts are put into: none, photo (one sentence), paper (the nine of "
            "the CLIPSeg paper, averaged), aerial (four for views from above, averaged), or a "
            "sentence of your own with {}; of several, between bars, the mean. For example: an "
            "aerial photo of {}",
        ),
        _parameter(
            "background_prompt",
            "Background Prompt",
            "string",
            "",
            "Prompts that compete with the classes and become background. For example: shadow, "
            "something else",
        ),
    ]
    if definition.prompt_names is not None:
        # A drop-down allows one choice, so the default, which may join several, is one of them.
        choices = dict.fromkeys((definition.prompt, *definition.prompt_names))
        text_prompt["domain"] = tuple(choice for choice in choices if choice)
        text_prompt["description"] = "What to look for: this package knows the prompts listed here."
        parameters = [entry for entry in parameters if entry["name"] != "prompt_template"]
    return parameters


def _result(definition: ModelDefinition) -> list[dict[str, Any]]:
    return [
        _parameter(
            "threshold",
            "Threshold",
            "numeric",
            definition.threshold,
            "Probability from 0 to 1 above which a pixel belongs to a prompt. Lower it to find "
            "more, raise it to find less. Changed, it goes before calibrated thresholds. For "
            "example: 0.4",
        ),
        _parameter(
            "presence_threshold",
            "Presence Threshold",
            "numeric",
            0.0,
            "Tiles that as a whole look less like a prompt than this, from 0 to 1, get none of "
            "it; 0 switches this off. Against masks of things that are not there. For example: 0.5",
        ),
        _parameter(
            "predict_background",
            "Predict Background",
            "string",
            "True",
            "True: pixels that no prompt reaches the threshold for become 0. False: every pixel "
            "gets its likeliest prompt.",
            YES_OR_NO,
        ),
        _parameter(
            "return_probability_raster",
            "Return Probability Raster",
            "string",
            "False",
            "True: one band of probabilities (0 to 1) per class instead of classes.",
            YES_OR_NO,
        ),
    ]


def _tiles(definition: ModelDefinition) -> list[dict[str, Any]]:
    parameters = [
        _parameter(
            "padding",
            "Padding",
            "numeric",
            definition.padding,
            "Half of what neighbouring tiles overlap by, in pixels; less than half of the tile "
            "size. Their predictions are blended: more is smoother and slower. For example: "
            f"{definition.padding}",
        ),
        _parameter(
            "scales",
            "Scales",
            "string",
            definition.scales,
            "Scales that the raster is looked at in; the predictions are averaged. 1 is the "
            "raster's own, 0.5 sees four times as much around at half the detail. For example: "
            "1,0.5",
        ),
        _parameter(
            "batch_size",
            "Batch Size",
            "numeric",
            definition.batch_size,
            "Tiles processed at once; the largest square number up to it is used. Lower it when "
            "memory runs out. For example: 16",
        ),
        _parameter(
            "test_time_augmentation",
            "Test Time Augmentation",
            "string",
            "False",
            "True: every tile is also looked at turned and mirrored, and the results are averaged. "
            "Smoother, and eight times slower.",
            YES_OR_NO,
        ),
        _parameter(
            "precision",
            "Precision",
            "string",
            "auto",
            "Numbers to compute with. auto: half precision (fp16) on graphics cards, fast single "
            "precision (fp32_fast) on processors. fp32: to the last bit as in the reference, and "
            "slower. bf16: quicker on recent processors, and less exact.",
            PRECISIONS,
        ),
        _parameter(
            "compile_network",
            "Compile Network",
            "string",
            "False",
            "True: after the first hundred batches the network is compiled, which takes a minute "
            "or two and makes long runs on graphics cards faster.",
            YES_OR_NO,
        ),
    ]
    if definition.variable_tile_size:
        parameters.append(
            _parameter(
                "tile_size",
                "Tile Size",
                "numeric",
                definition.tile_size,
                "Side in pixels of the square the model looks at, a multiple of "
                f"{definition.network.patch}. For example: {definition.tile_size}, which it was "
                "trained on",
            )
        )
    return parameters
