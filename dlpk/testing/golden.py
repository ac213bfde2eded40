"""The golden chips of a package: inputs, and the results that it promises for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from builder.golden import GOLDEN_FILE, GOLDEN_FOLDER

from ..errors import PackageError
from ..package.open import Package

# More than any package needs, and less than would exhaust a machine.
MOST_BYTES = 1 << 28


@dataclass(frozen=True)
class Golden:
    """Golden chips; `schemas/golden.schema.json` says more.

    Parameters
    ----------
    inputs : ndarray
        Shape (chips, bands, rows, columns).
    expected : ndarray
        float64, shape (chips, bands of the result, rows, columns).
    arguments : mapping
        Of the function, by name.
    threshold : float or None
        At which flipped pixels of probabilities are counted; None: pixels that differ are.
    tolerance : float
        Largest difference of a value that does not count.
    flipped_per_million : float
        Pixels per million of a chip that may be flipped.
    """

    inputs: np.ndarray
    expected: np.ndarray
    arguments: Mapping[str, Any]
    threshold: float | None
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
    if package.root is None or not (package.root / GOLDEN_FOLDER / GOLDEN_FILE).is_file():
        return None
    folder = package.root / GOLDEN_FOLDER
    try:
        content = json.loads((folder / GOLDEN_FILE).read_text(encoding="utf-8"))
        golden = _read(content, folder)
        _check(golden)
    except Exception as error:  # whatever such files may hold
        raise PackageError(
            f"the golden chips of {package.name} cannot be used: {GOLDEN_FOLDER}/{GOLDEN_FILE} "
            f"or an array beside it is damaged ({type(error).__name__}: {error})"
        ) from error
    return golden


def _read(content: Mapping[str, Any], folder: Path) -> Golden:
    threshold = content.get("threshold")
    expected = _array(folder, content["expected"])
    return Golden(
        inputs=_array(folder, content["inputs"]),
        expected=expected.astype(np.float64) / float(content.get("steps", 1)),
        arguments=dict(content["arguments"]),
        threshold=None if threshold is None else float(threshold),
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
    shapes = golden.inputs.shape, golden.expected.shape
    if golden.inputs.dtype.kind not in "uif":
        raise ValueError(f"the inputs are {golden.inputs.dtype}, not numbers")
    if golden.inputs.ndim != 4 or 0 in shapes[0]:
        raise ValueError(f"the inputs have the shape {shapes[0]}, not that of chips")
    if golden.expected.ndim != 4 or 0 in shapes[1]:
        raise ValueError(f"the expected results have the shape {shapes[1]}")
    if (shapes[0][0], shapes[0][2:]) != (shapes[1][0], shapes[1][2:]):
        raise ValueError(f"inputs of {shapes[0]} do not go with expected results of {shapes[1]}")
    if not np.isfinite(golden.expected).all():
        raise ValueError("the expected results are not all numbers")
