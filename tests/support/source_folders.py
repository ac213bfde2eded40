"""Folders of small random weights in the hub's layout, to be changed and opened as sources."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from builder.clipseg.sources import Weights
from tests.support.tiny_clipseg import settings, write_folder


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("source") / "weights", settings(patch=16))


@pytest.fixture
def folder(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "weights"))


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def state(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def edit(path: Path, **changes: Any) -> None:
    """Change keys of a JSON file; None removes one."""
    content = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))


def same(weights: Weights, expected: dict[str, torch.Tensor], *, within: float = 0.0) -> None:
    assert set(weights.tensors.keys()) >= set(expected)
    for name, tensor in expected.items():
        assert weights.tensors.shape(name) == tuple(tensor.shape)
        np.testing.assert_allclose(
            weights.tensors.tensor(name), tensor.numpy(), rtol=0, atol=within
        )
