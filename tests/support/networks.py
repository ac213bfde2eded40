"""Small networks with random weights, as people have them."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn


class Pixels(nn.Module):
    """Two layers that see single pixels only, or nine of them, at any stride."""

    def __init__(self, bands: int = 3, outputs: int = 4, stride: int = 1, sees: int = 1) -> None:
        super().__init__()
        torch.manual_seed(bands + outputs + stride)
        self.first = nn.Conv2d(bands, 8, sees, padding=sees // 2)
        self.last = nn.Conv2d(8, outputs, stride, stride=stride)

    def forward(self, images: Tensor) -> Tensor:
        answer: Tensor = 3 * self.last(self.first(images).relu())
        return answer


def torchscript(path: Path, network: nn.Module, bands: int = 3, side: int = 64) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(network.eval(), torch.randn(1, bands, side, side))
        torch.jit.save(traced, str(path))
    return path


def onnx(
    path: Path, network: nn.Module, bands: int = 3, side: int = 64, fixed: bool = False
) -> Path:
    names = {0: "tiles", 2: "rows", 3: "columns"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            (torch.randn(1, bands, side, side),),
            str(path),
            dynamo=False,
            input_names=["images"],
            dynamic_axes={} if fixed else {"images": names},
        )
    return path
