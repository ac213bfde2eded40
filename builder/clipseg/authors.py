"""The authors' files (timojl/clipseg): tensors under the names they have in transformers."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import SourceError
from .tensors import LazyTensors, Tensors

# The authors' names on the left, those of transformers on the right.
_DECODER_NAMES = (
    (r"blocks\.(\d+)\.self_attn\.out_proj\.", r"decoder.layers.\1.self_attn.out_proj."),
    (r"blocks\.(\d+)\.linear([12])\.", r"decoder.layers.\1.mlp.fc\2."),
    (r"blocks\.(\d+)\.norm([12])\.", r"decoder.layers.\1.layer_norm\2."),
    (r"(film_mul|film_add|reduces\.\d+)\.", r"decoder.\1."),
    (r"trans_conv\.", r"decoder.transposed_convolution."),
)
_CLIP_PARTS = ("vision_model.", "text_model.", "visual_projection.", "text_projection.")


def rename_decoder(tensors: Tensors, path: Path) -> LazyTensors:
    """Give the authors' decoder the names it has in transformers.

    Parameters
    ----------
    tensors : Tensors
        As published by the authors: decoder only.
    path : Path
        For the message.

    Raises
    ------
    SourceError
        It is not such a decoder.
    """
    names, parts = {}, LazyTensors()
    for old in tensors.keys():
        fused = re.fullmatch(r"blocks\.(\d+)\.self_attn\.in_proj_(weight|bias)", old)
        if fused:
            height, *rest = tensors.shape(old)
            for index, part in enumerate(("q_proj", "k_proj", "v_proj")):
                new = f"decoder.layers.{fused[1]}.self_attn.{part}.{fused[2]}"
                parts[new] = (height // 3, *rest), partial(_third, tensors, old, index)
            continue
        for pattern, replacement in _DECODER_NAMES:
            new, count = re.subn("^" + pattern, replacement, old)
            if count:
                names[new] = old
                break
        # `reduce.*` is there, but no code of the authors uses it.
    if "decoder.film_mul.weight" not in names or "decoder.reduces.0.weight" not in names:
        raise SourceError(
            f"{path} is not a CLIPSeg decoder as its authors publish it (rd64-uni-refined.pth and "
            "the like): it has no film_mul and reduces"
        )
    return LazyTensors(LazyTensors.of(tensors, names) | parts)


def _third(tensors: Tensors, name: str, index: int) -> np.ndarray:
    """Queries, keys or values, which the authors' files hold one above the other."""
    return np.split(tensors.tensor(name), 3)[index]


def decoder_config(decoder: Tensors, path: Path) -> dict[str, Any]:
    """Sizes that the authors' files do not write down, read off the tensors.

    Parameters
    ----------
    decoder : Tensors
        From `rename_decoder`.
    path : Path
        For the message.

    Returns
    -------
    dict
        Keys of a Hugging Face ``CLIPSegConfig``.

    Raises
    ------
    SourceError
        It has another depth than the published decoders, or lacks a tensor.
    """
    names = set(decoder.keys())
    depth = sum(re.fullmatch(r"decoder\.reduces\.\d+\.weight", name) is not None for name in names)
    if depth != 3:
        raise SourceError(f"{path} has a decoder of {depth} blocks; those published have 3")
    if "decoder.layers.0.mlp.fc1.weight" not in names:
        raise SourceError(f"{path} is an incomplete decoder: it has no blocks.0.linear1.weight")
    return {
        "reduce_dim": decoder.shape("decoder.film_mul.weight")[0],
        "decoder_intermediate_size": decoder.shape("decoder.layers.0.mlp.fc1.weight")[0],
        "decoder_num_attention_heads": 4,
        "extract_layers": [3, 6, 9],
        "conditional_layer": 0,
        "use_complex_transposed_convolution": "decoder.transposed_convolution.0.weight" in names,
    }


def rename_clip(tensors: Tensors, folder: Path) -> LazyTensors:
    """Bring a CLIP model's tensors under the names they have inside CLIPSeg.

    Parameters
    ----------
    tensors : Tensors
        Of a CLIP model (``vision_model…``) or of a whole CLIPSeg (``clip.vision_model…``).
    folder : Path
        For the message.

    Raises
    ------
    SourceError
        It is no CLIP model.
    """
    names = {}
    for old in tensors.keys():
        plain = old[len("clip.") :] if old.startswith("clip.") else old
        if plain.startswith(_CLIP_PARTS):
            names["clip." + plain] = old
    if "clip.vision_model.embeddings.patch_embedding.weight" not in names:
        raise SourceError(f"{folder} holds no CLIP model in the hub's layout")
    return LazyTensors.of(tensors, names)
