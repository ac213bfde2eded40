"""Names and shapes of the tensors in a weights file, without loading torch.

`tensor_shapes` says which tensors a network needs: to the builder (what to copy), to validation
(what must be there) and to the loader (what to expect).
"""

from __future__ import annotations

from collections.abc import Mapping

from ...common.errors import WeightsError
from .config import NetworkConfig, TowerConfig


def tensor_shapes(config: NetworkConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors that a network of these sizes needs.

    Parameters
    ----------
    config : NetworkConfig

    Returns
    -------
    dict
        Tensor name to shape.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    vision, patch = config.vision, config.patch
    root = "clip.vision_model."
    positions = (config.image // patch) ** 2 + 1
    shapes[root + "embeddings.class_embedding"] = (vision.width,)
    shapes[root + "embeddings.patch_embedding.weight"] = (vision.width, 3, patch, patch)
    shapes[root + "embeddings.position_embedding.weight"] = (positions, vision.width)
    shapes.update(_pair(root + "pre_layrnorm", (vision.width,)))
    shapes.update(_tower_shapes(root, vision))
    shapes.update(_pair(root + "post_layernorm", (vision.width,)))
    shapes["clip.visual_projection.weight"] = (config.projection, vision.width)
    if config.text is not None:
        text, root = config.text, "clip.text_model."
        shapes[root + "embeddings.token_embedding.weight"] = (config.vocabulary, text.width)
        shapes[root + "embeddings.position_embedding.weight"] = (config.context, text.width)
        shapes.update(_tower_shapes(root, text))
        shapes.update(_pair(root + "final_layer_norm", (text.width,)))
        shapes["clip.text_projection.weight"] = (config.projection, text.width)
    width = config.reduce
    shapes.update(_pair("decoder.film_mul", (width, config.projection)))
    shapes.update(_pair("decoder.film_add", (width, config.projection)))
    for index in range(len(config.extract)):
        shapes.update(_pair(f"decoder.reduces.{index}", (width, vision.width)))
        shapes.update(_block_shapes(f"decoder.layers.{index}", width, config.decoder_mlp))
    head = "decoder.transposed_convolution"
    if config.refined:
        step = patch // 4
        shapes.update(_pair(f"{head}.0", (width, width, 3, 3)))
        shapes.update(_pair(f"{head}.2", (width, width // 2, step, step), width // 2))
        shapes.update(_pair(f"{head}.4", (width // 2, 1, step, step), 1))
    else:
        shapes.update(_pair(head, (width, 1, patch, patch), 1))
    return shapes


def _pair(
    prefix: str, weight: tuple[int, ...], bias: int | None = None
) -> dict[str, tuple[int, ...]]:
    return {f"{prefix}.weight": weight, f"{prefix}.bias": (bias or weight[0],)}


def _tower_shapes(root: str, tower: TowerConfig) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for index in range(tower.layers):
        shapes.update(_block_shapes(f"{root}encoder.layers.{index}", tower.width, tower.mlp))
    return shapes


def _block_shapes(prefix: str, width: int, mlp: int) -> dict[str, tuple[int, ...]]:
    shapes = _pair(f"{prefix}.layer_norm1", (width,))
    for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
        shapes.update(_pair(f"{prefix}.self_attn.{part}", (width, width)))
    shapes.update(_pair(f"{prefix}.layer_norm2", (width,)))
    shapes.update(_pair(f"{prefix}.mlp.fc1", (mlp, width)))
    shapes.update(_pair(f"{prefix}.mlp.fc2", (width, mlp)))
    return shapes


def check_tensors(config: NetworkConfig, found: Mapping[str, tuple[int, ...]], where: str) -> None:
    """Compare the tensors of a file with what the network needs.

    Parameters
    ----------
    config : NetworkConfig
    found : mapping
        Tensor name to shape. More tensors than needed are no fault.
    where : str
        The file, for the message.

    Raises
    ------
    WeightsError
        Names missing tensors and those of another shape.
    """
    wanted = tensor_shapes(config)
    missing = [name for name in wanted if name not in found]
    if missing:
        raise WeightsError(
            f"{where}: {len(missing)} of {len(wanted)} tensors are missing, first {missing[0]!r}: "
            "these are not the weights that this network's settings describe"
        )
    for name, shape in wanted.items():
        if tuple(found[name]) != shape:
            raise WeightsError(
                f"{where}: tensor {name!r} has shape {list(found[name])}, the network's settings "
                f"ask for {list(shape)}"
            )
