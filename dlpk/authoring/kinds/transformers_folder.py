"""Folders that `save_pretrained` of transformers has written, for semantic segmentation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...errors import AuthoringError
from ..original import IMAGENET_MEAN, IMAGENET_STD, Original

# Architectures that were tried, by ``model_type``; others may work, too.
KNOWN = ("segformer", "upernet", "dpt", "mask2former")
LEAST = 1e-6


def settings(folder: Path, name: str = "config.json") -> dict[str, Any]:
    """What a JSON file of the folder holds; nothing if it is missing.

    Raises
    ------
    AuthoringError
        It cannot be read.
    """
    path = folder / name
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise AuthoringError(f"{path} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise AuthoringError(f"{path} must hold a JSON object")
    return found


def read(folder: Path) -> Original:
    """Load a network with its words and its normalisation; no code out of the folder is run.

    Raises
    ------
    AuthoringError
        It is for another task, its weights are missing or are pickles.
    """
    import transformers

    config = settings(folder)
    kind = str(config["model_type"])
    queries = kind in ("mask2former", "maskformer", "oneformer")
    loader = (
        transformers.AutoModelForUniversalSegmentation
        if queries
        else transformers.AutoModelForSemanticSegmentation
    )
    try:
        network = loader.from_pretrained(
            str(folder),
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            # What is quicker is an operator that torch before 2.0 has not (ArcGIS Pro to 3.2).
            attn_implementation="eager",
        )
    except Exception as error:  # transformers has no common base of its errors
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise AuthoringError(
            f"{folder} cannot be loaded as a network for semantic segmentation: {reason} "
            f"(tried are {', '.join(KNOWN)}, with weights in safetensors)"
        ) from error
    module = _module(network.eval(), queries)
    seen = settings(folder, "preprocessor_config.json")
    normal = seen.get("do_normalize", True)
    names = config.get("id2label") or {}
    given = sorted((int(index), str(name)) for index, name in names.items())
    default = [(index, f"LABEL_{index}") for index in range(len(given))]
    return Original(
        f"transformers' {kind}",
        module,
        module=module,
        bands=int(config.get("num_channels") or 3),
        tile_size=_side(seen.get("size")),
        mean=tuple(seen.get("image_mean") or IMAGENET_MEAN) if normal else (0.0,),
        std=tuple(seen.get("image_std") or IMAGENET_STD) if normal else (1.0,),
        names=tuple(name for _, name in given) if given and given != default else None,
        activation="softmax",
    )


def _side(size: Any) -> int | None:
    """Side of the tiles that a preprocessor makes."""
    if isinstance(size, dict):
        size = size.get("height") or size.get("shortest_edge")
    return size if type(size) is int and size > 0 else None


def _module(network: Any, queries: bool) -> Any:
    """The network with nothing but tiles in and scores of the classes out."""
    import torch

    class Scores(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            answer = self.network(pixel_values=images)
            if not queries:
                return answer.logits  # type: ignore[no-any-return]
            # As transformers puts queries together; the logarithm, since a softmax follows.
            classes = answer.class_queries_logits.softmax(dim=-1)[..., :-1]
            masks = answer.masks_queries_logits.sigmoid()
            return torch.einsum("bqc,bqhw->bchw", classes, masks).clamp_min(LEAST).log()

    return Scores().eval()
