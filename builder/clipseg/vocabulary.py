"""Frozen vocabularies: prompts embedded when the package is built."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from model_extension.clipseg.language.prompts import LONGEST_PROMPT, fold, parse_prompts
from model_extension.clipseg.network.config import NetworkConfig

from ..errors import VocabularyError
from ..naming import plain_text
from .sources import Weights
from .tensors import Tensors, open_tensors
from .tokenizer_files import TokenizerFiles

# CLIP's text embeddings have a length near 10 before they are normalised, and CLIPSeg was trained
# on them so. Published embeddings are often scaled to length 1.
TYPICAL_NORM = 10.0
USUAL_NORMS = (5.0, 15.0)


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
    files : mapping
        Name to path of what was read, for the record.
    notes : tuple of str
        What the user should know.
    """

    names: tuple[str, ...]
    embeddings: np.ndarray
    origin: str
    files: Mapping[str, Path] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def freeze_prompts(
    prompts: str, weights: Weights, config: NetworkConfig, tokenizer: TokenizerFiles
) -> Vocabulary:
    """Embed prompts with the text tower of the weights.

    They are embedded in double precision with the weights as they came: a package of half
    precision gives slightly other embeddings when it embeds the same prompts itself.

    Parameters
    ----------
    prompts : str
        Separated by commas.
    weights : Weights
    config : NetworkConfig
        With a text tower.
    tokenizer : TokenizerFiles
        Of the same model.

    Returns
    -------
    Vocabulary

    Raises
    ------
    PromptError, WeightsError
        A prompt cannot be used, or the weights are not those of the settings.
    """
    from .exact import ExactNetwork

    names = parse_prompts(plain_text(prompts))
    tokens, lengths = tokenizer.tokenizer.batch(names, config.context)
    network = ExactNetwork(weights.tensors, config, weights.source)
    embeddings = network.embed_text(tokens).astype(np.float32)
    if not np.isfinite(embeddings).all():
        raise VocabularyError(f"{weights.source}: the text tower gives values that are not finite")
    notes = tuple(
        f"the prompt {name[:60]!r}… has {length} tokens, of which the model reads {config.context}"
        for name, length in zip(names, lengths)
        if length > config.context
    )
    files = {path.name: path for path in tokenizer.files}
    return Vocabulary(names, embeddings, "text tower of the weights", files, notes)


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
        Which tensor of the file; by default one that fits the names. Among several, one called
        ``…single…`` comes first: CLIPSeg was trained with single phrases, and means over many
        templates find less; after that the order of the names counts.

    Returns
    -------
    Vocabulary
        Embeddings of length 1 are scaled to the length that CLIPSeg was trained with.

    Raises
    ------
    VocabularyError, SourceError
        The files cannot be read, or do not fit each other or the network.
    """
    names = _read_names(names_file)
    with ExitStack() as stack:
        tensors = open_tensors(embeddings_file, stack)
        fitting = _fitting(tensors, (len(names), projection), tensor, embeddings_file, names_file)
        embeddings = np.array(tensors.tensor(fitting[0]), dtype=np.float32)
    notes = []
    if len(fitting) > 1:
        notes.append(
            f"{embeddings_file.name} has several tensors that fit: {fitting[0]!r} is used, others "
            f"are {', '.join(map(repr, fitting[1:]))}; choose with --embeddings-tensor"
        )
    embeddings, note = _scaled(embeddings, embeddings_file)
    return Vocabulary(
        tuple(names),
        embeddings,
        f"tensor {fitting[0]} of {embeddings_file.name}",
        {f"vocabulary/{path.name}": path for path in (embeddings_file, names_file)},
        (*notes, *note),
    )


def _fitting(
    tensors: Tensors,
    wanted: tuple[int, int],
    chosen: str | None,
    embeddings_file: Path,
    names_file: Path,
) -> list[str]:
    """Names of the tensors of the wanted shape, the best first; only `chosen`, if given."""
    shapes = {name: tensors.shape(name) for name in tensors.keys()}
    if chosen is not None and chosen not in shapes:
        raise VocabularyError(
            f"{embeddings_file} has no tensor {chosen!r}; it has: {', '.join(sorted(shapes))}"
        )
    considered = sorted(shapes) if chosen is None else [chosen]
    fitting = [name for name in considered if shapes[name] == wanted]
    if not fitting:
        listed = ", ".join(f"{name} {list(shapes[name])}" for name in considered[:8])
        raise VocabularyError(
            f"{names_file} has {wanted[0]} names and the network reads embeddings of length "
            f"{wanted[1]}, so a tensor of shape {list(wanted)} is needed; {embeddings_file} has: "
            f"{listed or 'no tensors'}"
        )
    return sorted(fitting, key=lambda name: "single" not in name.lower())


def _scaled(embeddings: np.ndarray, path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    lengths = np.linalg.norm(embeddings.astype(np.float64), axis=1)
    if not np.isfinite(lengths).all() or (lengths == 0).any():
        raise VocabularyError(f"{path} holds embeddings that are zero or not finite")
    if np.abs(lengths - 1).max() <= 0.02:
        note = (
            f"the embeddings have length 1 and are scaled to {TYPICAL_NORM:g}: CLIPSeg reads them "
            "as CLIP gives them, not normalised"
        )
        return (embeddings * (TYPICAL_NORM / lengths)[:, None]).astype(np.float32), (note,)
    if lengths.min() < USUAL_NORMS[0] or lengths.max() > USUAL_NORMS[1]:
        note = (
            f"the embeddings have lengths from {lengths.min():.3g} to {lengths.max():.3g}, those "
            f"of CLIP are near {TYPICAL_NORM:g}: taken as they are; check where they come from"
        )
        return embeddings, (note,)
    return embeddings, ()


def _read_names(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise VocabularyError(f"the names in {path} cannot be read: {error}") from error
    loaded = [line for line in text.splitlines() if line.strip()]
    if text.lstrip().startswith(("[", "{")):
        try:
            loaded = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise VocabularyError(f"{path} is not a valid JSON list: {error}") from error
        if not isinstance(loaded, list) or not all(isinstance(name, str) for name in loaded):
            raise VocabularyError(f"{path} must be a JSON list of strings, or one name per line")
    names = [plain_text(name) for name in loaded]
    _check_names(names, path)
    return names


def _check_names(names: Sequence[str], path: Path) -> None:
    if not names:
        raise VocabularyError(f"{path} holds no names")
    seen: dict[str, int] = {}
    for number, name in enumerate(names, 1):
        where = f"{path}, name {number}"
        if not name:
            raise VocabularyError(f"{where} is empty: each embedding needs a name")
        if "," in name:
            raise VocabularyError(
                f"{where}: {name[:80]!r} holds a comma, which separates prompts: nobody could ask "
                "for it; write it in another way"
            )
        if len(name) > LONGEST_PROMPT:
            raise VocabularyError(
                f"{where} has {len(name):,} characters, at most {LONGEST_PROMPT:,} are allowed"
            )
        if fold(name) in seen:
            raise VocabularyError(
                f"{where}: {name!r} is also name {seen[fold(name)]}: names differ in more than "
                "capitals and blanks"
            )
        seen[fold(name)] = number
