"""Options, targets and weights of which no package can be made, and what is said of them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file as load_numpy
from safetensors.torch import save_file

from builder import BuildError, build
from tests.support import built_packages
from tests.support.built_packages import read_emd

pristine = built_packages.pristine
folder = built_packages.folder
out = built_packages.out


# Options that cannot be


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"precision": "int8"}, "precision is 'int8'; it must be one of fp16, fp32"),
        ({"threshold": 1.5}, "threshold is 1.5"),
        ({"threshold": float("nan")}, "threshold is nan"),
        ({"threshold": "0.3"}, "threshold is '0.3'"),
        ({"freeze_prompts": "a", "prompt_embeddings": "b", "names": "c"}, "not both"),
        ({"prompt_embeddings": "b"}, "go together"),
        ({"names": "c"}, "go together"),
        ({"embeddings_tensor": "c"}, "of no use without"),
        ({"prompt": ",,"}, "empty"),
        ({"prompt": "x" * 10_000}, "10,000 characters"),
        ({"prompt": ", ".join(map(str, range(300)))}, "300 prompts"),
        ({"freeze_prompts": ""}, "empty"),
    ],
)
def test_options(pristine: Path, out: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(BuildError, match=words):
        build(out, weights=str(pristine), **options)
    assert os.listdir(out.parent) == []


def test_targets(pristine: Path, out: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder.dlpk"
    folder.mkdir()
    for target, words in (
        (out.with_suffix(".zip"), "does not end in .dlpk"),
        (out.with_suffix(""), "does not end in .dlpk"),
        (folder, "is a folder; name an ordinary file"),
        (tmp_path / "nowhere" / "x.dlpk", "does not exist: make it first"),
    ):
        with pytest.raises(BuildError, match=words.replace(".", r"\.")):
            build(target, weights=str(pristine))
    assert list(folder.iterdir()) == []


# Weights that cannot be


def change(folder: Path, work: Callable[[dict[str, np.ndarray]], None]) -> None:
    tensors = {k: np.array(v) for k, v in load_numpy(folder / "model.safetensors").items()}
    work(tensors)
    save_file(
        {k: torch.from_numpy(v).contiguous() for k, v in tensors.items()},
        folder / "model.safetensors",
    )


PROJECTION = "clip.visual_projection.weight"


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_broken_values(folder: Path, out: Path, value: float, precision: str) -> None:
    change(folder, lambda tensors: tensors[PROJECTION].__setitem__((1, 2), value))
    with pytest.raises(BuildError, match=f"{PROJECTION}' holds values that are not finite"):
        build(out, weights=str(folder), precision=precision)
    assert os.listdir(out.parent) == []


def test_missing_tensor(folder: Path, out: Path) -> None:
    change(folder, lambda tensors: tensors.pop(PROJECTION))
    with pytest.raises(BuildError, match=f"1 of .* tensors are missing, first '{PROJECTION}'"):
        build(out, weights=str(folder))
    assert os.listdir(out.parent) == []


def test_settings_of_another_network(folder: Path, out: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    for changes, words in (
        ({"extract_layers": [0, 1, 9]}, "extract_layers"),
        ({"reduce_dim": "x"}, r"config\.json: .*'x'"),
        ({"vision_config": {**config["vision_config"], "hidden_act": "relu"}}, "activation"),
    ):
        (folder / "config.json").write_text(json.dumps({**config, **changes}))
        with pytest.raises(BuildError, match=words):
            build(out, weights=str(folder))
    assert os.listdir(out.parent) == []


def test_image_size_that_does_not_fit_the_patches(folder: Path, out: Path) -> None:
    (folder / "preprocessor_config.json").write_text('{"size": 60}')
    with pytest.raises(BuildError, match="image size 60 must be a multiple of the patch size 8"):
        build(out, weights=str(folder))


def test_notes_of_the_source_are_passed_on(folder: Path, out: Path) -> None:
    (folder / "preprocessor_config.json").write_text(
        '{"size": 64, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}'
    )
    built = build(out, weights=str(folder))
    assert any("mistake of the hub's files" in note for note in built.notes)
    assert read_emd(out)["CLIPSeg"]["Mean"] == [0.485, 0.456, 0.406]


def test_unreadable_source_is_not_blamed_on_the_target(folder: Path, out: Path) -> None:
    (folder / "vocab.json").write_bytes(b"\xff\xfe")
    with pytest.raises(BuildError, match=r"vocab\.json is not UTF-8"):
        build(out, weights=str(folder))
