"""The golden chips of a package: inputs, and the results that it promises for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import PackageError
from ..package.open import Package

FOLDER, FILE = "golden", "golden.json"
# More than any package needs, and less than would exhaust a machine.
MOST_BYTES = 1 << 28


@dataclass(frozen=True)
class Golden:
    """Golden chips.

    Parameters
    ----------
    inputs : ndarray
        uint8, shape (chips, bands, tile_size, tile_size).
    probabilities : ndarray
        float64 from 0 to 1, shape (chips, prompts, tile_size, tile_size).
    prompts : tuple of str
    tile_size : int
        In pixels.
    threshold : float
        At which flipped pixels are counted.
    tolerance : float
        Largest difference of a probability that is no failure.
    flipped_per_million : float
        Pixels per million of an array that may fall on the other side of the threshold.
    """

    inputs: np.ndarray
    probabilities: np.ndarray
    prompts: tuple[str, ...]
    tile_size: int
    threshold: float
    tolerance: float
    flipped_per_million: float


def read_golden(package: Package) -> Golden | None:
    """Read the golden chips of a package.

    Returns
    -------
    Golden or None
        None if it carries none.

    Raises
    ------
    PackageError
        They are there and cannot be used; says why.
    """
    if package.root is None or not (package.root / FOLDER / FILE).is_file():
        return None
    folder = package.root / FOLDER
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
        golden = _read(content, folder)
        _check(golden)
    except Exception as error:  # whatever such files may hold
        raise PackageError(
            f"the golden chips of {package.name} cannot be used: {folder.name}/{FILE} or an array "
            f"beside it is damaged ({type(error).__name__}: {error})"
        ) from error
    return golden


def _read(content: Mapping[str, Any], folder: Path) -> Golden:
    probabilities = _array(folder, content["probabilities"])
    return Golden(
        inputs=_array(folder, content["inputs"]),
        probabilities=probabilities.astype(np.float64) / float(content["steps"]),
        prompts=tuple(str(prompt) for prompt in content["prompts"]),
        tile_size=int(content["tile_size"]),
        threshold=float(content["threshold"]),
        tolerance=float(content["tolerance"]),
        flipped_per_million=float(content["flipped_per_million"]),
    )


def _array(folder: Path, name: str) -> np.ndarray:
    path = folder / name
    if path.parent != folder:
        raise ValueError(f"{name} does not lie in the folder {folder.name}")
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{name} is larger than {MOST_BYTES:,} bytes")
    with open(path, "rb") as file:
        array: np.ndarray = np.load(file, allow_pickle=False)
    return array


def _check(golden: Golden) -> None:
    side = golden.tile_size
    chips = len(golden.inputs)
    if golden.inputs.dtype != np.uint8 or golden.inputs.ndim != 4:
        raise ValueError("the inputs are not uint8 in four dimensions")
    if golden.inputs.shape[2:] != (side, side) or chips == 0:
        raise ValueError(f"the inputs are not chips of {side} by {side} pixels")
    expected = (chips, len(golden.prompts), side, side)
    if golden.probabilities.shape != expected or not golden.prompts:
        raise ValueError(
            f"the probabilities have the shape {golden.probabilities.shape}, not {expected}"
        )
    if not np.isfinite(golden.probabilities).all():
        raise ValueError("the probabilities are not all numbers")
