"""Unpacked packages with small networks of random weights.

They need neither transformers nor the builder, so that tests with them run on the oldest releases
that the packaged code supports.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from model_extension.clipseg.contract.definition import ModelDefinition, read_definition
from model_extension.clipseg.files.tokenizer import BEGIN, END, _byte_symbols
from model_extension.clipseg.network.config import NetworkConfig
from model_extension.clipseg.network.tensors import tensor_shapes
from model_extension.common.safetensors import SafetensorsFile

FROZEN_WEIGHTS = os.environ.get("DLPK_FROZEN_WEIGHTS", "")
SYMBOLS = _byte_symbols()
# No merges: every byte of a prompt is a token of its own, and the end token is the highest id.
VOCABULARY = {
    token: index
    for index, token in enumerate([*SYMBOLS, *(symbol + "</w>" for symbol in SYMBOLS), BEGIN, END])
}
TOWER = {"hidden_act": "quick_gelu", "num_attention_heads": 2, "layer_norm_eps": 1e-5}
NETWORK: dict[str, Any] = {
    "vision_config": {
        **TOWER,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 5,
        "image_size": 16,
        "patch_size": 8,
    },
    "text_config": {
        **TOWER,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "vocab_size": len(VOCABULARY),
        "max_position_embeddings": 77,
        "eos_token_id": VOCABULARY[END],
    },
    "projection_dim": 12,
    "reduce_dim": 8,
    "extract_layers": [0, 1, 3],
    "decoder_num_attention_heads": 2,
    "decoder_intermediate_size": 16,
}
NAMES = ("water", "trees", "roof", "solar panel")


def random_tensor(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Weights that keep the size of what flows through; the same for the same name."""
    generator = np.random.default_rng([seed, *name.encode()])
    noise = generator.standard_normal(shape).astype(np.float32)
    if "norm" in name or "layrnorm" in name:
        return noise * 0.1 + (1.0 if name.endswith("weight") else 0.0)
    if "embedding" in name:
        return noise * 0.3
    if len(shape) < 2:
        return noise * 0.1
    head = "transposed_convolution" in name
    return noise * ((3.0 if head else 1.0) / math.sqrt(math.prod(shape[1:])))


def write_tensors(path: Path, tensors: dict[str, np.ndarray]) -> None:
    header, data, offset = {}, b"", 0
    for name, values in tensors.items():
        raw = values.astype("<f4").tobytes()
        header[name] = {
            "dtype": "F32",
            "shape": list(values.shape),
            "data_offsets": [offset, offset + len(raw)],
        }
        offset += len(raw)
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def write_package(
    folder: Path,
    *,
    frozen: bool = False,
    seed: int = 0,
    network: dict[str, Any] | None = None,
    own: dict[str, Any] | None = None,
    **changes: Any,
) -> ModelDefinition:
    """Write a package and read its definition.

    Parameters
    ----------
    folder : Path
        Must not be there yet.
    frozen : bool
        True: with embeddings of `NAMES` instead of a text tower.
    seed : int
        Of the weights.
    network, own, changes
        Keys of the network's settings, of "CLIPSeg" and of the EMD that differ from the usual.
    """
    folder.mkdir(parents=True)
    settings = {**NETWORK, **(network or {})}
    mine: dict[str, Any] = {"Format": 1, "Network": settings, "Vocabulary": "text"}
    if frozen:
        del settings["text_config"]
        mine.update(Vocabulary="frozen", PromptNames=list(NAMES))
        shape = (len(NAMES), settings["projection_dim"])
        embeddings = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
        write_tensors(folder / "prompt_embeddings.safetensors", {"prompts": embeddings})
    else:
        (folder / "vocab.json").write_text(json.dumps(VOCABULARY))
        (folder / "merges.txt").write_text("#version: 0.2\n")
    shapes = tensor_shapes(NetworkConfig.from_dict(settings))
    write_tensors(
        folder / "model.safetensors",
        {name: random_tensor(name, shape, seed) for name, shape in shapes.items()},
    )
    emd = {
        "ModelFile": "model.safetensors",
        "ImageHeight": 32,
        "ImageWidth": 32,
        "ExtractBands": [0, 1, 2],
        "DataRange": [0, 255],
        "SupportsVariableTileSize": True,
        "Padding": 8,
        "Threshold": 0.3,
        "CLIPSeg": {**mine, **(own or {})},
        **changes,
    }
    path = folder / "Random.emd"
    path.write_text(json.dumps(emd))
    return read_definition(str(path), "")


def write_released(folder: Path) -> ModelDefinition:
    """Package the released weights with their frozen vocabulary, by links."""
    source = Path(FROZEN_WEIGHTS)
    folder.mkdir(parents=True)
    (folder / "model.safetensors").symlink_to(source / "model.safetensors")
    with SafetensorsFile(str(source / "prompt_embeddings.safetensors")) as file:
        known = np.array(file.tensor("coco_single"), np.float32)
    # They come scaled to length 1; CLIP's own have about ten times that.
    known *= 10.0 / np.linalg.norm(known, axis=1, keepdims=True)
    write_tensors(folder / "prompt_embeddings.safetensors", {"prompts": known})
    settings = json.loads((source / "config.json").read_text())
    del settings["text_config"]
    emd = {
        "ModelFile": "model.safetensors",
        "ImageHeight": 352,
        "ImageWidth": 352,
        "SupportsVariableTileSize": True,
        "Padding": 88,
        "Threshold": 0.3,
        "CLIPSeg": {
            "Format": 1,
            "Network": settings,
            "Vocabulary": "frozen",
            "PromptNames": json.loads((source / "text_names.json").read_text()),
        },
    }
    path = folder / "Released.emd"
    path.write_text(json.dumps(emd))
    return read_definition(str(path), "")
