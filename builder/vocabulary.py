"""Frozen vocabularies: prompts embedded when the package is built."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model_extension.clipseg.config import NetworkConfig
from model_extension.clipseg.errors import CLIPSegError
from model_extension.clipseg.prompts import fold, parse_prompts

from .errors import VocabularyError
from .sources import Weights
from .tensors import open_tensors

# CLIP's text embeddings have a length near 10 before they are normalised, and CLIPSeg was trained
# on them so. Published embeddings are often scaled to length 1.
TYPICAL_NORM = 10.0


@dataclass(frozen=True)
class Vocabulary:
    """Prompts with their embeddings.

    Parameters
    ----------
    names : tuple of str
        What the user may ask for.
    embeddings : ndarray
        float32, shape (names, projection).
    origin : str
        Where the embeddings come from, for the record.
    notes : tuple of str
        What the user should know.
    """

    names: tuple[str, ...]
    embeddings: np.ndarray
    origin: str
    notes: tuple[str, ...] = ()


def freeze_prompts(prompts: str, weights: Weights, config: NetworkConfig) -> Vocabulary:
    """Embed prompts with the text tower of the weights.

    Parameters
    ----------
    prompts : str
        Separated by commas.
    weights : Weights
    config : NetworkConfig
        With a text tower.

    Returns
    -------
    Vocabulary

    Raises
    ------
    VocabularyError
        The weights have no text tower, or a prompt cannot be used.
    """
    import torch

    from model_extension.clipseg.tokenizer import Tokenizer
    from model_extension.clipseg.weights import load_network

    if config.text is None or weights.tokenizer is None:
        raise VocabularyError(
            f"{weights.source} has no text tower to embed prompts with: take embeddings from "
            "elsewhere with --prompt-embeddings FILE --names FILE"
        )
    try:
        names = parse_prompts(prompts)
        tokens, lengths = Tokenizer.from_folder(weights.tokenizer).batch(names, config.context)
        # Double precision: the rounded result is then the same on every machine.
        network = load_network(weights.tensors, config, dtype=torch.float64, where=weights.source)
    except CLIPSegError as error:
        raise VocabularyError(str(error)) from error
    with torch.no_grad():
        embeddings = network.embed_text(torch.from_numpy(tokens)).numpy().astype(np.float32)
    notes = tuple(
        f"the prompt {name[:60]!r}… has {length} tokens, of which the model reads {config.context}"
        for name, length in zip(names, lengths)
        if length > config.context
    )
    return Vocabulary(names, embeddings, f"text tower of {weights.source}", notes)


def read_embeddings(
    embeddings_file: Path, names_file: Path, projection: int, *, tensor: str | None = None
) -> Vocabulary:
    """Take embeddings made elsewhere.

    Parameters
    ----------
    embeddings_file : Path
        safetensors with one tensor per set of embeddings, shape (names, projection).
    names_file : Path
        JSON list of names, or one name per line.
    projection : int
        Length of an embedding that the decoder expects.
    tensor : str, optional
        Which tensor of the file; by default the first, by name, that fits the names.

    Returns
    -------
    Vocabulary
        Embeddings of length 1 are scaled to the length that CLIPSeg was trained with.

    Raises
    ------
    VocabularyError
        The files do not fit each other or the network.
    """
    names = _read_names(names_file)
    with ExitStack() as stack:
        tensors = open_tensors(embeddings_file, stack)
        shapes = {name: tensors.shape(name) for name in tensors.keys()}
        wanted = (len(names), projection)
        fitting = sorted(name for name, shape in shapes.items() if shape == wanted)
        if tensor is not None and tensor not in shapes:
            raise VocabularyError(
                f"{embeddings_file} has no tensor {tensor!r}; it has: {', '.join(sorted(shapes))}"
            )
        if not fitting or (tensor is not None and tensor not in fitting):
            listed = ", ".join(f"{name} {list(shape)}" for name, shape in sorted(shapes.items()))
            raise VocabularyError(
                f"{names_file} has {len(names)} names and the network reads embeddings of length "
                f"{projection}, so a tensor of shape {list(wanted)} is needed; "
                f"{embeddings_file} has: {listed}"
            )
        chosen = tensor or fitting[0]
        embeddings = np.array(tensors.tensor(chosen), dtype=np.float32)
    notes = []
    if tensor is None and len(fitting) > 1:
        notes.append(
            f"{embeddings_file.name} has several tensors that fit: {chosen!r} is used, others are "
            + ", ".join(repr(name) for name in fitting[1:])
        )
    embeddings, scaled = _scaled(embeddings, embeddings_file)
    if scaled:
        notes.append(
            f"the embeddings have length 1 and are scaled to {TYPICAL_NORM:g}: CLIPSeg reads them "
            "as CLIP gives them, not normalised"
        )
    return Vocabulary(tuple(names), embeddings, f"{embeddings_file.name}:{chosen}", tuple(notes))


def _scaled(embeddings: np.ndarray, path: Path) -> tuple[np.ndarray, bool]:
    lengths = np.linalg.norm(embeddings.astype(np.float64), axis=1)
    if not np.isfinite(lengths).all() or (lengths == 0).any():
        raise VocabularyError(f"{path} holds embeddings that are zero or not finite")
    if np.abs(lengths - 1).max() > 0.02:
        return embeddings, False
    return (embeddings * (TYPICAL_NORM / lengths)[:, None]).astype(np.float32), True


def _read_names(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise VocabularyError(f"the names in {path} cannot be read: {error}") from error
    if text.lstrip().startswith("["):
        try:
            loaded = json.loads(text)
        except ValueError as error:
            raise VocabularyError(f"{path} is not a valid JSON list: {error}") from error
        if not all(isinstance(name, str) for name in loaded):
            raise VocabularyError(f"{path} must be a list of strings")
    else:
        loaded = [line for line in text.splitlines() if line.strip()]
    names = [" ".join(name.split()) for name in loaded]
    _check_names(names, path)
    return names


def _check_names(names: Sequence[str], path: Path) -> None:
    if not names:
        raise VocabularyError(f"{path} holds no names")
    seen: dict[str, str] = {}
    for name in names:
        if not name or "," in name:
            raise VocabularyError(
                f"{path}: {name!r} cannot be a prompt: prompts are not empty and hold no comma, "
                "which separates them"
            )
        if fold(name) in seen:
            raise VocabularyError(f"{path}: {name!r} stands there twice")
        seen[fold(name)] = name
