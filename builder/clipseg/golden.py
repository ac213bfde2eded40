"""Golden chips: inputs with the expected result, so that a package can be tested against itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from model_extension.clipseg.contract.definition import ModelDefinition, read_definition
from model_extension.clipseg.files.tokenizer import Tokenizer
from model_extension.clipseg.language.expressions import quoted
from model_extension.clipseg.language.prompts import fold, match_names
from model_extension.common.safetensors import SafetensorsFile

from ..golden import write_golden

CHIPS_FILE = Path(__file__).parent / "chips.npy"
# What each chip shows, in words that a frozen vocabulary may know: three views from above, then
# three photos. Where they come from is in `builder.clipseg.provenance.CHIPS`.
SHOWN = {
    "marsh": ("water", "sea", "river"),
    "trees": ("trees", "tree", "forest", "vegetation", "grass"),
    "snow": ("snow", "road"),
    "cat": ("cat",),
    "astronaut": ("person",),
    "cup": ("cup", "table"),
}
MOST_CHIPS = 3
MOST_PROMPTS = 4
MOST_CANDIDATES = MOST_PROMPTS + sum(map(len, SHOWN.values()))
# A prompt is seen on a chip that it covers to at least this part, and leaves free as much of.
LEAST_COVERED = 0.05
# Probabilities that lie less than this from the threshold are undecided.
UNDECIDED = 0.1
# Probabilities are stored as whole numbers of this part of one.
STEPS = 10_000
# Half precision, which graphics cards compute in, moves probabilities by half of this at most on
# the chips of `benchmarks.quality.drift`.
TOLERANCE = 0.03


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


def candidates(prompts: Sequence[str], names: Sequence[str] | None) -> tuple[str, ...]:
    """Prompts that golden chips may be made of.

    Parameters
    ----------
    prompts : sequence of str
        The package's default prompts, may be empty.
    names : sequence of str or None
        The frozen vocabulary.

    Returns
    -------
    tuple of str
        Some of the package's own, then what it knows of the chips, then other names.
    """
    shown = [word for words in SHOWN.values() for word in words]
    if names is not None:
        known = {fold(name): name for name in names}
        shown = [known[word] for word in shown if word in known]
    found: dict[str, str] = {}
    for text in (*prompts[:MOST_PROMPTS], *shown, *(names or ())):
        found.setdefault(fold(text), text)  # one of those that differ only in case
    return tuple(found.values())[:MOST_CANDIDATES]


def choose(
    covered: np.ndarray, undecided: np.ndarray, prompts: Sequence[str]
) -> tuple[list[int], list[int]]:
    """Choose the chips on which the network is surest of what they show.

    A golden test is worth something only there: where wide areas hover around the threshold,
    rounding alone moves them across, and nothing can be told from that.

    Parameters
    ----------
    covered, undecided : ndarray
        Shape (chips, prompts), all chips in the order of `SHOWN`: the part of each that is above
        the threshold, and the part that is near it.
    prompts : sequence of str
        What was looked for.

    Returns
    -------
    chips, prompts : list of int
        Which of them; first the prompts that the chips were chosen for.
    """
    seen = (covered >= LEAST_COVERED) & (covered <= 1 - LEAST_COVERED)
    seen &= [[fold(prompt) in words for prompt in prompts] for words in SHOWN.values()]
    unsure = np.where(seen, undecided, np.inf)
    surest = np.argsort(unsure.min(axis=1), kind="stable")[:MOST_CHIPS]
    found = [int(unsure[chip].argmin()) for chip in surest if seen[chip].any()]
    rows = list(dict.fromkeys([*found, *range(len(prompts))]))[:MOST_PROMPTS]
    return sorted(int(chip) for chip in surest), rows


def add_golden(
    package: Path, emd: str, prompts: Sequence[str], threshold: float
) -> tuple[str, ...]:
    """Run the package's network on the chips and store what comes out.

    Parameters
    ----------
    package : Path
        Folder with the finished package.
    emd : str
        Name of its model definition.
    prompts : sequence of str
        What may be looked for: see `candidates`.
    threshold : float
        At which flipped pixels are counted.

    Returns
    -------
    tuple of str
        Names of the chips, as in `SHOWN`.
    """
    definition = read_definition(str(package / emd), str(package))
    chips = golden_chips(definition.tile_size)
    # Of all candidates only shares are kept: the masks would take more memory than the weights.
    covered, near = [], []
    for masks in _computed(definition, chips, prompts):
        covered.append((masks > threshold).mean(axis=(1, 2)))
        near.append((np.abs(masks - threshold) < UNDECIDED).mean(axis=(1, 2)))
    some, rows = choose(np.stack(covered), np.stack(near), prompts)
    chips, prompts = chips[some], [prompts[row] for row in rows]
    expected = np.stack(list(_computed(definition, chips, prompts)))
    write_golden(
        package,
        chips,
        np.round(expected * STEPS).astype("<u2"),
        arguments={
            "text_prompt": ", ".join(map(quoted, prompts)),
            "return_probability_raster": "True",
            "tile_size": definition.tile_size,
            "padding": 0,
            "batch_size": 1,
        },
        threshold=threshold,
        tolerance=TOLERANCE,
        steps=STEPS,
    )
    return tuple(list(SHOWN)[chip] for chip in some)


def _computed(
    definition: ModelDefinition,
    chips: np.ndarray,
    prompts: Sequence[str],
) -> Iterator[np.ndarray]:
    """Probabilities of one chip after the other, shape (prompts, tile_size, tile_size)."""
    # Here, since torch takes a second to import.
    from model_extension.clipseg.contract.definition import EMBEDDINGS_FILE, EMBEDDINGS_TENSOR
    from model_extension.clipseg.inference.embedding import learned_rows

    from .exact import ExactNetwork

    with ExitStack() as stack:
        weights = stack.enter_context(SafetensorsFile(definition.weights))
        network = ExactNetwork(weights, definition.network, definition.weights)
        stack.callback(network.close)
        if definition.prompt_names is None:
            tokenizer = Tokenizer.from_folder(definition.folder)
            tokens, _ = tokenizer.batch(prompts, definition.network.context)
            known = np.array(network.embed_text(tokens))
        else:
            rows = match_names(prompts, definition.prompt_names)
            with SafetensorsFile(definition.path(EMBEDDINGS_FILE)) as frozen:
                known = frozen.tensor(EMBEDDINGS_TENSOR)[rows].astype(np.float64)
        learned = learned_rows(prompts, definition)
        embeddings = [learned.get(place, row[None]) for place, row in enumerate(known)]
        firsts = np.cumsum([0, *map(len, embeddings[:-1])])
        every = np.concatenate(embeddings).astype(np.float64)
        mean, std = (np.reshape(values, (3, 1, 1)) for values in (definition.mean, definition.std))
        # One at a time: the activations of all would take more memory than the weights.
        for chip in chips:
            found = network.probabilities((chip / 255.0 - mean) / std, every)
            yield np.maximum.reduceat(found, firsts)
