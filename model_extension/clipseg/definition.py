"""What the raster function needs of the Esri model definition (EMD)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .config import NetworkConfig
from .errors import DefinitionError

FORMAT = 1
# ImageNet's statistics, which CLIPSeg was trained with (not CLIP's own).
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


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
    tile_size, padding, batch_size, threshold, prompt
        Defaults of the arguments with these names (`prompt`: ``text_prompt``).
    variable_tile_size : bool
        Whether the user may choose the tile size.
    extract_bands : tuple of int
        0-based bands of the raster that become red, green and blue.
    data_range : tuple of float
        Range that ArcGIS is asked to stretch the pixels to.
    prompt_names : tuple of str or None
        The frozen vocabulary; None when the package has a text tower.
    """

    folder: str
    weights: str
    network: NetworkConfig
    mean: tuple[float, ...]
    std: tuple[float, ...]
    tile_size: int
    padding: int
    batch_size: int
    threshold: float
    prompt: str
    variable_tile_size: bool
    extract_bands: tuple[int, ...]
    data_range: tuple[float, float]
    prompt_names: tuple[str, ...] | None

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
    """
    text, folder, where = _text(model, folder)
    try:
        emd = json.loads(text)
    except ValueError as error:
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
    except DefinitionError:
        raise
    except KeyError as error:
        raise DefinitionError(f"{where} lacks the key {error}") from error
    except (TypeError, ValueError, AttributeError) as error:
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
        ) from (error)


def _definition(emd: Mapping[str, Any], own: Mapping[str, Any], folder: str) -> ModelDefinition:
    frozen = own.get("Vocabulary") == "frozen"
    tile_size = int(emd["ImageHeight"])
    low, high = emd.get("DataRange", (0, 255))
    bands = tuple(int(band) for band in emd.get("ExtractBands", (0, 1, 2)))
    if len(bands) != 3:
        raise DefinitionError(f"ExtractBands names {len(bands)} bands, the network reads 3")
    return ModelDefinition(
        folder=folder,
        weights=os.path.join(folder, str(emd["ModelFile"]).replace("\\", os.sep)),
        network=NetworkConfig.from_dict(own["Network"]),
        mean=_three(own.get("Mean", IMAGENET_MEAN)),
        std=_three(own.get("Std", IMAGENET_STD)),
        tile_size=tile_size,
        padding=int(emd.get("Padding", tile_size // 4)),
        batch_size=int(own.get("BatchSize", 4)),
        threshold=float(emd.get("Threshold", 0.3)),
        prompt=str(own.get("Prompt", "")),
        variable_tile_size=bool(emd.get("SupportsVariableTileSize", False)),
        extract_bands=bands,
        data_range=(float(low), float(high)),
        prompt_names=tuple(str(name) for name in own["PromptNames"]) if frozen else None,
    )


def _three(values: Any) -> tuple[float, ...]:
    numbers = tuple(float(value) for value in values)
    if len(numbers) != 3:
        raise DefinitionError(f"Mean and Std need 3 numbers each, not {len(numbers)}")
    return numbers
