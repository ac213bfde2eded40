"""What the raster function needs of the Esri model definition (EMD)."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...common.errors import CLIPSegError, DefinitionError
from ..language.prompts import fold
from ..network.config import NetworkConfig

FORMAT = 1
# ImageNet's statistics, which CLIPSeg was trained with (not CLIP's own).
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
VOCABULARIES = ("text", "frozen")
# Where a frozen vocabulary keeps its embeddings, shape (names, projection).
EMBEDDINGS_FILE = "prompt_embeddings.safetensors"
EMBEDDINGS_TENSOR = "prompts"
# Prompts that were learnt from labels, in the same form; some are there several times.
LEARNED_FILE = "learned_prompts.safetensors"


@dataclass(frozen=True)
class ModelDefinition:
    """A package's settings.

    Parameters
    ----------
    folder : str
        Folder of the package, to which file names in the EMD are relative.
    weights : str
        Path of the weights file.
    network : NetworkConfig
        Sizes of the network.
    mean, std : tuple of float
        Normalisation per band, for pixels scaled to 0 to 1.
    tile_size, padding, batch_size, scales, threshold, prompt
        Defaults of the arguments with these names (`prompt`: ``text_prompt``).
    variable_tile_size : bool
        Whether the user may choose the tile size.
    extract_bands : tuple of int
        0-based bands of the raster that become red, green and blue.
    data_range : (int, int)
        Range that ArcGIS is asked to stretch the pixels to: 0 to 255.
    prompt_names : tuple of str or None
        The frozen vocabulary; None when the package has a text tower.
    learned : tuple of str
        Prompts that were learnt from labels, once per embedding. They go before what the text
        tower or the frozen vocabulary says.
    thresholds, strengths : mapping
        What was calibrated, by `clipseg.language.logic.key`.
    map_space : bool
        True: north is not special, images may be turned and mirrored. False: only mirrored.
    """

    folder: str
    weights: str
    network: NetworkConfig
    mean: tuple[float, ...]
    std: tuple[float, ...]
    tile_size: int
    padding: int
    batch_size: int
    scales: str
    threshold: float
    prompt: str
    variable_tile_size: bool
    extract_bands: tuple[int, ...]
    data_range: tuple[int, int]
    prompt_names: tuple[str, ...] | None
    learned: tuple[str, ...]
    thresholds: Mapping[str, float]
    strengths: Mapping[str, float]
    map_space: bool

    def path(self, name: str) -> str:
        """Path of a file of the package."""
        return os.path.join(self.folder, name)


def read_definition(model: str, folder: str) -> ModelDefinition:
    """Read the EMD, given as a path or as JSON text (contract, section 3).

    Parameters
    ----------
    model : str
        What ArcGIS passes as ``model``.
    folder : str
        Where the package lies if `model` is JSON text.

    Returns
    -------
    ModelDefinition

    Raises
    ------
    DefinitionError
        It is not JSON, or a key is missing or of the wrong kind; names the key.
    WeightsError
        The network's sizes do not fit each other.
    """
    text, folder, where = _text(model, folder)
    try:
        emd = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DefinitionError(f"{where} is not valid JSON: {error}") from error
    if not isinstance(emd, dict):
        raise DefinitionError(f"{where} must hold a JSON object")
    own = emd.get("CLIPSeg")
    if not isinstance(own, dict):
        raise DefinitionError(f"{where} has no object 'CLIPSeg': it is of another model")
    if own.get("Format") != FORMAT:
        raise DefinitionError(
            f"{where} has package format {own.get('Format')!r}, this code reads format {FORMAT}: "
            "the files come from two different packages"
        )
    try:
        return _definition(emd, own, folder)
    except CLIPSegError as error:
        error.args = (f"{where}: {error}",)
        raise
    except KeyError as error:
        raise DefinitionError(f"{where} lacks the key {error}") from error
    except (TypeError, ValueError, OverflowError, AttributeError) as error:
        raise DefinitionError(f"{where} has a value of the wrong kind: {error}") from error


def _text(model: str, folder: str) -> tuple[str, str, str]:
    if model.lstrip().startswith("{"):
        return model, folder, "the model definition given as text"
    try:
        with open(model, encoding="utf-8-sig") as file:
            return file.read(), os.path.dirname(os.path.abspath(model)), model
    except (OSError, ValueError) as error:
        raise DefinitionError(
            f"the model definition {model[:300]!r} cannot be read: {error}"
        ) from error


def _definition(emd: Mapping[str, Any], own: Mapping[str, Any], folder: str) -> ModelDefinition:
    network = NetworkConfig.from_dict(own["Network"])
    vocabulary = own.get("Vocabulary", "text")
    if vocabulary not in VOCABULARIES:
        raise DefinitionError(
            f"Vocabulary is {vocabulary!r}; it must be one of {', '.join(VOCABULARIES)}"
        )
    if vocabulary == "text" and network.text is None:
        raise DefinitionError("Network lacks the key 'text_config', which prompts are read with")
    tile_size = int(emd["ImageHeight"])
    return ModelDefinition(
        folder=folder,
        weights=os.path.join(folder, str(emd["ModelFile"]).replace("\\", os.sep)),
        network=network,
        mean=_three("Mean", own.get("Mean", IMAGENET_MEAN)),
        std=_three("Std", own.get("Std", IMAGENET_STD), above=0.0),
        tile_size=tile_size,
        padding=int(emd.get("Padding", tile_size // 8)),
        batch_size=int(own.get("BatchSize", 4)),
        scales=str(own.get("Scales", "1")),
        threshold=float(emd.get("Threshold", 0.3)),
        prompt=str(own.get("Prompt", "")),
        variable_tile_size=emd.get("SupportsVariableTileSize") is True,
        extract_bands=_bands(emd.get("ExtractBands", [0, 1, 2])),
        data_range=_data_range(emd.get("DataRange", [0, 255])),
        prompt_names=_names(own["PromptNames"]) if vocabulary == "frozen" else None,
        learned=_names(own["LearnedPrompts"]) if "LearnedPrompts" in own else (),
        thresholds=_thresholds(own.get("Thresholds", {})),
        strengths=_strengths(own.get("Strengths", {})),
        map_space=emd.get("ImageSpaceUsed", "MAP_SPACE") == "MAP_SPACE",
    )


def _thresholds(values: Any) -> dict[str, float]:
    thresholds = {fold(str(name)): float(value) for name, value in dict(values).items()}
    for name, value in thresholds.items():
        if not 0.0 <= value <= 1.0:
            raise DefinitionError(f"the threshold of {name!r} is {value:g}; it must be from 0 to 1")
    return thresholds


def _strengths(values: Any) -> dict[str, float]:
    strengths = {fold(str(name)): float(value) for name, value in dict(values).items()}
    for name, value in strengths.items():
        if not 0.0 < value < math.inf:
            raise DefinitionError(f"the strength of {name!r} is {value:g}; it must be above 0")
    return strengths


def _three(key: str, values: Any, above: float = -math.inf) -> tuple[float, ...]:
    numbers = tuple(float(value) for value in values)
    if len(numbers) != 3 or not all(above < number < math.inf for number in numbers):
        wanted = "3 numbers" if above == -math.inf else f"3 numbers above {above:g}"
        raise DefinitionError(f"{key} is {values!r}; it must be {wanted}, one per band")
    return numbers


def _bands(values: Any) -> tuple[int, ...]:
    whole = isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)
    if not whole or len(values) != 3:
        raise DefinitionError(
            f"ExtractBands is {values!r}; it must list 3 bands by number, counted from 0: those "
            "that hold red, green and blue"
        )
    return tuple(values)


def _data_range(values: Any) -> tuple[int, int]:
    # The network's mean and std are those of 8-bit values.
    if list(values) != [0, 255]:
        raise DefinitionError(f"DataRange is {values!r}; it must be [0, 255]")
    return 0, 255


def _names(values: Any) -> tuple[str, ...]:
    named = isinstance(values, list) and all(isinstance(name, str) and name for name in values)
    if not named or not values:
        raise DefinitionError(
            "PromptNames and LearnedPrompts must be lists of the prompts that the package knows"
        )
    return tuple(values)
