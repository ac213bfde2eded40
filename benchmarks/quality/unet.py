"""A U-Net, and how it learns from labelled scenes in a given time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# A batch for a random generator: pixels (tiles, bands, rows, columns) and labels (tiles, rows,
# columns).
Draw = Callable[[torch.Generator], tuple[Tensor, Tensor]]
Loss = Callable[[Tensor, Tensor], Tensor]


class UNet(nn.Module):
    """Ronneberger et al. (arXiv 1505.04597), with batch normalisation.

    Parameters
    ----------
    classes : int
    width : int
        Channels of the first level; the fifth has 16 times as many.
    """

    def __init__(self, classes: int, width: int = 32) -> None:
        super().__init__()
        wide = [width * 2**level for level in range(5)]
        pairs = list(zip(wide[:-1], wide[1:]))
        self.down = nn.ModuleList(_twice(a, b) for a, b in [(3, width), *pairs])
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, 2) for a, b in reversed(pairs))
        self.join = nn.ModuleList(_twice(2 * a, a) for a, _ in reversed(pairs))
        self.last = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (tiles, classes, rows, columns); sides are multiples of 16."""
        kept = []
        for number, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if number else x)
            kept.append(x)
        for up, join, other in zip(self.up, self.join, reversed(kept[:-1])):
            x = join(torch.cat([up(x), other], dim=1))
        return self.last(x)


def _twice(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [nn.Conv2d(channels, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)


def learn(
    network: UNet, draw: Draw, loss_of: Loss, seconds: float, *, seed: int = 0, fast: bool = False
) -> int:
    """Train for so many seconds, the rate falling to nothing.

    Parameters
    ----------
    network : UNet
    draw : callable
        Draws a batch.
    loss_of : callable
        Takes logits (float32) and labels.
    seconds : float
    seed : int
    fast : bool
        Whether the device multiplies bfloat16 quickly.

    Returns
    -------
    int
        Updates.
    """
    device = next(network.parameters()).device
    network.to(memory_format=torch.channels_last)  # faster on processors by half
    random = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.01)
    begun, steps = time.monotonic(), 0
    network.train()
    while (spent := (time.monotonic() - begun) / seconds) < 1:
        optimizer.param_groups[0]["lr"] = 1e-3 * (0.01 + 0.5 * (1 + math.cos(math.pi * spent)))
        pixels, labels = draw(random)
        with torch.autocast(device.type, torch.bfloat16, enabled=fast):
            logits = network(pixels.to(device))
        loss = loss_of(logits.float(), labels.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    network.eval()
    return steps
