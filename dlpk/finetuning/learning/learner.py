"""What of the network learns, by method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model_extension.clipseg.network.network import CLIPSeg


@dataclass(frozen=True)
class Recipe:
    """Settings of a method.

    Parameters
    ----------
    method : str
        ``prompts``, ``decoder`` or ``lora``.
    steps, batch : int
        Updates, and views per update.
    rate, prompt_rate, encoder_rate : float
        Highest learning rates of decoder, embeddings and encoder.
    rank : int
        Of the updates of the encoder's weights.
    per_class : int
        Embeddings that a class has, of which the best counts at each pixel.
    preset : str
        Of `dlpk.finetuning.learning.losses.PRESETS`.
    """

    method: str
    steps: int
    batch: int
    rate: float = 1e-3
    prompt_rate: float = 1e-2
    encoder_rate: float = 5e-4
    rank: int = 16
    per_class: int = 1
    preset: str = "ours"


RECIPES = {
    "prompts": Recipe("prompts", steps=400, batch=2, prompt_rate=3e-2, per_class=3),
    "decoder": Recipe("decoder", steps=1500, batch=2),
    "lora": Recipe("lora", steps=600, batch=4),
}


# Layers of an encoder block that get low rank updates.
ADAPTED = (("attention", "qkv"), ("attention", "out"), ("mlp", "up"), ("mlp", "down"))
# How far embeddings of a class are moved apart, as a share of their size.
SPREAD = 0.45


class LowRank(nn.Module):
    """A product of two thin matrices beside a weight (Hu et al., arXiv 2106.09685).

    Beside and not in it: so the weight itself needs no gradient, and small updates are not lost to
    the rounding of large weights in bfloat16.
    """

    def __init__(self, layer: nn.Linear, rank: int, random: torch.Generator) -> None:
        super().__init__()
        start = torch.randn(rank, layer.in_features, generator=random) * layer.in_features**-0.5
        device = layer.weight.device
        self.layer = layer
        self.inner = nn.Parameter(start.to(device))
        self.outer = nn.Parameter(torch.zeros(layer.out_features, rank, device=device))

    def forward(self, x: Tensor) -> Tensor:
        """What the layer makes of it, and the update."""
        updated: Tensor = self.layer(x) + F.linear(F.linear(x, self.inner), self.outer)
        return updated

    def merged(self) -> nn.Linear:
        """The layer with the update in its weight."""
        with torch.no_grad():
            self.layer.weight += self.outer @ self.inner
        return self.layer


class Learner(nn.Module):
    """A network with the embeddings of the classes, and which of its weights are trained.

    Parameters
    ----------
    network : CLIPSeg
        In single precision, exact, without gradients.
    embeddings : Tensor
        To start from, shape (classes, 1 or more, projection).
    recipe : Recipe
    grid : int
        Patches per side of a tile.
    seed : int
    """

    def __init__(
        self, network: CLIPSeg, embeddings: Tensor, recipe: Recipe, grid: int, seed: int
    ) -> None:
        super().__init__()
        self.network = network
        self.grid = (grid, grid)
        self.per_class = max(recipe.per_class, embeddings.shape[1])
        own = embeddings.detach()[:, torch.arange(self.per_class) % embeddings.shape[1]]
        self.embeddings = nn.Parameter(own.flatten(0, 1).float())
        self._first, *self._others = network.config.extract
        self._lora = recipe.method == "lora"
        self.groups: list[dict[str, Any]] = [
            {"params": [self.embeddings], "lr": recipe.prompt_rate}
        ]
        if recipe.method != "prompts":
            decoder = list(network.decoder.parameters())
            self.groups.append({"params": decoder, "lr": recipe.rate, "weight_decay": 0.01})
        if self._lora:
            self.groups.append({"params": self._adapt(recipe, seed), "lr": recipe.encoder_rate})
        for group in self.groups:
            for parameter in group["params"]:
                parameter.requires_grad_(True)

    def _adapt(self, recipe: Recipe, seed: int) -> list[nn.Parameter]:
        """Norms, and low rank updates, of the blocks behind the first one that the decoder reads.

        What lies before it stays, so that its activations need to be computed only once.
        """
        random = torch.Generator().manual_seed(seed)
        adapted: list[nn.Parameter] = []
        for block in self._blocks():
            for part, name in ADAPTED:
                holder = getattr(block, part)
                update = LowRank(getattr(holder, name), recipe.rank, random)
                setattr(holder, name, update)
                adapted += [update.inner, update.outer]
            for norm in (block.norm1, block.norm2):
                adapted += norm.parameters()
        return adapted

    def _blocks(self) -> Sequence[Any]:
        return list(self.network.vision.blocks)[self._first + 1 : max(self._others, default=0) + 1]

    def spread(self, seed: int) -> None:
        """Move equal embeddings of a class apart: they would learn the same."""
        random = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            rows = self.embeddings.view(-1, self.per_class, self.embeddings.shape[1])
            others = rows[:, 1:]
            noise = torch.randn(others.shape, generator=random).to(others)
            size = SPREAD * self.embeddings.square().mean().sqrt()
            others += size * noise * (others == rows[:, :1]).all(2, keepdim=True)

    def trained(self) -> list[nn.Parameter]:
        """All weights that are trained, always in the same order."""
        return [parameter for group in self.groups for parameter in group["params"]]

    def logits(self, activations: Sequence[Tensor], embeddings: Tensor | None = None) -> Tensor:
        """Logits of the classes, or of other embeddings: float32, shape (views, prompts, h, w).

        Parameters
        ----------
        activations : sequence of Tensor
            Of the encoder as it was, one per block that the decoder reads.
        embeddings : Tensor, optional
            Shape (prompts, projection).
        """
        if self._lora:
            x, activations = activations[0], [activations[0]]
            for number, block in enumerate(self._blocks(), self._first + 1):
                x = block(x)
                if number in self._others:
                    activations.append(x)
        found = self.network.decode(
            activations, self.embeddings if embeddings is None else embeddings, self.grid
        )
        found = found.float()
        if embeddings is not None or self.per_class == 1:
            return found
        found = found.view(len(found), -1, self.per_class, *found.shape[2:])
        # The best one counts, as in a run; while learning all take part, or the others never would.
        return found.logsumexp(2) if found.requires_grad else found.amax(2)

    def merge(self) -> None:
        """Add what was learnt beside weights into them."""
        for block in self._blocks() if self._lora else ():
            for part, name in ADAPTED:
                holder = getattr(block, part)
                setattr(holder, name, getattr(holder, name).merged())
