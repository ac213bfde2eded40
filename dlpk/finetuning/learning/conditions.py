"""Embeddings that stand for the classes while they are learnt, as the CLIPSeg paper varies them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

# Of a mixture the share of the text is drawn from 0 to this; every other update is text alone,
# since that is what a run will ask for.
MOST_TEXT = 0.5
ALONE = 0.5


@dataclass(frozen=True)
class Conditions:
    """What the embeddings of classes vary by.

    Parameters
    ----------
    sentences : Tensor
        Of each class, what every sentence differs by from their mean: shape (sentences, classes,
        projection); empty where no text can be embedded.
    examples : sequence of Tensor
        Embeddings of example images, per class: shape (examples, projection).
    """

    sentences: Tensor
    examples: Sequence[Tensor]

    def vary(self, embeddings: Tensor, seed: Sequence[int]) -> Tensor:
        """Embeddings for one update, of a random sentence, partly mixed with a random example.

        Parameters
        ----------
        embeddings : Tensor
            Shape (classes, projection).
        seed : sequence of int
        """
        random = np.random.default_rng(list(seed))
        rows = []
        for number, row in enumerate(embeddings):
            if len(self.sentences):
                row = row + self.sentences[int(random.integers(len(self.sentences))), number]
            examples = self.examples[number]
            text = float(random.uniform(0, MOST_TEXT))
            if len(examples) and random.random() >= ALONE:
                row = text * row + (1 - text) * examples[int(random.integers(len(examples)))]
            rows.append(row)
        return torch.stack(rows)
