"""Golden chips: inputs with the expected result, so that a package can be tested against itself."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from model_extension.clipseg.definition import ModelDefinition, read_definition
from model_extension.clipseg.prompts import fold, match_names
from model_extension.clipseg.safetensors import SafetensorsFile
from model_extension.clipseg.tokenizer import Tokenizer

CHIPS_FILE = Path(__file__).parent / "chips.npy"
# What the chips show, the best first; a frozen vocabulary may know some of it.
SHOWN = ("water", "trees", "snow", "tree", "sea", "river", "forest", "vegetation", "road", "grass")
MOST_PROMPTS = 3
# Probabilities are stored as whole numbers of this part of one.
STEPS = 10_000
# Single precision stays far below; half precision on a graphics card reaches about this.
TOLERANCE = 0.01
# Pixels per million that may fall on the other side of the threshold.
FLIPPED_PER_MILLION = 1000
LOWER_PRECISIONS = ("fp16", "bf16")


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


def golden_prompts(prompts: Sequence[str], names: Sequence[str] | None) -> tuple[str, ...]:
    """Choose a few prompts that light up on the chips.

    Parameters
    ----------
    prompts : sequence of str
        The package's default prompts, may be empty.
    names : sequence of str or None
        The frozen vocabulary.

    Returns
    -------
    tuple of str
        At most three.
    """
    if names is None:
        candidates = [*prompts, *SHOWN]
    else:
        known = {fold(name): name for name in names}
        candidates = [*(known[word] for word in SHOWN if word in known), *prompts, *names]
    return tuple(dict.fromkeys(candidates))[:MOST_PROMPTS]


def write_golden(
    package: Path, emd: str, prompts: Sequence[str], threshold: float
) -> dict[str, float]:
    """Run the package's network on the chips and store what comes out.

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

    Returns
    -------
    dict
        Pixels per million that fall on the other side of the threshold in each lower precision.
    """
    definition = read_definition(str(package / emd), str(package))
    chips = golden_chips(definition.tile_size)
    expected = _computed(definition, chips, prompts)
    drift = {}
    for name in LOWER_PRECISIONS:
        found = _computed(definition, chips, prompts, name)
        drift[name] = float(((found > threshold) != (expected > threshold)).mean() * 1e6)
    folder = package / "golden"
    folder.mkdir()
    _save(folder / "inputs.npy", chips)
    _save(folder / "probabilities.npy", np.round(expected * STEPS).astype("<u2"))
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
    return drift


def proven_precisions(drift: Mapping[str, float]) -> list[str]:
    """Precisions that ``precision=auto`` may choose.

    Parameters
    ----------
    drift : mapping
        From `write_golden`.

    Returns
    -------
    list of str
        ``fp32``, and those that move at most `FLIPPED_PER_MILLION` pixels across the threshold.
    """
    return ["fp32", *(name for name, flips in drift.items() if flips <= FLIPPED_PER_MILLION)]


def _computed(
    definition: ModelDefinition,
    chips: np.ndarray,
    prompts: Sequence[str],
    precision: str = "fp64",
) -> np.ndarray:
    """Probabilities, shape (chips, prompts, tile_size, tile_size)."""
    # Here, since torch takes a second to import.
    from model_extension.clipseg.definition import EMBEDDINGS_FILE, EMBEDDINGS_TENSOR

    from .exact import ExactNetwork

    with ExitStack() as stack:
        weights = stack.enter_context(SafetensorsFile(definition.weights))
        network = ExactNetwork(weights, definition.network, definition.weights, precision)
        stack.callback(network.close)
        if definition.prompt_names is None:
            tokenizer = Tokenizer.from_folder(definition.folder)
            tokens, _ = tokenizer.batch(prompts, definition.network.context)
            embeddings = network.embed_text(tokens)
        else:
            rows = match_names(prompts, definition.prompt_names)
            with SafetensorsFile(definition.path(EMBEDDINGS_FILE)) as frozen:
                embeddings = frozen.tensor(EMBEDDINGS_TENSOR)[rows].astype(np.float64)
        mean, std = (np.reshape(values, (3, 1, 1)) for values in (definition.mean, definition.std))
        # One at a time: the activations of all would take more memory than the weights.
        return np.stack(
            [network.probabilities((chip / 255.0 - mean) / std, embeddings) for chip in chips]
        )


def _save(path: Path, array: np.ndarray) -> None:
    # Not straight into the file: on a full disk numpy would not say what is the matter.
    content = io.BytesIO()
    np.save(content, array)
    path.write_bytes(content.getvalue())
