"""Checkpoints of torchgeo's SemanticSegmentationTask: hyperparameters and weights in one file.

torchgeo itself is not needed: its networks are those of segmentation_models_pytorch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...errors import AuthoringError
from ..original import Original
from .archives import holds

ARCHITECTURES = {"unet": "unet", "deeplabv3+": "deeplabv3plus", "segformer": "segformer"}


def is_checkpoint(path: Path) -> bool:
    """Tell whether `torch.save` wrote a file."""
    return holds(path, "/data.pkl")


def read(path: Path) -> Original:
    """Load a checkpoint, tensors and plain values only.

    Raises
    ------
    AuthoringError
        It is no such checkpoint, or holds more than tensors and plain values.
    """
    import torch

    try:
        saved: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and pickle raise many kinds
        raise AuthoringError(
            f"{path} holds more than tensors and plain values, or is damaged, and is not opened: "
            "export the network as TorchScript"
        ) from error
    made = saved.get("hyper_parameters") if isinstance(saved, dict) else None
    weights = saved.get("state_dict") if isinstance(saved, dict) else None
    name = str(made.get("model", "")).lower() if isinstance(made, dict) else ""
    if not isinstance(made, dict) or not isinstance(weights, dict) or name not in ARCHITECTURES:
        raise AuthoringError(
            f"{path} holds weights and not the network that they belong to (known without it are "
            f"torchgeo's checkpoints of {', '.join(ARCHITECTURES)}): export the network as "
            "TorchScript"
        )
    import segmentation_models_pytorch as smp

    bands = int(made.get("in_channels") or 3)
    outputs = int(made.get("num_classes") or made.get("num_labels") or 1)
    network = smp.create_model(
        ARCHITECTURES[name],
        encoder_name=str(made.get("backbone") or "resnet50"),
        encoder_weights=None,
        in_channels=bands,
        classes=outputs,
    )
    own = {key[6:]: value for key, value in weights.items() if key.startswith("model.")}
    try:
        network.load_state_dict(own)
    except RuntimeError as error:
        lines = str(error).strip().splitlines()
        raise AuthoringError(
            f"the weights of {path} do not fit {name} with {made.get('backbone')}: {lines[-1]}"
        ) from error
    network.eval()
    return Original(f"torchgeo's {name}", network, module=network, bands=bands)
