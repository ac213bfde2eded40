"""CLIPSeg networks of transformers with random weights, and packages made of them."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from safetensors.torch import save_file
from transformers import CLIPSegConfig, CLIPSegForImageSegmentation

from model_extension.clipseg.files.tokenizer import BEGIN, END, _byte_symbols

SYMBOLS = _byte_symbols()
# No merges: every byte of a prompt is a token of its own, and the end token is the highest id.
VOCABULARY = {
    token: index
    for index, token in enumerate([*SYMBOLS, *(symbol + "</w>" for symbol in SYMBOLS), BEGIN, END])
}


class StateDict:
    """The tensors of a model in memory, as the loader reads them from a file."""

    def __init__(self, tensors: dict[str, torch.Tensor]) -> None:
        self.tensors = tensors

    def keys(self) -> list[str]:
        return list(self.tensors)

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.tensors[name].shape)

    def tensor(self, name: str) -> np.ndarray:
        return self.tensors[name].detach().numpy()


def settings(
    *,
    patch: int = 8,
    image: int = 32,
    refined: bool = False,
    conditional: int = 0,
    activation: str = "quick_gelu",
    reduce: int = 16,
    extract: tuple[int, ...] = (0, 1, 3),
    end_token: int = VOCABULARY[END],
    layers: int = 5,
) -> dict[str, Any]:
    """Keys of a ``config.json``."""
    common = {"hidden_act": activation, "layer_norm_eps": 1e-5}
    return {
        "text_config": {
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "vocab_size": len(VOCABULARY),
            "max_position_embeddings": 77,
            "bos_token_id": VOCABULARY[BEGIN],
            "eos_token_id": end_token,
            "pad_token_id": VOCABULARY[END],
            **common,
        },
        "vision_config": {
            "hidden_size": 48,
            "intermediate_size": 96,
            "num_hidden_layers": layers,
            "num_attention_heads": 3,
            "image_size": image,
            "patch_size": patch,
            **common,
        },
        "projection_dim": 24,
        "reduce_dim": reduce,
        "extract_layers": list(extract),
        "conditional_layer": conditional,
        "decoder_num_attention_heads": 4,
        "decoder_intermediate_size": 40,
        "use_complex_transposed_convolution": refined,
    }


@st.composite
def networks(draw: Any) -> dict[str, Any]:
    """Settings of all kinds of networks."""
    refined = draw(st.booleans())
    # At other patch sizes the refined head's mask has another size than the image.
    patch = 16 if refined else draw(st.sampled_from([4, 8, 16, 32]))
    extract = draw(st.sampled_from([(0, 1, 3), (1, 2, 3), (0, 2), (3,), (0, 1, 2, 3)]))
    return settings(
        patch=patch,
        image=patch * draw(st.integers(1, 5)),
        refined=refined,
        conditional=draw(st.integers(0, min(2, len(extract) - 1))),
        activation=draw(st.sampled_from(["quick_gelu", "gelu"])),
        reduce=draw(st.sampled_from([16, 64])),
        extract=extract,
        end_token=draw(st.sampled_from([VOCABULARY["<|endoftext|>"], 2])),
    )


def emd(own: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A model definition, with some of its keys changed; `own` are those of "CLIPSeg"."""
    network = settings()
    return {
        "ModelFile": "model.safetensors",
        "ImageHeight": 64,
        "ImageWidth": 64,
        "ExtractBands": [0, 1, 2],
        "DataRange": [0, 255],
        "SupportsVariableTileSize": True,
        "Padding": 16,
        "Threshold": 0.3,
        "CLIPSeg": {
            "Format": 1,
            "Network": network,
            "Mean": [0.485, 0.456, 0.406],
            "Std": [0.229, 0.224, 0.225],
            "Prompt": "",
            "Vocabulary": "text",
            **(own or {}),
        },
        **changes,
    }


def reference(settings: dict[str, Any], seed: int = 0) -> CLIPSegForImageSegmentation:
    """The model of transformers with realistic random weights."""
    return spread(CLIPSegForImageSegmentation(CLIPSegConfig(**settings)), seed)


def difference(one: torch.Tensor, other: torch.Tensor) -> float:
    """Largest absolute difference of two tensors of the same shape."""
    assert one.shape == other.shape
    return float((one - other).abs().max())


def spread(model: torch.nn.Module, seed: int = 0) -> Any:
    """Fill a model with random weights that keep the size of what flows through.

    What transformers fills a new model with gives logits in the thousands, of which float32 does
    not resolve 1e-4. Trained weights give logits of about 1 to 20, and so do these. They are not
    much larger either: attention then turns every rounding into a coin toss, and transformers
    differs from itself by more than 1e-4 when the same image comes in a batch of another size.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in model.named_parameters():
            noise = torch.empty_like(value).normal_(generator=generator)
            if "norm" in name or "layrnorm" in name:
                value.copy_(noise.mul_(0.1).add_(1.0 if name.endswith("weight") else 0.0))
            elif "embedding" in name:
                value.copy_(noise.mul_(0.3))
            elif value.dim() < 2:
                value.copy_(noise.mul_(0.1))
            else:
                # A transposed convolution has its inputs in the first dimension.
                head = "transposed_convolution" in name
                transposed = head and not name.endswith(".0.weight")
                inputs = value.shape[0] if transposed else math.prod(value.shape[1:])
                value.copy_(noise.mul_((2.0 if head else 1.0) / math.sqrt(inputs)))
    return model.eval().requires_grad_(False)


def token_ids(*prompts: str, length: int | None = None) -> torch.Tensor:
    """Tokens of prompts of plain ASCII without spaces, padded with the end token."""
    rows = [
        [*map(VOCABULARY.__getitem__, prompt[:-1]), VOCABULARY[prompt[-1] + "</w>"]]
        for prompt in prompts
    ]
    longest = length or max(map(len, rows)) + 2
    end = VOCABULARY[END]
    return torch.tensor(
        [[VOCABULARY[BEGIN], *row, *[end] * (longest - 1 - len(row))] for row in rows]
    )


def write_folder(folder: Path, settings: dict[str, Any], *, image: int = 64, seed: int = 0) -> Path:
    """Write a folder in the hub's layout; `image` is what the preprocessor resizes to."""
    folder.mkdir(parents=True)
    model = reference(settings, seed)
    save_file(
        {k: v.contiguous() for k, v in model.state_dict().items()}, folder / "model.safetensors"
    )
    (folder / "config.json").write_text(json.dumps({"model_type": "clipseg", **settings}))
    preprocessing = {
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
        "size": {"height": image, "width": image},
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessing))
    (folder / "vocab.json").write_text(json.dumps(VOCABULARY))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return folder


def write_package(target: Path, weights: Path, name: str = "Tiny", **options: Any) -> Path:
    """Build a package, unpack it into a new folder and give the path of its EMD."""
    from builder import build

    file = target.parent / f"{target.name}.dlpk"
    build(file, weights=str(weights), name=name, precision="fp32", **options)
    with zipfile.ZipFile(file) as archive:
        archive.extractall(target)
    file.unlink()
    return target / f"{name}.emd"


def load_function(emd: Path, stem: str = "CLIPSegClassifier") -> ModuleType:
    """Import the raster function of an unpacked package as a top-level module, as ArcGIS does."""
    spec = importlib.util.spec_from_file_location(stem, emd.parent / f"{stem}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[stem] = module
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[stem]
    return module
