"""Tensors of a weights file onto the network's parameters.

The file keeps the names of a Hugging Face ``CLIPSegForImageSegmentation`` state dict, so that it
can be compared, loaded and fine-tuned elsewhere. `clipseg.network.tensors` lists the same names.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ...common.errors import WeightsError
from .config import NetworkConfig
from .layers import MLP, Attention
from .network import CLIPSeg
from .packing import pack
from .tensors import check_tensors


class TensorFile(Protocol):
    """What the loader needs of a weights file: `common.safetensors.SafetensorsFile` has it."""

    def keys(self) -> Any:
        """Names of the tensors."""

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor."""

    def tensor(self, name: str) -> np.ndarray:
        """The tensor itself."""


def slots(network: CLIPSeg) -> dict[str, Tensor]:
    """Pair every tensor name of the file with the memory it fills.

    Parameters
    ----------
    network : CLIPSeg

    Returns
    -------
    dict
        Tensor name to the parameter, or the part of one, that it fills; together they cover
        every parameter of the network once.
    """
    vision, decoder = network.vision, network.decoder
    root = "clip.vision_model."
    named: dict[str, Tensor] = {
        root + "embeddings.class_embedding": vision.class_token.data,
        root + "embeddings.patch_embedding.weight": vision.patches.weight.data,
        root + "embeddings.position_embedding.weight": vision.positions.data,
        "clip.visual_projection.weight": vision.projection.weight.data,
    }
    named.update(_plain(root + "pre_layrnorm", vision.norm_in))  # the typo is the format's
    named.update(_plain(root + "post_layernorm", vision.norm_out))
    for index, block in enumerate(vision.blocks):
        named.update(_block(f"{root}encoder.layers.{index}", block))
    if network.text is not None:
        text, root = network.text, "clip.text_model."
        named[root + "embeddings.token_embedding.weight"] = text.vocabulary.weight.data
        named[root + "embeddings.position_embedding.weight"] = text.positions.data
        named["clip.text_projection.weight"] = text.projection.weight.data
        named.update(_plain(root + "final_layer_norm", text.norm_out))
        for index, block in enumerate(text.blocks):
            named.update(_block(f"{root}encoder.layers.{index}", block))
    named.update(_plain("decoder.film_mul", decoder.film_mul))
    named.update(_plain("decoder.film_add", decoder.film_add))
    for index, reduce in enumerate(decoder.reduces):
        named.update(_plain(f"decoder.reduces.{index}", reduce))
    for index, block in enumerate(decoder.blocks):
        named.update(_block(f"decoder.layers.{index}", block))
    head = "decoder.transposed_convolution"
    if isinstance(decoder.head, nn.Sequential):
        for index in (0, 2, 4):
            named.update(_plain(f"{head}.{index}", decoder.head[index]))
    else:
        named.update(_plain(head, decoder.head))
    return named


def _plain(prefix: str, module: Any) -> Iterator[tuple[str, Tensor]]:
    yield f"{prefix}.weight", module.weight.data
    yield f"{prefix}.bias", module.bias.data


def _block(prefix: str, block: Any) -> Iterator[tuple[str, Tensor]]:
    yield from _plain(f"{prefix}.layer_norm1", block.norm1)
    yield from _plain(f"{prefix}.layer_norm2", block.norm2)
    attention: Attention = block.attention
    width = attention.out.out_features
    for index, part in enumerate(("q_proj", "k_proj", "v_proj")):
        rows = slice(index * width, (index + 1) * width)
        yield f"{prefix}.self_attn.{part}.weight", attention.qkv.weight.data[rows]
        yield f"{prefix}.self_attn.{part}.bias", attention.qkv.bias.data[rows]
    yield from _plain(f"{prefix}.self_attn.out_proj", attention.out)
    yield from _plain(f"{prefix}.mlp.fc1", block.mlp.up)
    yield from _plain(f"{prefix}.mlp.fc2", block.mlp.down)


def load_network(
    file: TensorFile,
    config: NetworkConfig,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    exact: bool = True,
    where: str = "weights",
) -> CLIPSeg:
    """Build the network and fill it from a file.

    Parameters
    ----------
    file : TensorFile
        An open `common.safetensors.SafetensorsFile`.
    config : NetworkConfig
        Sizes.
    device, dtype
        Where and in which precision the network computes.
    exact : bool
        In single precision, keep to the reference's order of operations, which gives its results to
        the last bit. Without it, the processor multiplies up to twice as fast, and results differ
        by single precision's rounding. Lower precisions are never exact.
    where : str
        The file's name, for messages.

    Returns
    -------
    CLIPSeg
        In evaluation mode, without gradients.

    Raises
    ------
    WeightsError
        A tensor is missing, of another shape or does not hold floating point numbers.
    """
    check_tensors(config, {name: file.shape(name) for name in file.keys()}, where)
    before = torch.get_default_dtype()
    # In the precision wanted from the start: half of the memory, and one pass over it less.
    torch.set_default_dtype(dtype)
    try:
        network = CLIPSeg(config)
    finally:
        torch.set_default_dtype(before)
    if dtype == torch.bfloat16:
        network.vision.keep_pixels_exact()
    factors: dict[int, float] = {}
    if not exact or dtype in (torch.float16, torch.bfloat16):
        for module in network.modules():
            if isinstance(module, MLP):
                factors.update(module.fold())
    with warnings.catch_warnings(), torch.no_grad():
        # The views are read-only, which torch warns of; they are only ever read.
        warnings.filterwarnings("ignore", message=".*not writ", category=UserWarning)
        for name, target in slots(network).items():
            array = file.tensor(name)
            if array.dtype.kind != "f":
                raise WeightsError(
                    f"{where}: tensor {name!r} holds {array.dtype} values, weights are floating "
                    "point numbers: export the weights again"
                )
            values = torch.from_numpy(array)
            if target.data_ptr() in factors:
                values = values.float() * factors[target.data_ptr()]
            target.copy_(values)
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    network = network.to(device=device).eval()
    if torch.device(device).type != "cpu" or (exact and dtype != torch.bfloat16):
        return network
    return pack(network)
