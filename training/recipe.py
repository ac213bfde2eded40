"""How long and how fast the miniature learns."""

from __future__ import annotations

from dataclasses import dataclass, replace

from training.data.sampling import SIZE


@dataclass(frozen=True)
class Phase:
    """A stretch of the training.

    Parameters
    ----------
    steps : int
        Number of updates.
    size : int
        Edge of the crops in pixels.
    images, visual : int
        Crops and image prompts per update.
    parts : tuple of str
        What learns: ``texts`` (embeddings of prompts), ``pictures`` (image encoder, through a
        linear layer that is thrown away in the end), ``masks`` (everything, through the decoder).
    """

    steps: int
    size: int = 0
    images: int = 0
    visual: int = 0
    parts: tuple[str, ...] = ("texts", "pictures", "masks")


PHASES = (
    # The towers first, each by itself: CLIP's come trained, too. Small crops are cheap, and many
    # small ones show more places than a few large ones.
    Phase(300, parts=("texts",)),
    Phase(1600, 48, 24, 4, parts=("pictures",)),
    Phase(300, 48, 16, 4),
    Phase(400, SIZE, 8, 2),
)


@dataclass(frozen=True)
class Recipe:
    """Sizes and rates of the training.

    Parameters
    ----------
    phases : tuple of Phase
        One after the other.
    known, unknown : int
        Texts per update that only the embedding loss sees.
    rate : float
        Highest learning rate.
    average : float
        Decay of the running mean of the weights, which is what is saved.
    """

    phases: tuple[Phase, ...] = PHASES
    known: int = 24
    unknown: int = 72
    rate: float = 1e-3
    average: float = 0.99

    def shortened(self, share: float) -> Recipe:
        """Return a recipe with this share of the updates, at least one per phase."""
        phases = (replace(p, steps=max(1, round(p.steps * share))) for p in self.phases)
        return replace(self, phases=tuple(phases))
