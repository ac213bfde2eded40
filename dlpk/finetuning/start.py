"""Where prompts start from: the words of their classes, or examples of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from model_extension.clipseg.contract.definition import ModelDefinition
from model_extension.clipseg.inference.embedding import Embedder
from model_extension.clipseg.inference.visual_prompts import prepare
from model_extension.clipseg.language.plan import Concept
from model_extension.clipseg.language.prompts import fold, match_names
from model_extension.clipseg.language.recipes import BEST, RECIPES
from model_extension.clipseg.language.templates import PAPER
from model_extension.clipseg.network.network import CLIPSeg
from model_extension.common.errors import PromptError

from .scenes import Scene
from .split import Split
from .views import centred, homes, show

STARTS = ("words", "examples", "both")
# Examples per class, and pixels of it that one needs.
MOST_EXAMPLES, LEAST_PIXELS = 8, 16


def make_embedder(definition: ModelDefinition, network: CLIPSeg, device: torch.device) -> Embedder:
    """An embedder for a network in single precision."""
    mean, std = (
        torch.tensor(values, dtype=torch.float32, device=device).view(3, 1, 1)
        for values in (definition.mean, definition.std)
    )
    return Embedder(definition, network, device, mean, std, lambda message: None)


def word_embeddings(
    embedder: Embedder,
    classes: Sequence[str],
    words: Mapping[str, Sequence[str]],
    template: str = "{}",
) -> list[Tensor | None]:
    """Embeddings of the words of classes, as a run takes them: the mean of a class's wordings.

    Parameters
    ----------
    embedder : Embedder
    classes : sequence of str
    words : mapping
        Wordings per class.
    template : str
        Sentence that they are put into.

    Returns
    -------
    list of (Tensor or None)
        float32, shape (1 or more, projection); None for classes that a frozen vocabulary has no
        words for.
    """
    names = embedder.definition.prompt_names
    rows: list[Tensor | None] = []
    for name in classes:
        texts = list(words[name])
        if names is not None:
            texts = [found for text in texts for found in _known(text, names)]
        found = embedder.parts([Concept(tuple(texts))], (template,))[0].text
        rows.append(None if found is None else found.float().detach())
    return rows


def sentence_offsets(
    embedder: Embedder, classes: Sequence[str], words: Mapping[str, Sequence[str]]
) -> Tensor:
    """What the paper's sentences differ by from their mean: (sentences, classes, projection).

    Empty where the package has no text encoder.
    """
    size = embedder.definition.network.projection
    if embedder.definition.prompt_names is not None:
        return torch.zeros(0, len(classes), size)
    rows = []
    for template in PAPER:
        found = word_embeddings(embedder, classes, words, template)
        rows.append(torch.stack([row.mean(0) for row in found if row is not None]))
    every = torch.stack(rows)
    return every - every.mean(0)


def example_embeddings(
    embedder: Embedder,
    scenes: Sequence[Scene],
    split: Split,
    classes: Sequence[int],
    tile: int,
    seed: int,
) -> list[Tensor]:
    """Embeddings of example images: the class in some of the training blocks, set off.

    Parameters
    ----------
    embedder : Embedder
    scenes : sequence of Scene
    split : Split
    classes : sequence of int
        Numbers of those that are wanted.
    tile, seed : int

    Returns
    -------
    list of Tensor
        Per class, float32, shape (examples, projection); there may be none.
    """
    mean, std = embedder.mean.cpu(), embedder.std.cpu()
    found = []
    for number in classes:
        blocks = [block for block in split.training if split.counts[block][number]]
        order = np.random.default_rng((seed, 4, number)).permutation(len(blocks))
        images = []
        for block in (blocks[i] for i in order[:MOST_EXAMPLES]):
            for home in homes(scenes, split, block)[:1]:
                view = centred(scenes, home, tile, 0, training=True)
                pixels, labels = show(view, scenes, split, tile, mean, std)
                if int((labels == number).sum()) >= LEAST_PIXELS:
                    image = prepare(pixels, labels == number, RECIPES[BEST], tile, mean, std)
                    images.append(image.to(embedder.device))
        with torch.no_grad():
            rows = [embedder.network.embed_image(image[None]).float() for image in images]
        size = embedder.definition.network.projection
        found.append(torch.cat(rows) if rows else torch.zeros(0, size, device=embedder.device))
    return found


def start_embeddings(
    words: Sequence[Tensor | None], examples: Sequence[Tensor], start: str, vocabulary: Tensor
) -> tuple[Tensor, list[str]]:
    """Embeddings to start from, and what each is: words, examples, both or the vocabulary's mean.

    Parameters
    ----------
    words : sequence of (Tensor or None)
        Per class, shape (1 or more, projection).
    examples : sequence of Tensor
        Per class, shape (examples, projection); empty where they are not needed.
    start : str
        Of `STARTS`; a class that lacks one starts from the other.
    vocabulary : Tensor
        For classes that have neither, shape (projection,).

    Returns
    -------
    Tensor
        Shape (classes, embeddings per class, projection).
    list of str
    """
    rows, what = [], []
    for word, shown in zip(words, examples):
        options = {}
        if (word is not None and start != "examples") or not len(shown):
            options["words"] = word
        if len(shown) and (start != "words" or word is None):
            options["examples"] = shown.mean(0, keepdim=True)
        known = {name: row for name, row in options.items() if row is not None}
        total = sum(known.values(), torch.zeros(()))
        rows.append(total / len(known) if known else vocabulary[None])
        what.append(" and ".join(known) or "the mean of the vocabulary")
    most = max(map(len, rows))
    return torch.stack([row[torch.arange(most) % len(row)] for row in rows]).detach(), what


def _known(text: str, names: Sequence[str]) -> list[str]:
    """A text as a frozen vocabulary has it: itself, or with COCO's ending for stuff."""
    folded = {fold(name): name for name in names}
    for candidate in (fold(text), f"{fold(text)}-other", f"{fold(text)}-stuff"):
        if candidate in folded:
            return [folded[candidate]]
    return []


def vocabulary_mean(embedder: Embedder) -> Tensor:
    """Mean of all that a frozen vocabulary knows, or of texts that say nothing."""
    names = embedder.definition.prompt_names
    rows = embedder.neutral() if names is None else embedder.texts(list(names))
    return rows.float().mean(0).detach()


def check_kept(embedder: Embedder, prompts: Sequence[str]) -> Tensor:
    """All embeddings of prompts that are to be rehearsed.

    Raises
    ------
    PromptError
        The package does not know one.
    """
    if embedder.definition.prompt_names is not None:
        match_names(prompts, embedder.definition.prompt_names)
    if not prompts:
        raise PromptError("--keep names no prompt")
    return torch.cat(embedder.rows(list(prompts))).float().detach()
