"""The layers that CLIPSeg's towers and decoder are made of."""

# torch's modules are called through an untyped __call__.
# mypy: disable-error-code=no-any-return

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import TowerConfig

# quick-GELU's constant.
QUICK = 1.702
# Up to this many, all scores of an image are held: 100 MB with CLIP's twelve heads.
MOST_TOKENS = 2048


class Linear(nn.Linear):
    """`nn.Linear` without random initial values: they always come from a file."""

    def reset_parameters(self) -> None:
        """Leave the memory as it is."""


class Embedding(nn.Embedding):
    """`nn.Embedding` without random initial values."""

    def reset_parameters(self) -> None:
        """Leave the memory as it is."""


class Conv2d(nn.Conv2d):
    """`nn.Conv2d` without random initial values."""

    def reset_parameters(self) -> None:
        """Leave the memory as it is."""


class ConvTranspose2d(nn.ConvTranspose2d):
    """`nn.ConvTranspose2d` without random initial values."""

    def reset_parameters(self) -> None:
        """Leave the memory as it is."""


def attention(query: Tensor, key: Tensor, value: Tensor, causal: bool) -> Tensor:
    """Scaled dot product attention.

    Parameters
    ----------
    query, key, value : Tensor
        Shape (batch, heads, tokens, channels).
    causal : bool
        True: no token sees a later one.

    Returns
    -------
    Tensor
        Shape (batch, heads, tokens, channels).
    """
    # The fused kernel computes products of bfloat16 in single precision on processors.
    low = query.dtype == torch.bfloat16 and query.device.type == "cpu"
    low = low and query.shape[2] <= MOST_TOKENS
    if low and not causal and not query.requires_grad:
        return _attention_by_image(query, key, value)
    if hasattr(F, "scaled_dot_product_attention") and not low:  # torch 2.0 and later
        return F.scaled_dot_product_attention(query, key, value, is_causal=causal)
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
    if causal:
        tokens = scores.shape[-1]
        later = torch.ones(tokens, tokens, dtype=torch.bool, device=scores.device).triu(1)
        scores = scores.masked_fill(later, float("-inf"))
    return scores.softmax(dim=-1) @ value


def _attention_by_image(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention as two matrix products per image, small enough for the processor's cache.

    In bfloat16 that is twice as fast on processors as the fused kernel.
    """
    images, heads, tokens, channels = query.shape
    mixed = torch.empty(images, tokens, heads, channels, dtype=query.dtype)
    scores = torch.empty(heads, tokens, tokens, dtype=query.dtype)
    scale = channels**-0.5
    for image in range(images):
        torch.bmm(query[image] * scale, key[image].transpose(1, 2), out=scores)
        torch.softmax(scores, dim=-1, out=scores)
        mixed[image] = torch.bmm(scores, value[image]).transpose(0, 1)
    return mixed.transpose(1, 2)


class Attention(nn.Module):
    """Multi-head self attention with one matrix product for query, key and value."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = Linear(width, 3 * width)
        self.out = Linear(width, width)

    def forward(self, x: Tensor, causal: bool = False) -> Tensor:
        """(batch, tokens, width) to the same shape."""
        batch, tokens, width = x.shape
        qkv = self.qkv(x).view(batch, tokens, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = attention(query, key, value, causal)
        return self.out(mixed.transpose(1, 2).reshape(batch, tokens, width))


class MLP(nn.Module):
    """Two linear layers around an activation."""

    def __init__(self, width: int, hidden: int, activation: str) -> None:
        super().__init__()
        self.up = Linear(width, hidden)
        self.down = Linear(hidden, width)
        self.activation = activation

    def fold(self) -> dict[int, float]:
        """Turn quick-GELU into SiLU, which is one pass over memory instead of three.

        quick-GELU, x·sigmoid(1.702x), equals silu(1.702x)/1.702; the factors go into the weights.
        The rounding differs by bits that the exact path has in common with the reference.

        Returns
        -------
        dict
            Address of a parameter's memory to the factor that its values are to be multiplied by.
        """
        if self.activation != "quick_gelu":
            return {}
        self.activation = "silu"
        return {
            self.up.weight.data_ptr(): QUICK,
            self.up.bias.data_ptr(): QUICK,
            self.down.weight.data_ptr(): 1.0 / QUICK,
        }

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) to the same shape."""
        return self.down(activate(self.up(x), self.activation))


def activate(x: Tensor, activation: str) -> Tensor:
    """Apply an activation, in the memory of `x`; ``none`` where the layer before has done it.

    What is large costs less where it lies already: fresh memory has to be fetched from the system.
    """
    if activation == "quick_gelu":
        if x.requires_grad:  # training needs what would be overwritten
            return x * (x * QUICK).sigmoid()
        return (x * QUICK).sigmoid_().mul_(x)
    if activation == "silu":
        return F.silu(x, inplace=True)
    if activation == "gelu":
        return F.gelu(x)
    if activation == "relu":  # of a view in training, the way back would copy all of it
        return x.relu() if x.requires_grad else x.relu_()
    return x


class EncoderBlock(nn.Module):
    """CLIP's transformer block: layer norm before attention and MLP."""

    def __init__(self, tower: TowerConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(tower.width, eps=tower.eps)
        self.attention = Attention(tower.width, tower.heads)
        self.norm2 = nn.LayerNorm(tower.width, eps=tower.eps)
        self.mlp = MLP(tower.width, tower.mlp, tower.activation)

    def forward(self, x: Tensor, causal: bool = False) -> Tensor:
        """(batch, tokens, width) to the same shape."""
        x = x + self.attention(self.norm1(x), causal)
        return x + self.mlp(self.norm2(x))


class DecoderBlock(nn.Module):
    """The decoder's transformer block: layer norm after attention and MLP, ReLU."""

    def __init__(self, width: int, heads: int, hidden: int, eps: float) -> None:
        super().__init__()
        self.attention = Attention(width, heads)
        self.norm1 = nn.LayerNorm(width, eps=eps)
        self.mlp = MLP(width, hidden, "relu")
        self.norm2 = nn.LayerNorm(width, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, tokens, width) to the same shape."""
        x = self.norm1(x + self.attention(x))
        return self.norm2(x + self.mlp(x))
