"""Which precision to compute in."""

from __future__ import annotations

import builtins
import io
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from model_extension import clipseg
from model_extension.clipseg.contract.arguments import parse_arguments
from model_extension.clipseg.inference.segmenter import Segmenter
from model_extension.clipseg.language.plan import Concept
from model_extension.clipseg.network import precision as module
from model_extension.clipseg.network.layers import MLP
from model_extension.clipseg.network.precision import (
    DTYPES,
    available_precisions,
    choose_precision,
    has_bfloat16_instructions,
)
from model_extension.common.errors import ArgumentError
from model_extension.common.tiles import Place
from tests.support import random_package
from tests.support.random_package import write_package
from tests.support.segmenting import concept_embeddings

CPU, CARD = torch.device("cpu"), torch.device("cuda", 0)


def machine(monkeypatch: pytest.MonkeyPatch, layers: bool = True, card: Any = True) -> None:
    """Pretend a torch with or without layers for bfloat16, and a graphics card."""
    monkeypatch.setattr(module, "_has_bfloat16_layers", lambda: layers)
    if card is None:  # torch before 1.10
        monkeypatch.delattr(torch.cuda, "is_bf16_supported", raising=False)
    else:
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: card, raising=False)


@pytest.mark.parametrize("card", [True, False, None])
def test_automatic_choice(monkeypatch: pytest.MonkeyPatch, card: Any) -> None:
    machine(monkeypatch, card=card)
    assert choose_precision("auto", CPU) is torch.float32
    assert choose_precision("auto", CARD) is torch.float16


def test_automatic_choice_is_the_fast_single_precision(tmp_path: Path) -> None:
    definition = write_package(tmp_path / "package")
    for name, exact in (("auto", False), ("fp32_fast", False), ("fp32", True)):
        arguments = parse_arguments({"text_prompt": "a", "precision": name}, definition)
        segmenter = clipseg.load_classifier(definition, arguments, -1, pytest.fail).segmenter
        assert (segmenter.dtype, segmenter.exact) == (torch.float32, exact)


def test_a_choice_of_the_users_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch)
    for name in ("fp32", "fp32_fast", "bf16"):
        assert choose_precision(name, CPU) is DTYPES[name]
    for name in DTYPES:
        assert choose_precision(name, CARD) is DTYPES[name]


@pytest.mark.parametrize(
    ("name", "device", "card", "words"),
    [
        ("fp16", CPU, True, "which this device cannot compute in; it can: fp32, fp32_fast, bf16"),
        ("bf16", CARD, False, "which this device cannot compute in; it can: fp32, fp32_fast, fp16"),
        ("bf16", CARD, None, "which this device cannot compute in; it can: fp32, fp32_fast, fp16"),
        ("half", CPU, True, "it must be one of auto, fp32, fp32_fast, bf16, fp16"),
        ("FP32", CPU, True, "it must be one of auto, fp32, fp32_fast, bf16, fp16"),
    ],
)
def test_wrong_choices(
    monkeypatch: pytest.MonkeyPatch, name: str, device: torch.device, card: Any, words: str
) -> None:
    machine(monkeypatch, card=card)
    with pytest.raises(ArgumentError, match=f"precision is '{name}'.*{words}"):
        choose_precision(name, device)


def test_the_argument_is_read_in_any_case(tmp_path: Path) -> None:
    definition = write_package(tmp_path / "package")
    assert (
        parse_arguments({"text_prompt": "a", "precision": " FP32"}, definition).precision == "fp32"
    )
    with pytest.raises(ArgumentError, match="precision is 'float'; it must be one of auto, fp32"):
        parse_arguments({"text_prompt": "a", "precision": "float"}, definition)


# --- what the machine can do -------------------------------------------------------------------


def cpuinfo(monkeypatch: pytest.MonkeyPatch, text: str | None) -> None:
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        if hasattr(torch, "cpu"):
            monkeypatch.delattr(torch.cpu, name, raising=False)
    real = builtins.open

    def fake(path: Any, *arguments: Any, **options: Any) -> Any:
        if path != "/proc/cpuinfo":
            return real(path, *arguments, **options)
        if text is None:
            raise FileNotFoundError(path)
        return io.StringIO(text)

    monkeypatch.setattr(builtins, "open", fake)


@pytest.mark.parametrize(
    ("text", "fast"),
    [
        (None, False),  # Windows with a torch that does not say
        ("", False),
        ("processor\t: 0\nflags\t\t: fpu avx512f avx512_bf16 amx_tile\n", True),
        ("flags\t\t: fpu amx_bf16\n", True),
        ("flags\t\t: fpu avx2 avx512_vnni\n", False),
        ("Features\t: fp asimd bf16\n", True),
        ("Features\t: fp asimd\nmodel name\t: bf16\n", False),
        ("bugs\t\t: avx512_bf16\n", False),
    ],
)
def test_what_the_processor_says(
    monkeypatch: pytest.MonkeyPatch, text: str | None, fast: bool
) -> None:
    cpuinfo(monkeypatch, text)
    assert has_bfloat16_instructions() is fast


