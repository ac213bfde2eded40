"""Weights laid out once for the processor's matrix kernels.

oneDNN, which comes with torch, multiplies faster when the weights lie in its own blocked order, and
on some processors several times faster than the library that torch calls by itself. Torch's own
operators for this have no public name, so everything here is tried once and left alone if it fails.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from .layers import MLP, Attention, Linear
from .network import CLIPSeg

# Images times prompts that the decoder takes at once: what lies between its layers stays in cache.
DECODED_AT_ONCE = 8
# Names of activations in oneDNN that a matrix product can end with.
FUSED = {"silu": "swish", "relu": "relu"}


class PackedLinear(nn.Module):
    """A linear layer with its weights in oneDNN's order, and an activation behind it if wanted."""

    def __init__(self, linear: nn.Linear, activation: str = "none") -> None:
        super().__init__()
        weight = linear.weight.detach().contiguous()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight, None)
        self.bias = None if linear.bias is None else linear.bias.detach()
        self.activation = activation

    def forward(self, x: Tensor) -> Any:
        """(..., in) to (..., out)."""
        return torch.ops.mkldnn._linear_pointwise(
            x, self.weight, self.bias, self.activation, [], ""
        )


class PackedPatches(nn.Module):
    """Patches into tokens as one matrix product: the convolution's step is its kernel.

    Parameters
    ----------
    convolution : nn.Conv2d
        Without bias.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.patch = int(convolution.stride[0])
        width = convolution.out_channels
        linear = Linear(convolution.weight[0].numel(), width, bias=False)
        weight = convolution.weight.detach().reshape(width, -1)
        linear.weight = nn.Parameter(weight, requires_grad=False)
        self.linear = PackedLinear(linear)

    def forward(self, x: Tensor) -> Tensor:
        """(images, 3, height, width) to (images, channels, rows, columns)."""
        images, bands, height, width = x.shape
        rows, columns = height // self.patch, width // self.patch
        x = x.reshape(images, bands, rows, self.patch, columns, self.patch)
        x = self.linear(x.permute(0, 2, 4, 1, 3, 5).reshape(images, rows * columns, -1))
        return x.transpose(1, 2).reshape(images, -1, rows, columns)


class PackedHead(nn.Module):
    """The decoder's last layers, with transposed convolutions as matrix products.

    Their step is as long as their kernel, so that every pixel comes from one position: a linear
    layer makes all pixels of a position, and one rearrangement in the end puts them in place.

    Parameters
    ----------
    head : nn.Module
        Perhaps a convolution with ReLU, then transposed convolutions with ReLU between them.
    """

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        layers = list(head) if isinstance(head, nn.Sequential) else [head]
        transposed = [layer for layer in layers if isinstance(layer, nn.ConvTranspose2d)]
        self.convolution = layers[0] if isinstance(layers[0], nn.Conv2d) else None
        self.steps = [int(layer.stride[0]) for layer in transposed]
        self.spreads = nn.ModuleList(
            [_spread(layer, last=layer is transposed[-1]) for layer in transposed]
        )

    def forward(self, x: Tensor) -> Tensor:
        """(images, channels, rows, columns) to (images, 1, height, width)."""
        if self.convolution is not None:
            x = self.convolution(x).relu_()
        images, _, rows, columns = x.shape
        x = x.permute(0, 2, 3, 1)
        x = x.reshape(-1, x.shape[-1])
        for spread, step in zip(self.spreads, self.steps):
            x = spread(x)
            x = x.view(-1, x.shape[-1] // (step * step))
        sides = [step for step in self.steps for _ in range(2)]
        x = x.view(images, rows, columns, *sides)
        down, across = range(1, x.dim(), 2), range(2, x.dim(), 2)
        scale = math.prod(self.steps)
        return x.permute(0, *down, *across).reshape(images, 1, rows * scale, columns * scale)


def _spread(layer: nn.ConvTranspose2d, *, last: bool) -> PackedLinear:
    """A transposed convolution as a linear layer, whose outputs are (row, column, channel)."""
    inputs, outputs, rows, columns = layer.weight.shape
    linear = Linear(inputs, rows * columns * outputs)
    weight = layer.weight.detach().permute(2, 3, 1, 0).reshape(-1, inputs)
    linear.weight = nn.Parameter(weight.contiguous(), requires_grad=False)
    assert layer.bias is not None
    bias = layer.bias.detach().repeat(rows * columns)
    linear.bias = nn.Parameter(bias, requires_grad=False)
    return PackedLinear(linear, "none" if last else "relu")


def pack(network: CLIPSeg) -> CLIPSeg:
    """Lay out the weights of all blocks for the processor, where torch can.

    Parameters
    ----------
    network : CLIPSeg
        On the processor; changed in place.

    Returns
    -------
    CLIPSeg
        The same network.
    """
    vision = network.vision
    if not _works(network.dtype) or not _works(vision.class_token.dtype):
        return network
    vision.patches = PackedPatches(vision.patches)  # type: ignore[assignment]
    network.decoded_at_once = DECODED_AT_ONCE
    for module in network.modules():
        if isinstance(module, Attention):
            module.qkv, module.out = _packed(module.qkv), _packed(module.out)
        elif isinstance(module, MLP):
            fused = FUSED.get(module.activation)
            module.up = _packed(module.up, fused or "none")
            module.down = _packed(module.down)
            if fused:
                module.activation = "none"
    network.decoder.head = PackedHead(network.decoder.head)
    network.decoder.channels_last = True
    return network


def _packed(linear: Any, activation: str = "none") -> Any:
    return PackedLinear(linear, activation)


def mkldnn_is_available() -> bool:
    """Whether this build of torch has oneDNN."""
    return bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]


def _works(dtype: torch.dtype) -> bool:
    """Try the operators on a small layer and compare."""
    if dtype not in (torch.float32, torch.bfloat16) or not mkldnn_is_available():
        return False
    try:
        x = torch.linspace(-1, 1, 3 * 5 * 64).view(3, 5, 64).to(dtype)
        linear = Linear(64, 32).to(dtype)
        with torch.no_grad():
            linear.weight.copy_(torch.linspace(-1, 1, 32 * 64).view(32, 64))
            linear.bias.copy_(torch.linspace(-1, 1, 32))
            ours = PackedLinear(linear, "swish")(x)
            theirs = nn.functional.silu(linear(x))
        return bool((ours.float() - theirs.float()).abs().max() < 0.05)
    except Exception:  # whatever an operator without a public name may do
        return False
