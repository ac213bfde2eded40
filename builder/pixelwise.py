"""Folders of raster functions that run a network of the user's own: the files, and the EMD."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import model_extension

HOME = Path(model_extension.__file__).parent
FUNCTION = "NetworkFunction"
FOLDERS = ("common", "pixelwise")
# Of the shared modules these are for weights in safetensors and for lengths on the ground.
UNUSED = ("safetensors.py", "safetensors_header.py", "ground.py")


class Network(NamedTuple):
    """What the model definition says of a network; see `model_extension.pixelwise.definition`."""

    file: str
    outputs: int
    activation: str
    bands: Sequence[int]
    mean: Sequence[float]
    std: Sequence[float]
    data_range: Sequence[float] | None
    classes: Sequence[Mapping[str, Any]]
    tile_size: int
    size_unit: int
    largest_batch: int | None


def model_definition(name: str, description: str, network: Network) -> dict[str, Any]:
    """Compose the EMD of a function called `name`."""
    own: dict[str, Any] = {
        "Outputs": network.outputs,
        "Activation": network.activation,
        "Mean": list(network.mean),
        "Std": list(network.std),
        "SizeUnit": network.size_unit,
    }
    if network.largest_batch is not None:
        own["LargestBatch"] = network.largest_batch
    definition: dict[str, Any] = {
        "ModelName": name,
        "ModelType": "ImageClassification",
        "Framework": "PyTorch",
        "ModelConfiguration": name,
        "InferenceFunction": f"{name}.py",
        "ModelFile": network.file,
        "ModelFormat": "NCHW",
        "Description": description,
        "ImageHeight": network.tile_size,
        "ImageWidth": network.tile_size,
        "ImageSpaceUsed": "MAP_SPACE",
        "ExtractBands": list(network.bands),
        "IsMultispectral": len(network.bands) > 3,
        "SupportsVariableTileSize": network.size_unit < network.tile_size,
        "Padding": network.tile_size // 8,
        "Classes": [dict(entry) for entry in network.classes],
        "Network": own,
    }
    if network.data_range is not None:
        definition["DataRange"] = list(network.data_range)
    if network.activation == "sigmoid":
        definition["Threshold"] = 0.5
    return definition


def function_text(function: str, name: str) -> str:
    """One of our functions as the source of a class called `name`."""
    return (HOME / f"{function}.py").read_text("utf-8").replace(function, name)


def shared_files() -> Iterator[tuple[str, Path]]:
    """Path in the package and file of the modules that these functions import."""
    for folder in FOLDERS:
        for path in sorted((HOME / folder).glob("*.py")):
            if path.name not in UNUSED:
                yield f"{folder}/{path.name}", path
