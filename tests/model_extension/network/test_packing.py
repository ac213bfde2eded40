"""Weights laid out for the processor's matrix kernels."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from model_extension.clipseg.contract.definition import ModelDefinition
from model_extension.clipseg.network import packing, weights
from model_extension.clipseg.network.config import NetworkConfig
from model_extension.clipseg.network.layers import MLP, Attention, Linear, attention
from model_extension.clipseg.network.network import CLIPSeg
from model_extension.clipseg.network.packing import PackedHead, PackedLinear, pack
from model_extension.common.safetensors import SafetensorsFile
from tests.support import random_package
from tests.support.random_package import VOCABULARY, write_package

CPU = torch.device("cpu")
# Not asked of the code under test, which may be what is broken.
AVAILABLE = torch.backends.mkldnn.is_available()
needs_operators = pytest.mark.skipif(not AVAILABLE, reason="torch without oneDNN")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> ModelDefinition:
    return write_package(tmp_path_factory.mktemp("packing") / "package")


def load(package: ModelDefinition, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> CLIPSeg:
    """A network as it is before packing."""
    with monkeypatch.context() as patch, SafetensorsFile(package.weights) as file:
        patch.setattr(weights, "pack", lambda network: network)
        return weights.load_network(file, package.network, dtype=dtype)


def packed_layers(network: torch.nn.Module) -> int:
    return sum(isinstance(module, PackedLinear) for module in network.modules())


def tokens() -> torch.Tensor:
    end = VOCABULARY["<|endoftext|>"]
    return torch.tensor([[VOCABULARY["<|startoftext|>"], 5, 260, end, end], [1, 2, 3, 4, end]])


@needs_operators
@pytest.mark.parametrize(("dtype", "limit"), [(torch.float32, 1e-4), (torch.bfloat16, 0.15)])
def test_packed_equals_plain(
    package: ModelDefinition, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, limit: float
) -> None:
    plain = load(package, dtype, monkeypatch)
    packed = pack(load(package, dtype, monkeypatch))
    assert packed_layers(plain) == 0
    # Four in each block: those of attention, and those around the activation; patches and head.
    assert packed_layers(packed) == 4 * (5 + 2 + 3) + 2
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(3, 3, 32, 24, generator=generator).to(dtype)
    with torch.no_grad():
        for one, other in (
            (plain.embed_text(tokens()), packed.embed_text(tokens())),
            (plain.embed_image(pixels), packed.embed_image(pixels)),
            *zip(plain.encode(pixels), packed.encode(pixels)),
            (
                plain(pixels, plain.embed_text(tokens())),
                packed(pixels, plain.embed_text(tokens())),
            ),
        ):
            assert one.shape == other.shape and one.dtype == other.dtype == dtype
            assert (one - other).abs().max() < limit * max(1.0, float(one.abs().max()))


@needs_operators
@pytest.mark.parametrize("activation", ["silu", "relu", "quick_gelu", "gelu"])
def test_activations_at_the_end_of_a_product(activation: str) -> None:
    layer = MLP(16, 32, activation)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in layer.parameters():
            value.copy_(torch.randn(value.shape, generator=generator) / 4)
        x = torch.randn(2, 5, 16, generator=generator)
        before = layer(x)
        network = CLIPSeg(config())
        network.vision.blocks[0].mlp = layer  # type: ignore[index,assignment]
        pack(network)
        assert isinstance(layer.up, PackedLinear)
        assert layer.activation == ("none" if activation in ("silu", "relu") else activation)
        assert (layer(x) - before).abs().max() < 1e-5


def config() -> NetworkConfig:
    return NetworkConfig.from_dict(random_package.NETWORK)


@needs_operators
def test_layers_without_bias() -> None:
    linear = Linear(8, 4, bias=False)
    with torch.no_grad():
        linear.weight.copy_(torch.arange(32.0).view(4, 8) / 32)
        x = torch.ones(3, 8)
        assert torch.allclose(PackedLinear(linear)(x), linear(x), atol=1e-6)


# --- where it is left alone --------------------------------------------------------------------


def broken(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    if how == "no oneDNN":
        monkeypatch.setattr(packing, "mkldnn_is_available", lambda: False)
    elif how == "no operator":
        monkeypatch.setattr(torch.ops, "mkldnn", object())
    else:

        class Other(PackedLinear):
            def __init__(self, linear: Any, activation: str = "none") -> None:
                torch.nn.Module.__init__(self)
                if how == "refuses":
                    raise RuntimeError("no primitive for this processor")
                self.linear = linear

            def forward(self, x: torch.Tensor) -> Any:
                return self.linear(x) + 1.0  # wrong numbers

        monkeypatch.setattr(packing, "PackedLinear", Other)


@pytest.mark.parametrize("how", ["no oneDNN", "no operator", "refuses", "wrong numbers"])
def test_without_the_operators_the_network_is_left_alone(
    package: ModelDefinition, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    pixels = torch.ones(1, 3, 16, 16)
    plain = load(package, torch.float32, monkeypatch)
    broken(monkeypatch, how)
    network = pack(load(package, torch.float32, monkeypatch))
    assert packed_layers(network) == 0
    linear = [m for m in network.modules() if isinstance(m, Attention)]
    assert linear and all(type(layer.qkv) is Linear for layer in linear)
    with torch.no_grad():
        assert torch.equal(network.embed_image(pixels), plain.embed_image(pixels))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_other_precisions_are_left_alone(
    package: ModelDefinition, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype
) -> None:
    assert packed_layers(pack(load(package, dtype, monkeypatch))) == 0


def test_the_trial_leaves_random_numbers_alone() -> None:
    torch.manual_seed(0)
    first = torch.rand(1)
    torch.manual_seed(0)
    packing._works(torch.float32)
    assert torch.equal(torch.rand(1), first)


@needs_operators
def test_memory_is_not_taken_twice(
    package: ModelDefinition, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = pack(load(package, torch.float32, monkeypatch))
    kept = sum(p.numel() for name, p in network.named_parameters() if "blocks" in name)
    norms = sum(p.numel() for name, p in network.named_parameters() if ".norm" in name)
    # The plain weights of what was packed are gone.
    assert kept <= norms


@needs_operators
@pytest.mark.parametrize("dtype", [torch.bfloat16])
def test_networks_for_the_processor_come_packed(
    package: ModelDefinition, dtype: torch.dtype
) -> None:
    with SafetensorsFile(package.weights) as file:
        assert packed_layers(weights.load_network(file, package.network, dtype=dtype)) > 0


@needs_operators
def test_single_precision_is_packed_unless_it_is_to_be_exact(package: ModelDefinition) -> None:
    pixels = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with SafetensorsFile(package.weights) as file:
        exact = weights.load_network(file, package.network)
        fast = weights.load_network(file, package.network, exact=False)
    assert packed_layers(exact) == 0 < packed_layers(fast)
    with torch.no_grad():
        embeddings = exact.embed_text(tokens())
        one, other = exact(pixels, embeddings), fast(pixels, fast.embed_text(tokens()))
    assert (one - other).abs().max() <= 1e-4
    assert not torch.equal(one, other)


@needs_operators
@pytest.mark.parametrize("refined", [False, True])
@pytest.mark.parametrize("grid", [(1, 1), (3, 5)])
def test_head_as_matrix_products(refined: bool, grid: tuple[int, int]) -> None:
    head: torch.nn.Module = torch.nn.ConvTranspose2d(6, 1, 8, stride=8)
    if refined:
        head = torch.nn.Sequential(
            torch.nn.Conv2d(6, 6, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.ConvTranspose2d(6, 3, 4, stride=4),
            torch.nn.ReLU(),
            torch.nn.ConvTranspose2d(3, 1, 2, stride=2),
        )
    x = torch.randn(2, 6, *grid, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected, found = head(x), PackedHead(head)(x)
    assert found.shape == expected.shape == (2, 1, 8 * grid[0], 8 * grid[1])
    assert (found - expected).abs().max() < 1e-6


def test_bfloat16_attention_can_be_trained() -> None:
    generator = torch.Generator().manual_seed(0)
    shape = (2, 3, 7, 8)
    query, key, value = (
        torch.randn(shape, generator=generator).bfloat16().requires_grad_() for _ in range(3)
    )
    trained = attention(query, key, value, causal=False)
    trained.float().square().sum().backward()
    for given in (query, key, value):
        assert given.grad is not None and float(given.grad.abs().sum()) > 0
    with torch.no_grad():
        fast = attention(query.detach(), key.detach(), value.detach(), causal=False)
    assert (trained - fast).abs().max() < 0.02
