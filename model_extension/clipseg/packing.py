"""Weights laid out once for the processor's matrix kernels.

oneDNN, which comes with torch, multiplies faster when the weights lie in its own blocked order, and
on some processors several times faster than the library that torch calls by itself. Torch's own
operators for this have no public name, so everything here is tried once and left alone if it fails.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .layers import MLP, Attention, Linear
from .network import CLIPSeg

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
    if not _works(next(network.parameters()).dtype):
        return network
    for module in network.modules():
        if isinstance(module, Attention):
            module.qkv, module.out = _packed(module.qkv), _packed(module.out)
        elif isinstance(module, MLP):
            fused = FUSED.get(module.activation)
            module.up = _packed(module.up, fused or "none")
            module.down = _packed(module.down)
            if fused:
                module.activation = "none"
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
