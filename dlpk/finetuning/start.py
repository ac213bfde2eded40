"""Where prompts start from: the words of their classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from model_extension.clipseg.contract.definition import ModelDefinition
from model_extension.clipseg.inference.embedding import Embedder
from model_extension.clipseg.language.prompts import fold, match_names
from model_extension.clipseg.network.network import CLIPSeg
from model_extension.common.errors import PromptError


def make_embedder(definition: ModelDefinition, network: CLIPSeg, device: torch.device) -> Embedder:
    """An embedder for a network in single precision."""
    mean, std = (
        torch.tensor(values, dtype=torch.float32, device=device).view(3, 1, 1)
        for values in (definition.mean, definition.std)
    )
    return Embedder(definition, network, device, mean, std, lambda message: None)


def start_embeddings(
    embedder: Embedder, classes: Sequence[str], words: Mapping[str, Sequence[str]]
) -> tuple[Tensor, list[str]]:
    """Embeddings to start from.

    Parameters
    ----------
    embedder : Embedder
    classes : sequence of str
    words : mapping
        Wordings per class, averaged.

    Returns
    -------
    Tensor
        float32, shape (classes, projection).
    list of str
        Classes that a frozen vocabulary has no words for: they start from the mean of all it has.
    """
    rows, without = [], []
    names = embedder.definition.prompt_names
    for name in classes:
        texts = list(words[name])
        if names is not None:
            texts = [found for text in texts for found in _known(text, names)]
        if texts:
            rows.append(embedder.texts(texts).float().mean(0))
        else:
            without.append(name)
            rows.append(embedder.texts(list(names or ())).float().mean(0))
    return torch.stack(rows).detach(), without


def _known(text: str, names: Sequence[str]) -> list[str]:
    """A text as a frozen vocabulary has it: itself, or with COCO's ending for stuff."""
    folded = {fold(name): name for name in names}
    for candidate in (fold(text), f"{fold(text)}-other", f"{fold(text)}-stuff"):
        if candidate in folded:
            return [folded[candidate]]
    return []


def check_kept(embedder: Embedder, prompts: Sequence[str]) -> Tensor:
    """Embeddings of prompts that are to be rehearsed.

    Raises
    ------
    PromptError
        The package does not know one.
    """
    if embedder.definition.prompt_names is not None:
        match_names(prompts, embedder.definition.prompt_names)
    if not prompts:
        raise PromptError("--keep names no prompt")
    return embedder.texts(list(prompts)).float().detach()
