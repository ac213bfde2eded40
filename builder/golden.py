"""Golden chips: inputs with the expected result, so that a package can be tested against itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from model_extension.clipseg.definition import read_definition

CHIPS_FILE = Path(__file__).parent / "chips.npy"
# Probabilities are stored as whole numbers of this part of one.
STEPS = 10_000
# Single precision stays far below; half precision on a graphics card reaches about this.
TOLERANCE = 0.01
# Pixels per million that may fall on the other side of the threshold.
FLIPPED_PER_MILLION = 1000


def golden_chips(tile_size: int) -> np.ndarray:
    """Small real images of the size of a tile.

    Parameters
    ----------
    tile_size : int
        Side in pixels.

    Returns
    -------
    ndarray
        uint8, shape (chips, 3, tile_size, tile_size): cut from the chips that ship with the
        builder, repeated mirrored where those are smaller.
    """
    chips: np.ndarray = np.load(CHIPS_FILE)
    while chips.shape[-1] < tile_size:
        chips = np.concatenate([chips, chips[..., ::-1]], axis=-1)
        chips = np.concatenate([chips, chips[..., ::-1, :]], axis=-2)
    return np.ascontiguousarray(chips[..., :tile_size, :tile_size])


def write_golden(package: Path, emd: str, prompts: Sequence[str], threshold: float) -> None:
    """Run the package on the chips and store what comes out.

    The network runs in double precision and the result is rounded, so that every machine writes
    the same bytes.

    Parameters
    ----------
    package : Path
        Folder with the finished package.
    emd : str
        Name of its model definition.
    prompts : sequence of str
        What to look for.
    threshold : float
        At which flipped pixels are counted.
    """
    import torch

    from model_extension.clipseg.segmenter import Segmenter

    definition = read_definition(str(package / emd), str(package))
    segmenter = Segmenter(definition, torch.device("cpu"), dtype=torch.float64)
    chips = golden_chips(definition.tile_size)
    expected = np.stack(
        [
            segmenter.probabilities(
                chip,
                np.ones(chip.shape[1:], bool),
                prompts,
                tile_size=definition.tile_size,
                padding=0,
                batch_size=1,
            ).numpy()
            for chip in chips
        ]
    )
    folder = package / "golden"
    folder.mkdir()
    np.save(folder / "inputs.npy", chips)
    np.save(folder / "probabilities.npy", np.round(expected * STEPS).astype("<u2"))
    content = {
        "description": "Run the inputs as single tiles without padding and compare.",
        "inputs": "inputs.npy",
        "probabilities": "probabilities.npy",
        "steps": STEPS,
        "prompts": list(prompts),
        "tile_size": definition.tile_size,
        "threshold": threshold,
        "tolerance": TOLERANCE,
        "flipped_per_million": FLIPPED_PER_MILLION,
    }
    text = json.dumps(content, indent=2) + "\n"
    (folder / "golden.json").write_bytes(text.encode("ascii"))
