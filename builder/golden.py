"""Golden chips: small inputs, and what a package promises to make of them.

A package carries them in the folder ``golden``; `schemas/golden.schema.json` describes them.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

GOLDEN_FOLDER, GOLDEN_FILE = "golden", "golden.json"
# Pixels per million of a chip that may come out otherwise: every device rounds elsewhere.
FLIPPED_PER_MILLION = 1000


def write_golden(
    package: Path,
    inputs: np.ndarray,
    expected: np.ndarray,
    *,
    arguments: Mapping[str, Any],
    tolerance: float,
    threshold: float | None = None,
    steps: int = 1,
) -> None:
    """Store golden chips in a package.

    Parameters
    ----------
    package : Path
        Its folder.
    inputs : ndarray
        Shape (chips, bands, rows, columns).
    expected : ndarray
        Results times `steps`, shape (chips, bands of the result, rows, columns).
    arguments : mapping
        Of the function, by name.
    tolerance : float
        Largest difference of a value that does not count.
    threshold : float, optional
        Of probabilities: no value may differ by more than the tolerance then, and pixels are
        flipped that come out on the other side of the threshold. Without it, those are that
        differ.
    steps : int
        Whole numbers of this part of one are how `expected` is stored.
    """
    folder = package / GOLDEN_FOLDER
    folder.mkdir()
    _save(folder / "inputs.npy", inputs)
    _save(folder / "expected.npy", expected)
    content = {
        "description": "Run the function with the arguments on the inputs, side by side in one "
        "raster, and compare: expected values are those of the file divided by the steps.",
        "inputs": "inputs.npy",
        "expected": "expected.npy",
        "steps": steps,
        "arguments": dict(arguments),
        "tolerance": tolerance,
        "flipped_per_million": FLIPPED_PER_MILLION,
    }
    if threshold is not None:
        content["threshold"] = threshold
    text = json.dumps(content, indent=2) + "\n"
    (folder / GOLDEN_FILE).write_bytes(text.encode("ascii"))


def _save(path: Path, array: np.ndarray) -> None:
    import numpy as np

    # Not straight into the file: on a full disk numpy would not say what is the matter.
    content = io.BytesIO()
    np.save(content, array)
    path.write_bytes(content.getvalue())
