"""Weights from the authors' files: their decoder, put together with CLIP."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import CLIPConfig, CLIPModel

from builder.clipseg.preprocessing import IMAGENET_MEAN
from builder.clipseg.sources import open_source
from builder.errors import SourceError
from model_extension.clipseg.network.config import NetworkConfig
from tests.support import source_folders
from tests.support.source_folders import same, state
from tests.support.tiny_clipseg import reference, settings, spread

FROZEN = os.environ.get("DLPK_FROZEN_WEIGHTS")
AUTHORS = os.environ.get("DLPK_AUTHORS_DECODER")
pristine = source_folders.pristine
folder = source_folders.folder
stack = source_folders.stack


def authors_decoder(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The decoder of a state dict of transformers, named as in the authors' repository."""
    renamed: dict[str, torch.Tensor] = {"reduce.weight": torch.zeros(16, 48)}
    plain = {
        "mlp.fc1.": "linear1.",
        "mlp.fc2.": "linear2.",
        "layer_norm1.": "norm1.",
        "layer_norm2.": "norm2.",
        "transposed_convolution.": "trans_conv.",
        "decoder.layers.": "blocks.",
        "decoder.": "",
    }
    for name, tensor in tensors.items():
        if not name.startswith("decoder.") or ("_proj." in name and "out_proj" not in name):
            continue
        for new, old in plain.items():
            name = name.replace(new, old)
        renamed[name] = tensor
    for index in range(3):
        for kind in ("weight", "bias"):
            parts = [
                tensors[f"decoder.layers.{index}.self_attn.{part}_proj.{kind}"] for part in "qkv"
            ]
            renamed[f"blocks.{index}.self_attn.in_proj_{kind}"] = torch.cat(parts)
    return renamed


@pytest.mark.parametrize("refined", [True, False])
def test_authors_files(tmp_path: Path, stack: ExitStack, refined: bool) -> None:
    """What CLIPSeg and CLIP of transformers hold, taken apart and put together again."""
    config = settings(patch=16, refined=refined, extract=(3, 6, 9), layers=10)
    whole = reference(config)
    decoder = tmp_path / "rd16-uni.pth"
    torch.save(authors_decoder(dict(whole.state_dict())), decoder)
    clip = spread(
        CLIPModel(
            CLIPConfig(
                text_config=config["text_config"],
                vision_config=config["vision_config"],
                projection_dim=config["projection_dim"],
            )
        ),
        seed=5,
    )
    clip.load_state_dict(whole.clip.state_dict())
    clip.save_pretrained(tmp_path / "clip")
    weights = open_source(str(decoder), stack, clip=tmp_path / "clip")
    expected = {k: v for k, v in whole.state_dict().items() if k != "clip.logit_scale"}
    same(weights, expected)
    assert set(weights.tensors.keys()) == set(expected)
    assert weights.preprocessing.mean == IMAGENET_MEAN
    assert (weights.kind, weights.source) == ("authors", "rd16-uni.pth")
    assert set(weights.files) == {"rd16-uni.pth", "clip/config.json", "clip/model.safetensors"}
    read = NetworkConfig.from_dict(weights.config)
    assert read == NetworkConfig.from_dict(config)


@pytest.mark.skipif(not (FROZEN and AUTHORS), reason="DLPK_AUTHORS_DECODER is not set")
def test_authors_published_decoder(stack: ExitStack) -> None:
    assert FROZEN is not None and AUTHORS is not None
    weights = open_source(AUTHORS, stack, clip=FROZEN)
    frozen = load_file(Path(FROZEN) / "model.safetensors")
    same(weights, {k: v.float() for k, v in frozen.items() if "decoder" in k}, within=2e-3)
    for name, tensor in frozen.items():
        if name.startswith("decoder."):
            half = weights.tensors.tensor(name).astype(np.float16)
            np.testing.assert_array_equal(half, tensor.numpy())
    assert weights.config["use_complex_transposed_convolution"]


def test_authors_decoder_alone(tmp_path: Path, stack: ExitStack) -> None:
    path = tmp_path / "rd64.pth"
    torch.save({"film_mul.weight": torch.ones(2)}, path)
    with pytest.raises(SourceError, match="--clip FOLDER"):
        open_source(str(path), stack)
    with pytest.raises(SourceError, match=r"no such folder: .*nowhere"):
        open_source(str(path), stack, clip=tmp_path / "nowhere")


def test_file_that_is_no_decoder(folder: Path, stack: ExitStack, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is not a CLIPSeg decoder"):
        open_source(str(folder / "model.safetensors"), stack, clip=folder)
    with pytest.raises(SourceError, match=f"give {folder}"):
        open_source(str(folder / "model.safetensors"), stack)
    path = tmp_path / "deep.pth"
    decoder = authors_decoder(state(folder))
    torch.save({k: v for k, v in decoder.items() if not k.startswith("reduces.2")}, path)
    with pytest.raises(SourceError, match="decoder of 2 blocks"):
        open_source(str(path), stack, clip=folder)
