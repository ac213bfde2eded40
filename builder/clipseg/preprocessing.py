"""How images were prepared for the network: normalisation and size, from a folder of the hub."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import SourceError
from ..json_files import read_json

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
IMAGE_SIZE = 352


class Preprocessing(NamedTuple):
    """Preparation of images.

    `mean` and `std` are per band, for pixels scaled to 0 to 1; `size` is the side of the square
    image in pixels; `files` are the files it was read from; `notes` are for the user.
    """

    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    size: int = IMAGE_SIZE
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


def read_preprocessing(folder: Path) -> Preprocessing:
    """Read ``preprocessor_config.json``, or the ``processor_config.json`` of transformers 5.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    Preprocessing
        CLIPSeg's own values where the folder has none, or has those that the hub's files held by
        mistake (mean and std 0.5, before January 2023).

    Raises
    ------
    SourceError
        A value cannot be used; names the file and the value.
    """
    path = folder / "preprocessor_config.json"
    if path.is_file():
        return _read(read_json(path), path)
    path = folder / "processor_config.json"
    if path.is_file():
        settings = read_json(path).get("image_processor")
        if isinstance(settings, dict):
            return _read(settings, path)
    note = (
        f"{folder} has no preprocessor_config.json: images of {IMAGE_SIZE} pixels and ImageNet's "
        "mean and std are assumed, as CLIPSeg was trained"
    )
    return Preprocessing(notes=(note,))


def _read(settings: dict[str, Any], path: Path) -> Preprocessing:
    mean = _three(settings.get("image_mean", IMAGENET_MEAN), "image_mean", path)
    std = _three(settings.get("image_std", IMAGENET_STD), "image_std", path)
    if min(std) <= 0:
        raise SourceError(f"{path}: image_std is {list(std)}; it must be above 0")
    size = _size(settings.get("size", IMAGE_SIZE), path)
    notes: tuple[str, ...] = ()
    if mean == std == (0.5, 0.5, 0.5):
        mean, std = IMAGENET_MEAN, IMAGENET_STD
        notes = (
            f"{path} says mean and std 0.5, a mistake of the hub's files before January 2023: "
            "ImageNet's values, which CLIPSeg was trained with, are used instead",
        )
    return Preprocessing(mean, std, size, (path,), notes)


def _three(values: Any, key: str, path: Path) -> tuple[float, ...]:
    try:
        numbers = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) != 3 or not all(map(math.isfinite, numbers)):
        raise SourceError(
            f"{path}: {key} is {values!r}; it must be 3 numbers, for red, green, blue"
        )
    return numbers


def _size(size: Any, path: Path) -> int:
    """Side of the square: a number, or an object as newer versions of transformers write it."""
    side = size
    if isinstance(size, dict):
        side = size.get("height", size.get("shortest_edge"))
        if size.get("width", side) != side:
            raise SourceError(f"{path}: size is {size!r}; CLIPSeg reads square images only")
    if isinstance(side, bool) or not isinstance(side, int) or side < 1:
        raise SourceError(f"{path}: size is {size!r}; it must be a number of pixels")
    return side
