"""Whether a thing is in a tile at all.

CLIPSeg was trained on images that mostly hold what is asked for, and finds something in most
others as well. CLIP itself tells better what an image shows.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# CLIP's learned temperature, exp(4.6052); the weights of CLIPSeg do not always carry it.
LOGIT_SCALE = 100.0


@dataclass(frozen=True)
class Gate:
    """Compares tiles as a whole with what is looked for and with what names nothing.

    A concept of texts competes with neutral texts, one of examples with a blank image: images are
    more like each other than like any text. Concepts do not push each other out.

    Parameters
    ----------
    threshold : float
        Share of the likeness, 0 to 1, from which a concept is there.
    concepts : Tensor
        Embeddings, the mean where a concept has several; shape (concepts, projection).
    by_image : Tensor
        bool, shape (concepts,); True for concepts of examples.
    neutral, blank : Tensor
        Embeddings of neutral texts and of blank images, shape (any number, projection).
    """

    threshold: float
    concepts: Tensor
    by_image: Tensor
    neutral: Tensor
    blank: Tensor

    def likeness(self, tiles: Tensor) -> Tensor:
        """How much tiles are like the concepts rather than like nothing.

        Parameters
        ----------
        tiles : Tensor
            Embeddings, shape (tiles, projection).

        Returns
        -------
        Tensor
            float32, shape (tiles, concepts), 0 to 1.
        """
        tiles = LOGIT_SCALE * F.normalize(tiles.float(), dim=-1)

        def against(others: Tensor) -> Tensor:
            return tiles @ F.normalize(others.float(), dim=-1).T

        texts = torch.logsumexp(against(self.neutral), dim=1, keepdim=True)
        images = torch.logsumexp(against(self.blank), dim=1, keepdim=True)
        return torch.sigmoid(against(self.concepts) - torch.where(self.by_image, images, texts))

    def present(self, tiles: Tensor) -> Tensor:
        """Whether concepts are in tiles: bool, shape (tiles, concepts); see `likeness`."""
        return self.likeness(tiles) >= self.threshold
