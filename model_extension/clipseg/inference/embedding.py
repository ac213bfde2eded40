"""Prompts to embeddings: texts by the text tower or a frozen vocabulary, examples as images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...common.errors import ImageError, WeightsError
from ...common.safetensors import SafetensorsFile
from ..contract.definition import (
    EMBEDDINGS_FILE,
    EMBEDDINGS_TENSOR,
    LEARNED_FILE,
    ModelDefinition,
)
from ..files.image_files import read_image, read_mask
from ..files.tokenizer import Tokenizer
from ..language.image_prompts import Example
from ..language.plan import Concept
from ..language.prompts import fold, match_names
from ..language.recipes import BEST, RECIPES
from ..language.templates import fill
from ..network.network import CLIPSeg
from .visual_prompts import check_mask, prepare, resize, shrink

# Texts that say nothing of what is there, against which a thing's presence is measured.
NEUTRAL = ("a photo", "an image", "an aerial photo", "a satellite image", "a texture")
TEXTS_AT_ONCE = 64
IMAGES_AT_ONCE = 8


class Parts(NamedTuple):
    """Embeddings of a concept's texts and of its examples; None without.

    Shape (embeddings, projection): one but for learnt prompts that have several.
    """

    text: Tensor | None
    image: Tensor | None

    def mixed(self, text_weight: float) -> Tensor:
        """Both in one, the text with the weight given."""
        if self.text is None or self.image is None:
            return self.leading(text_weight)
        return text_weight * self.text + (1.0 - text_weight) * self.image

    def is_image(self, text_weight: float) -> bool:
        """Whether the examples have more weight than the texts."""
        return self.text is None or (self.image is not None and text_weight < 0.5)

    def leading(self, text_weight: float) -> Tensor:
        """That of the two that has more weight."""
        chosen = self.image if self.is_image(text_weight) else self.text
        assert chosen is not None
        return chosen


class Embedder:
    """Turns concepts into embeddings.

    Parameters
    ----------
    definition : ModelDefinition
    network : CLIPSeg
    device : torch.device
    mean, std : Tensor
        Of the normalisation, float, shape (3, 1, 1), for pixels scaled to 0 to 1.
    warn : callable
        Takes a message for the user.
    """

    def __init__(
        self,
        definition: ModelDefinition,
        network: CLIPSeg,
        device: torch.device,
        mean: Tensor,
        std: Tensor,
        warn: Callable[[str], None],
    ) -> None:
        self.definition = definition
        self.network = network
        self.device = device
        self.mean, self.std = mean, std
        self.warn = warn

    def parts(
        self,
        concepts: Sequence[Concept],
        templates: Sequence[str] = ("{}",),
        recipe: str = BEST,
    ) -> list[Parts]:
        """Embed the texts and the examples of concepts, each averaged.

        Where a text has several embeddings, all are kept instead: see `learned_rows`.

        Parameters
        ----------
        concepts : sequence of Concept
        templates : sequence of str
            Sentences that texts are put into; the embeddings are averaged.
        recipe : str
            How examples are prepared: see `clipseg.language.recipes.RECIPES`.
        """
        texts = list(dict.fromkeys(text for concept in concepts for text in concept.texts))
        embedded = dict(zip(texts, self.rows(texts, templates))) if texts else {}
        found = []
        for concept in concepts:
            text = image = None
            if concept.texts:
                text = torch.cat([embedded[text] for text in concept.texts])
                if len(text) == len(concept.texts):
                    text = text.mean(0, keepdim=True)
            if concept.examples:
                image = self.examples(concept.examples, recipe).mean(0, keepdim=True)
            found.append(Parts(text, image))
        return found

    def texts(self, texts: Sequence[str], templates: Sequence[str] = ("{}",)) -> Tensor:
        """Embed texts, each averaged over its `rows`; shape (texts, projection)."""
        return torch.stack([rows.mean(0) for rows in self.rows(texts, templates)])

    def rows(self, texts: Sequence[str], templates: Sequence[str] = ("{}",)) -> list[Tensor]:
        """Embed texts, each averaged over the templates; shape (1 or more, projection) each."""
        if self.definition.prompt_names is not None:
            if tuple(templates) != ("{}",):
                self.warn(
                    "prompt_template has no effect: the prompts of this package were embedded when "
                    "it was built"
                )
            embedded = self._look_up(texts)
        else:
            embedded = self._embed(texts, templates)
        rows = list(embedded[:, None])
        for place, learned in learned_rows(texts, self.definition).items():
            rows[place] = torch.from_numpy(learned).to(embedded)
        return rows

    def _embed(self, texts: Sequence[str], templates: Sequence[str]) -> Tensor:
        sentences = [fill(template, text) for text in texts for template in templates]
        tokenizer = Tokenizer.from_folder(self.definition.folder)
        context = self.definition.network.context
        tokens, lengths = tokenizer.batch(sentences, context)
        for index, length in enumerate(lengths):
            if length > context and index % len(templates) == 0:
                self.warn(
                    f"the prompt {sentences[index][:60]!r}… has {length} tokens and the model "
                    f"reads {context}: its last {length - context} have no effect; shorten it"
                )
        parts = []
        with torch.no_grad():
            for start in range(0, len(tokens), TEXTS_AT_ONCE):
                part = torch.from_numpy(tokens[start : start + TEXTS_AT_ONCE]).to(self.device)
                parts.append(self.network.embed_text(part))
        return torch.cat(parts).view(len(texts), len(templates), -1).mean(1)

    def neutral(self) -> Tensor:
        """Embeddings of texts that name nothing, shape (n, projection).

        A frozen vocabulary has none; there the mean of all its names stands for them.
        """
        if self.definition.prompt_names is None:
            return self.texts(NEUTRAL)
        return F.normalize(self._vocabulary(), dim=-1).mean(0, keepdim=True)

    def blank(self) -> Tensor:
        """Embedding of an image that shows nothing, all of the mean colour: (1, projection)."""
        dtype, size = self.mean.dtype, self.definition.tile_size
        with torch.no_grad():
            return self.network.embed_image(
                torch.zeros(1, 3, size, size, dtype=dtype, device=self.device)
            )

    def examples(self, examples: Sequence[Example], recipe: str) -> Tensor:
        """Embed example images, shape (examples, projection).

        Raises
        ------
        ImageError
            An example cannot be used; names it.
        """
        parts = []
        with torch.no_grad():
            for start in range(0, len(examples), IMAGES_AT_ONCE):
                group = examples[start : start + IMAGES_AT_ONCE]
                images = torch.stack([self._example(example, recipe) for example in group])
                parts.append(self.network.embed_image(images))
        return torch.cat(parts)

    def _example(self, example: Example, recipe: str) -> Tensor:
        pixels = read_image(example.image, self.definition.extract_bands)
        mask = read_mask(example.mask) if example.mask else None
        if mask is None and len(pixels) == 4:
            mask = pixels[3] > 0
        image = torch.from_numpy(np.ascontiguousarray(pixels[:3])).to(self.device, self.mean.dtype)
        image = (image / 255.0 - self.mean) / self.std
        size = self.definition.tile_size
        if mask is None or (mask.all() and mask.shape == pixels.shape[1:]):
            return resize(image, size, size)  # there is no background to set the object off from
        try:
            seen = torch.from_numpy(np.ascontiguousarray(mask)).to(self.device)
            check_mask(image, seen)
            image, seen = shrink(image, seen, RECIPES[recipe], size)
            return prepare(image, seen, RECIPES[recipe], size, self.mean, self.std)
        except ImageError as error:
            raise ImageError(f"the example image {example.image}: {error}") from error

    def _look_up(self, texts: Sequence[str]) -> Tensor:
        return self._vocabulary()[match_names(texts, self.definition.prompt_names or ())]

    def _vocabulary(self) -> Tensor:
        names = self.definition.prompt_names or ()
        known = _read_rows(self.definition, EMBEDDINGS_FILE, len(names))
        return torch.from_numpy(known).to(self.device, self.network.dtype)


def learned_rows(texts: Sequence[str], definition: ModelDefinition) -> dict[int, np.ndarray]:
    """Embeddings of those texts that were learnt from labels, by their place.

    Shape (1 or more, projection) each: of several, the one with the best probability counts.
    """
    known: dict[str, list[int]] = {}
    for row, name in enumerate(definition.learned):
        known.setdefault(fold(name), []).append(row)
    found = {place: known[fold(text)] for place, text in enumerate(texts) if fold(text) in known}
    if not found:
        return {}
    rows = _read_rows(definition, LEARNED_FILE, len(definition.learned))
    return {place: rows[numbers] for place, numbers in found.items()}


def _read_rows(definition: ModelDefinition, name: str, count: int) -> np.ndarray:
    path = definition.path(name)
    with SafetensorsFile(path) as file:
        if EMBEDDINGS_TENSOR not in file.keys():
            raise WeightsError(f"{path} has no tensor {EMBEDDINGS_TENSOR!r}")
        known = np.array(file.tensor(EMBEDDINGS_TENSOR))
    expected = (count, definition.network.projection)
    if known.shape != expected:
        raise WeightsError(
            f"{path}: tensor {EMBEDDINGS_TENSOR!r} has shape {list(known.shape)}, the model "
            f"definition asks for {list(expected)}"
        )
    return known
