"""Updates of weights: schedule, clipped gradients, and the running mean that is kept.

The miniature is trained by them, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

LARGEST_GRADIENT = 1.0


def cosine(progress: float, floor: float) -> float:
    """Share of the highest rate, from 1 down to `floor`, at a progress of 0 to 1."""
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))


def is_memory_short(error: BaseException) -> bool:
    """Whether an error says that there is too little memory, of a card or of the machine."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in text or "allocate memory" in text


class Updates:
    """Steps of an optimizer, with the running mean of weights.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        Its groups' rates are the highest ones.
    parameters : sequence of Tensor
        All weights that learn, whose mean is kept.
    average : float
        Decay of the mean.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, parameters: Sequence[Tensor], average: float
    ) -> None:
        self.optimizer, self.parameters, self.average = optimizer, list(parameters), average
        self.rates = [group["lr"] for group in optimizer.param_groups]
        self.averaged = [p.detach().clone() for p in self.parameters]
        self.done = 0

    def begin(self, share: float) -> None:
        """Set the rates to a share of the highest ones, for the next step."""
        for group, rate in zip(self.optimizer.param_groups, self.rates):
            group["lr"] = rate * share

    def apply(self) -> None:
        """Make a step along the gradients, and move the mean."""
        torch.nn.utils.clip_grad_norm_(self.parameters, LARGEST_GRADIENT)
        self.optimizer.step()
        # Early weights are far from the last ones, so the mean starts short.
        keep = min(self.average, (1 + self.done) / (10 + self.done))
        with torch.no_grad():
            now = [p.detach() for p in self.parameters]
            torch._foreach_lerp_(self.averaged, now, 1 - keep)
        self.done += 1

    def put(self, values: Sequence[Tensor]) -> None:
        """Put values in the place of the weights."""
        with torch.no_grad():
            for parameter, value in zip(self.parameters, values):
                parameter.copy_(value)

    @contextmanager
    def mean_weights(self) -> Iterator[None]:
        """Have the mean in the place of the weights for a while."""
        own = [p.detach().clone() for p in self.parameters]
        self.put(self.averaged)
        try:
            yield
        finally:
            self.put(own)