@pytest.mark.skipif(not hasattr(torch, "cpu"), reason="torch before 2.0")
@pytest.mark.parametrize("name", ["_is_amx_tile_supported", "_is_avx512_bf16_supported"])
def test_what_torch_says(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    cpuinfo(monkeypatch, None)
    monkeypatch.setattr(torch.cpu, name, lambda: True, raising=False)
    assert has_bfloat16_instructions()
    monkeypatch.setattr(torch.cpu, name, lambda: False, raising=False)
    assert not has_bfloat16_instructions()


@pytest.mark.parametrize(
    "layer", ["layer_norm", "gelu", "relu", "silu", "conv2d", "conv_transpose2d"]
)
def test_layers_that_torch_lacks(monkeypatch: pytest.MonkeyPatch, layer: str) -> None:
    def lacking(*arguments: Any, **options: Any) -> None:
        raise RuntimeError("\"Kernel\" not implemented for 'BFloat16'")

    monkeypatch.setattr(F, layer, lacking)
    assert available_precisions(CPU) == ["fp32", "fp32_fast"]


# --- what is chosen runs -----------------------------------------------------------------------


@pytest.mark.parametrize("name", available_precisions(CPU))
@pytest.mark.parametrize("refined", [False, True])
def test_every_precision_runs(tmp_path: Path, name: str, refined: bool) -> None:
    import numpy as np

    network = {"use_complex_transposed_convolution": refined}
    if refined:
        vision = {**random_package.NETWORK["vision_config"], "patch_size": 16}
        network["vision_config"] = vision
    definition = write_package(tmp_path / "package", network=network)
    arguments = parse_arguments(
        {"text_prompt": "a, b", "precision": name, "presence_threshold": "0.1"}, definition
    )
    function = clipseg.load_classifier(definition, arguments, -1, pytest.fail)
    assert function.segmenter.dtype is DTYPES[name]
    pixels = np.random.default_rng(0).integers(0, 256, (3, 48, 48), np.uint8)
    plain = Segmenter(definition, CPU)
    plain.look_for(arguments.plan.concepts)
    function.segmenter.look_for(arguments.plan.concepts)
    options = {"padding": 0, "tile_size": 32, "overlap": 16, "batch_size": 4}
    valid = np.ones((48, 48), bool)
    found = function.segmenter.probabilities(pixels, valid, Place(0, 0, *valid.shape), **options)
    expected = plain.probabilities(pixels, valid, Place(0, 0, *valid.shape), **options)
    assert found.dtype == torch.float32  # what is blended and compared is not rounded
    assert (found - expected).abs().max() < (1e-5 if name.startswith("fp32") else 0.08)


@pytest.mark.parametrize("name", available_precisions(CPU))
def test_quick_gelu_is_folded_in_half_precisions_only(tmp_path: Path, name: str) -> None:
    definition = write_package(tmp_path / "package")
    segmenter = Segmenter(definition, CPU, DTYPES[name], exact=name == "fp32")
    kinds = {
        module.activation
        for module in segmenter.network.vision.modules()
        if isinstance(module, MLP)
    }
    # "none" where the activation is part of a packed product.
    assert kinds <= ({"quick_gelu"} if name == "fp32" else {"silu", "none"})


def test_folding_changes_nothing_but_rounding() -> None:
    for activation in ("quick_gelu", "gelu", "relu"):
        layer = MLP(8, 16, activation).double()
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for value in layer.parameters():
                value.copy_(torch.randn(value.shape, generator=generator, dtype=torch.float64))
            x = torch.randn(5, 8, generator=generator, dtype=torch.float64)
            before = layer(x)
            factors = layer.fold()
            assert len(factors) == (3 if activation == "quick_gelu" else 0)
            for value in layer.parameters():
                value.mul_(factors.get(value.data_ptr(), 1.0))
            assert (layer(x) - before).abs().max() < 1e-12
        assert layer.activation == {"quick_gelu": "silu"}.get(activation, activation)


def test_embeddings_are_in_the_networks_precision(tmp_path: Path) -> None:
    definition = write_package(tmp_path / "package", frozen=True)
    for name in available_precisions(CPU):
        segmenter = Segmenter(definition, CPU, DTYPES[name], exact=name == "fp32")
        assert concept_embeddings(segmenter.embedder, [Concept(("roof",))]).dtype is DTYPES[name]
