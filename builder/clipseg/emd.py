"""The Esri model definition of a package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from model_extension.clipseg.contract.definition import FORMAT
from model_extension.clipseg.contract.legend import class_colors
from model_extension.clipseg.language.prompts import parse_prompts

from ..naming import class_names

FUNCTION_FILE = "CLIPSegClassifier.py"
WEIGHTS_FILE = "model.safetensors"
# What of a Hugging Face CLIPSegConfig fixes the network; the rest is about training.
NETWORK_KEYS = (
    "projection_dim",
    "reduce_dim",
    "extract_layers",
    "conditional_layer",
    "decoder_num_attention_heads",
    "decoder_intermediate_size",
    "use_complex_transposed_convolution",
)
TOWER_KEYS = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "hidden_act",
    "layer_norm_eps",
)
VISION_KEYS = (*TOWER_KEYS, "image_size", "patch_size")
TEXT_KEYS = (*TOWER_KEYS, "vocab_size", "max_position_embeddings", "eos_token_id")


def network_settings(config: Mapping[str, Any], *, frozen: bool) -> dict[str, Any]:
    """The part of a Hugging Face ``CLIPSegConfig`` that fixes the network's shapes.

    Parameters
    ----------
    config : mapping
        As in ``config.json``, with an object for each tower.
    frozen : bool
        Leave the text tower out.

    Returns
    -------
    dict
    """
    settings: dict[str, Any] = {key: config[key] for key in NETWORK_KEYS if key in config}
    towers: dict[str, tuple[str, ...]] = {"vision_config": VISION_KEYS}
    # A folder without a text tower still describes one in its config.json.
    if not frozen:
        towers["text_config"] = TEXT_KEYS
    for tower, keys in towers.items():
        given = config[tower]
        settings[tower] = {key: given[key] for key in keys if key in given}
    return settings


def model_definition(
    *,
    name: str,
    description: str,
    network: Mapping[str, Any],
    mean: Sequence[float],
    std: Sequence[float],
    tile_size: int,
    threshold: float,
    prompt: str,
    prompt_names: Sequence[str] | None,
) -> dict[str, Any]:
    """Compose the EMD.

    Parameters
    ----------
    name, description : str
        Shown to people.
    network : mapping
        From `network_settings`.
    mean, std : sequence of float
        Normalisation per band.
    tile_size : int
        Side of a tile in pixels.
    threshold : float
        Default threshold.
    prompt : str
        Default prompts, may be empty.
    prompt_names : sequence of str or None
        The frozen vocabulary.

    Returns
    -------
    dict
    """
    prompts = parse_prompts(prompt) if prompt else ("prompt",)
    own: dict[str, Any] = {
        "Format": FORMAT,
        "Network": dict(network),
        "Mean": list(mean),
        "Std": list(std),
        "Prompt": prompt,
        "Vocabulary": "text" if prompt_names is None else "frozen",
    }
    if prompt_names is not None:
        own["PromptNames"] = list(prompt_names)
    return {
        "ModelName": "CLIPSegClassifier",
        "ModelType": "ImageClassification",
        "Framework": "PyTorch",
        "ModelConfiguration": "CLIPSeg",
        "InferenceFunction": FUNCTION_FILE,
        "ModelFile": WEIGHTS_FILE,
        "ModelFormat": "NCHW",
        "Name": name,
        "Description": description,
        "ImageHeight": tile_size,
        "ImageWidth": tile_size,
        "ImageSpaceUsed": "MAP_SPACE",
        "ExtractBands": [0, 1, 2],
        "DataRange": [0, 255],
        "IsMultispectral": False,
        "SupportsVariableTileSize": True,
        "Padding": tile_size // 8,
        "Threshold": threshold,
        "Classes": [
            {"Value": value, "Name": class_name, "Color": list(color)}
            for value, (class_name, color) in enumerate(
                zip(class_names(prompts), class_colors(prompts)), 1
            )
        ],
        "CLIPSeg": own,
    }
