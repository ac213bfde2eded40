"""What the network is taught in one update, and how far off it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional
from transformers import CLIPSegForImageSegmentation, CLIPTokenizer

from dlpk.finetuning.learning.losses import binary_cross_entropy
from training import network
from training.data.references import CONCEPTS, UNKNOWN, Labels
from training.data.sampling import Crops, normalise
from training.phrases import NOTHING, Prompts
from training.recipe import Phase, Recipe
from training.visual import VisualPrompt, draw_visual_prompts

WEIGHTS = {"masks": 1.0, "texts": 0.5, "pictures": 0.7, "prompts": 0.15}
"""How much each loss counts."""

MAIN_CONCEPTS = (CONCEPTS.index("water"), CONCEPTS.index("vegetation"))

Drawn = list[tuple[torch.Tensor, Labels]]


class Shortcut(torch.nn.Module):
    """Reads all concepts at every pixel from what the decoder would read; not saved.

    Parameters
    ----------
    model : network of ``transformers``
        Whose sizes count.
    """

    def __init__(self, model: CLIPSegForImageSegmentation) -> None:
        super().__init__()
        vision: Any = model.config.vision_config
        self._patch = int(vision.patch_size)
        channels = vision.hidden_size * len(model.extract_layers)
        self._read = torch.nn.Linear(channels, NOTHING * self._patch**2)

    def forward(self, activations: list[torch.Tensor]) -> torch.Tensor:
        """Return logits, shape (image, concept, height, width)."""
        tokens: torch.Tensor = self._read(torch.cat(activations, dim=2)[:, 1:])
        count, length, _ = tokens.shape
        side, patch = int(length**0.5), self._patch
        tiles = tokens.view(count, side, side, NOTHING, patch, patch)
        return tiles.permute(0, 3, 1, 4, 2, 5).reshape(count, NOTHING, side * patch, side * patch)


@dataclass
class Pair:
    """One mask to learn: an image, a prompt and the labels.

    Parameters
    ----------
    image : int
        Number of the image in the batch.
    concept : int
        Number of the concept, or `NOTHING`.
    text : str
        The prompt.
    labels : array of uint8, shape (height, width)
        1, 0 or `UNKNOWN`.
    """

    image: int
    concept: int
    text: str
    labels: NDArray[np.uint8]


class Lessons:
    """Draws batches and measures the network on them.

    Parameters
    ----------
    model, tokenizer : network and tokenizer of ``transformers``
        The network that learns.
    crops : Crops
        Where training images come from.
    random : numpy Generator
        The only source of chance.
    recipe : Recipe
        Sizes.
    """

    def __init__(
        self,
        model: CLIPSegForImageSegmentation,
        tokenizer: CLIPTokenizer,
        crops: Crops,
        random: np.random.Generator,
        recipe: Recipe,
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._crops = crops
        self._random = random
        self._recipe = recipe
        self._prompts = Prompts(random)
        self._places = network.prototypes()
        self.shortcut = Shortcut(model)

    def losses(self, phase: Phase, step: int) -> dict[str, torch.Tensor]:
        """Return the losses of a fresh batch, by the names in `WEIGHTS`.

        Parameters
        ----------
        phase : Phase
            What learns, and from how many crops of which size.
        step : int
            Number of the update.
        """
        drawn = [self._crops.draw(phase.size) for _ in range(phase.images)]
        pairs = self._pairs(drawn) if "masks" in phase.parts else []
        losses: dict[str, torch.Tensor] = {}
        if "texts" in phase.parts:
            losses["texts"], embedded = self._texts(pairs, long=step % 8 == 0)
        if not drawn:
            return losses
        visual = draw_visual_prompts(
            self._crops, self._random, phase.visual, phase.size, self._places
        )
        pixels = normalise(torch.stack([image for image, _ in drawn]))
        pixels = torch.cat([pixels, torch.stack([prompt.pixels for prompt in visual])])
        activations, pictured = network.encode_images(self._model, pixels)
        activations = [layer[: len(drawn)] for layer in activations]
        pictured = pictured[len(drawn) :]
        losses["prompts"] = _distance(pictured, torch.stack([prompt.target for prompt in visual]))
        labels = torch.from_numpy(np.stack([labels for _, labels in drawn]))
        losses["pictures"] = _cross_entropy(self.shortcut(activations), labels)
        if pairs:
            conditions = self._blur_meanings(embedded, pairs)
            extra, extra_conditions = self._visual_pairs(visual, pictured, drawn)
            pairs = pairs + extra
            conditions = torch.cat([conditions, *extra_conditions])
            images = torch.tensor([pair.image for pair in pairs])
            logits = network.decode(
                self._model, [layer[images] for layer in activations], conditions
            )
            masks = torch.from_numpy(np.stack([pair.labels for pair in pairs]))
            losses["masks"] = _cross_entropy(logits, masks)
        return losses

    def _texts(self, pairs: list[Pair], *, long: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the loss of many prompts' embeddings, and the embeddings of the pairs' prompts."""
        count = self._recipe.unknown
        known = [int(concept) for concept in self._random.integers(0, NOTHING, self._recipe.known)]
        texts = [pair.text for pair in pairs]
        texts += [self._prompts.known(concept) for concept in known]
        texts += [self._prompts.unknown() for _ in range(count)]
        meanings = [pair.concept for pair in pairs] + known + [NOTHING] * count
        embedded = network.embed_texts(self._model, self._tokenizer, texts)
        loss = _distance(embedded, self._places[meanings])
        if long:
            # Apart from the others, because every text of a batch is as long as its longest.
            texts = [self._prompts.long_unknown() for _ in range(8)]
            others = network.embed_texts(self._model, self._tokenizer, texts)
            loss = loss + 0.2 * _distance(others, self._places[[NOTHING] * len(texts)])
        return loss, embedded[: len(pairs)]

    def _pairs(self, drawn: Drawn) -> list[Pair]:
        """Return three prompts per image: a main concept, one that it shows, and any other."""
        result = []
        for number, (_, labels) in enumerate(drawn):
            usable = [c for c in range(NOTHING) if (labels[c] != UNKNOWN).mean() > 0.1]
            shown = [c for c in usable if (labels[c] == 1).mean() > 0.01]
            main = [c for c in MAIN_CONCEPTS if c in usable]
            other = [] if self._random.random() < 0.4 else usable
            for options in (main, shown or usable, other):
                concept = _one(options, self._random)
                if concept is None:
                    dark = np.zeros(labels.shape[1:], dtype=np.uint8)
                    result.append(Pair(number, NOTHING, self._prompts.unknown(), dark))
                else:
                    text = self._prompts.known(concept)
                    result.append(Pair(number, concept, text, labels[concept]))
        return result

    def _blur_meanings(self, embedded: torch.Tensor, pairs: list[Pair]) -> torch.Tensor:
        """Return the pairs' embeddings, those of unknown prompts partly mixed with a concept.

        An unknown prompt that the training never saw lands somewhere between "nothing" and a
        concept; as long as it is nearer to "nothing" it must stay dark.
        """
        share = torch.zeros(len(pairs), 1)
        partner = torch.arange(len(pairs))
        named = [place for place, pair in enumerate(pairs) if pair.concept != NOTHING]
        for place, pair in enumerate(pairs):
            if pair.concept == NOTHING and named and self._random.random() < 0.5:
                share[place] = float(self._random.uniform(0, 0.4))
                partner[place] = named[int(self._random.integers(0, len(named)))]
        return embedded * (1 - share) + embedded[partner] * share

    def _visual_pairs(
        self, visual: list[VisualPrompt], embedded: torch.Tensor, drawn: Drawn
    ) -> tuple[list[Pair], list[torch.Tensor]]:
        """Return masks to learn from image prompts that show one concept."""
        pairs, conditions = [], []
        for place, prompt in enumerate(visual):
            if prompt.concept is None:
                continue
            options = [
                number
                for number, (_, labels) in enumerate(drawn)
                if (labels[prompt.concept] != UNKNOWN).mean() > 0.1
            ]
            number = _one(options, self._random)
            if number is not None:
                labels = drawn[number][1][prompt.concept]
                pairs.append(Pair(number, prompt.concept, "", labels))
                conditions.append(embedded[place : place + 1])
        return pairs, conditions


def _cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the mean binary cross-entropy where the labels are known."""
    return binary_cross_entropy(logits, (labels == 1).float(), (labels != UNKNOWN).float())


def _distance(embedded: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return functional.mse_loss(embedded, targets)


def _one(options: list[int], random: np.random.Generator) -> int | None:
    return options[int(random.integers(0, len(options)))] if options else None
