"""Folders that `save_pretrained` of segmentation_models_pytorch has written."""

from __future__ import annotations

from pathlib import Path

from ...errors import AuthoringError
from ..original import IMAGENET_MEAN, IMAGENET_STD, Original
from .transformers_folder import settings


def read(folder: Path) -> Original:
    """Load a network; a head for whole images is left out.

    Raises
    ------
    AuthoringError
        It cannot be loaded, or its weights are pickles.
    """
    import segmentation_models_pytorch as smp

    config = settings(folder)
    if not (folder / "model.safetensors").is_file():
        raise AuthoringError(
            f"{folder} has no model.safetensors: save the network with save_pretrained"
        )
    try:
        network = smp.from_pretrained(str(folder), local_files_only=True).eval()
    except Exception as error:  # whatever the library raises
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise AuthoringError(
            f"{folder} cannot be loaded by segmentation_models_pytorch: {reason}"
        ) from error
    activation = getattr(network.segmentation_head[-1], "activation", None)
    ends = {"Sigmoid": "sigmoid", "Softmax": "probabilities"}.get(type(activation).__name__)
    if ends == "sigmoid":  # the function applies it
        network.segmentation_head[-1] = network.segmentation_head[-1].__class__(None)
    name = config.get("_model_class") or type(network).__name__
    bands = int(config.get("in_channels") or 3)
    three = bands == 3 and config.get("encoder_weights") is not None
    return Original(
        f"{name} of segmentation_models_pytorch",
        network,
        module=network,
        bands=bands,
        mean=IMAGENET_MEAN if three else None,
        std=IMAGENET_STD if three else None,
        activation=ends,
    )
