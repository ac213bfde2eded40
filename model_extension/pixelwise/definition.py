"""What the function needs of the Esri model definition (EMD)."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from typing import Any, NamedTuple, Optional

from ..common.errors import DefinitionError

ACTIVATIONS = ("softmax", "sigmoid", "probabilities", "regression")


class PixelClass(NamedTuple):
    """A class: its value in the result, its name, and red, green and blue, 0 to 255 each."""

    value: int
    name: str
    color: tuple[int, int, int]


class Definition(NamedTuple):
    """A network, and what it was trained on.

    Parameters
    ----------
    network : str
        Path of its file.
    outputs : int
        Values per pixel that it gives.
    activation : str
        What makes probabilities of them: ``softmax``, ``sigmoid``, nothing (``probabilities``), or
        that they are none (``regression``).
    bands : tuple of int
        Of the raster, from 0, in the network's order.
    data_range : tuple of float or None
        What ArcGIS stretches the raster's values to; None leaves them alone.
    mean, std : tuple of float
        Per band, in the units of these values: the network sees (value - mean) / std.
    classes : tuple of PixelClass
        One per output, in their order; empty for regression.
    tile_size, size_unit : int
        Side of a tile in pixels, and what sides have to be multiples of.
    largest_batch : int
        Tiles that the network takes at once.
    padding, batch_size, threshold
        Defaults of the arguments.
    variable_tile_size : bool
        Whether `tile_size` is an argument.
    map_space : bool
        Whether what was learned has no up and down.
    """

    network: str
    outputs: int
    activation: str
    bands: tuple[int, ...]
    data_range: Optional[tuple[float, float]]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: tuple[PixelClass, ...]
    tile_size: int
    size_unit: int
    largest_batch: int
    padding: int
    batch_size: int
    threshold: float
    variable_tile_size: bool
    map_space: bool

    @property
    def has_background(self) -> bool:
        """Whether pixels may be of no class, which has the value 0."""
        return self.activation == "sigmoid" or any(not entry.value for entry in self.classes)


def read_definition(model: str, folder: str) -> Definition:
    """Read the model definition.

    Parameters
    ----------
    model : str
        Path of the EMD, or the EMD as JSON text.
    folder : str
        Where the package lies if it is text.

    Raises
    ------
    DefinitionError
        It cannot be read, or a key is missing or of the wrong kind; names the key.
    """
    where, text = "the model definition given as text", model
    try:
        if not model.lstrip().startswith("{"):
            folder, where = os.path.dirname(os.path.abspath(model)), model
            with open(model, encoding="utf-8-sig") as file:
                text = file.read()
        return _definition(json.loads(text), folder)
    except DefinitionError as error:
        raise DefinitionError(f"{where}: {error}") from error
    except KeyError as error:
        raise DefinitionError(f"{where} lacks the key {error}") from error
    except (OSError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise DefinitionError(f"{where} cannot be read: {error}") from error


def _definition(emd: Mapping[str, Any], folder: str) -> Definition:
    own = emd["Network"]
    bands = tuple(int(band) for band in emd["ExtractBands"])
    tile = int(emd["ImageHeight"])
    data_range = emd.get("DataRange")
    found = Definition(
        network=os.path.join(folder, str(emd["ModelFile"]).replace("\\", os.sep)),
        outputs=int(own["Outputs"]),
        activation=str(own["Activation"]),
        bands=bands,
        data_range=None if data_range is None else (float(data_range[0]), float(data_range[1])),
        mean=tuple(float(value) for value in own["Mean"]),
        std=tuple(float(value) for value in own["Std"]),
        classes=tuple(
            PixelClass(int(entry["Value"]), str(entry["Name"]), _color(entry["Color"]))
            for entry in emd.get("Classes", ())
        ),
        tile_size=tile,
        size_unit=int(own.get("SizeUnit", tile)),
        largest_batch=int(own.get("LargestBatch") or 1024),
        padding=int(emd.get("Padding", tile // 8)),
        batch_size=int(own.get("BatchSize", 4)),
        threshold=float(emd.get("Threshold", 0.5)),
        variable_tile_size=emd.get("SupportsVariableTileSize") is True,
        map_space=emd.get("ImageSpaceUsed", "MAP_SPACE") == "MAP_SPACE",
    )
    _check(found)
    return found


def _color(values: Any) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in values)
    return red, green, blue


def _check(found: Definition) -> None:
    if found.activation not in ACTIVATIONS:
        raise DefinitionError(
            f"Activation is {found.activation!r}; it must be one of {', '.join(ACTIVATIONS)}"
        )
    for name, values in (("Mean", found.mean), ("Std", found.std)):
        if len(values) != len(found.bands) or not all(map(math.isfinite, values)):
            raise DefinitionError(
                f"{name} has {len(values)} numbers and ExtractBands {len(found.bands)} bands: "
                "every band needs one"
            )
    if not all(value > 0 for value in found.std):
        raise DefinitionError(f"Std is {list(found.std)}; every number must be above 0")
    if found.activation != "regression" and len(found.classes) != found.outputs:
        raise DefinitionError(
            f"Classes lists {len(found.classes)} classes and the network has {found.outputs} "
            "outputs: every output needs a class, in their order"
        )
    if found.size_unit < 1 or found.tile_size < 1 or found.tile_size % found.size_unit:
        raise DefinitionError(
            f"ImageHeight is {found.tile_size}; it must be a multiple of SizeUnit, "
            f"{found.size_unit}"
        )
