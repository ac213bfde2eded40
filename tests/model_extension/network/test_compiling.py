"""Compiling long runs: when, with what, and what happens where it cannot be done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from model_extension import clipseg
from model_extension.clipseg.contract.arguments import parse_arguments
from model_extension.clipseg.contract.definition import ModelDefinition
from model_extension.clipseg.inference.segmenter import Segmenter
from model_extension.clipseg.network import compiling
from model_extension.clipseg.network.compiling import Compiled, filled_up
from model_extension.common.tiles import Place
from tests.support.random_package import write_package


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> ModelDefinition:
    return write_package(tmp_path_factory.mktemp("compiling") / "package")


def compiler(calls: list[Any], fails: Exception | None = None) -> Callable[..., Any]:
    """Stands in for torch.compile, whose backends need a compiler or a graphics card."""

    def compile(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            calls.append(args[0].shape if isinstance(args[0], torch.Tensor) else None)
            if fails is not None:
                raise fails
            return function(*args)

        return run

    return compile


def test_only_after_many_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(torch, "compile", compiler(calls), raising=False)
    double = Compiled(lambda x: x * 2, pytest.fail, calls_before=3)
    for count in (0, 0, 0, 1, 2, 3):
        assert double(torch.ones(2)).tolist() == [2, 2]
        assert len(calls) == count


@pytest.mark.parametrize("error", [RuntimeError("no compiler found"), ValueError("")])
def test_goes_on_uncompiled(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    calls: list[Any] = []
    said: list[str] = []
    monkeypatch.setattr(torch, "compile", compiler(calls, error), raising=False)
    double = Compiled(lambda x: x * 2, said.append, calls_before=1)
    for _ in range(5):
        assert double(torch.ones(2)).tolist() == [2, 2]
    assert len(calls) == 1
    assert len(said) == 1 and "could not be compiled" in said[0]


def test_torch_without_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.delattr(torch, "compile", raising=False)
    double = Compiled(lambda x: x * 2, said.append, calls_before=0)
    assert double(torch.ones(1)).tolist() == [2]
    assert double(torch.ones(1)).tolist() == [2]
    assert len(said) == 1


def test_lack_of_memory_is_no_fault_of_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    error = RuntimeError("CUDA out of memory")
    monkeypatch.setattr(torch, "compile", compiler([], error), raising=False)
    double = Compiled(lambda x: x * 2, pytest.fail, calls_before=0)
    with pytest.raises(RuntimeError, match="out of memory"):
        double(torch.ones(1))


def test_errors_of_the_network_are_its_own() -> None:
    def fails(x: torch.Tensor) -> torch.Tensor:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        Compiled(fails, pytest.fail)(torch.ones(1))


@pytest.mark.parametrize("count", [1, 3, 4])
def test_filled_up(count: int) -> None:
    batch = torch.arange(count * 2.0).view(count, 2)
    full = filled_up(batch, 4)
    assert full.shape == (4, 2)
    assert torch.equal(full[:count], batch)
    assert (full[count:] == batch[-1]).all()
    assert filled_up(batch, 1) is batch


def test_the_result_is_the_same(package: ModelDefinition, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(torch, "compile", compiler(calls), raising=False)
    monkeypatch.setattr(compiling, "CALLS_BEFORE", 0)
    arguments = parse_arguments({"text_prompt": "water, trees", "batch_size": "4"}, package)
    size, padding = arguments.tile_size, arguments.padding
    side = 3 * (size - 2 * padding) + 2 * padding
    pixels = np.random.default_rng(0).integers(0, 255, (3, side, side), np.uint8)
    results = []
    for compiled in (False, True):
        segmenter = Segmenter(package, torch.device("cpu"), compiled=compiled)
        if compiled:
            for name in ("_compiled_encode", "_compiled_decode"):
                getattr(segmenter, name)._left = 0
        segmenter.look_for(arguments.plan.concepts)
        results.append(
            segmenter.probabilities(
                pixels,
                pixels[0] >= 0,
                Place(0, 0, *pixels.shape[1:]),
                padding=0,
                tile_size=size,
                overlap=2 * padding,
                batch_size=4,
            )
        )
    assert torch.allclose(*results, atol=1e-6)
    # Nine tiles in batches of four: the last batch is filled up.
    assert [shape[0] for shape in calls if shape is not None] == [4, 4, 4]


def test_no_effect_on_processors(package: ModelDefinition) -> None:
    arguments = parse_arguments({"text_prompt": "water", "compile_network": "true"}, package)
    said: list[str] = []
    classifier = clipseg.load_classifier(package, arguments, -1, said.append)
    assert not classifier.segmenter.compiled
    assert any("compile_network" in text for text in said)
