"""Checkpoints of torchgeo's tasks for pixels: hyperparameters and weights in one file.

torchgeo itself is not needed: its networks are those of segmentation_models_pytorch, and a small
one of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import AuthoringError
from ..original import Original

if TYPE_CHECKING:
    from torch import nn

# As segmentation_models_pytorch calls them.
ARCHITECTURES = {
    "unet": "unet",
    "deeplabv3+": "deeplabv3plus",
    "upernet": "upernet",
    "segformer": "segformer",
    "dpt": "dpt",
}
OWN = "fcn"


def read(path: Path) -> Original:
    """Load a checkpoint of SemanticSegmentationTask or PixelwiseRegressionTask.

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
    if (
        not isinstance(made, dict)
        or not isinstance(weights, dict)
        or name not in (*ARCHITECTURES, OWN)
    ):
        raise AuthoringError(
            f"{path} holds weights and not the network that they belong to (known without it are "
            f"torchgeo's checkpoints of {', '.join((*ARCHITECTURES, OWN))}): export the network as "
            "TorchScript"
        )
    bands = int(made.get("in_channels") or 3)
    outputs = int(made.get("num_classes") or made.get("num_labels") or 1)
    network = _network(name, made, bands, outputs)
    own = {key[6:]: value for key, value in weights.items() if key.startswith("model.")}
    try:
        network.load_state_dict(own)
    except RuntimeError as error:
        lines = str(error).strip().splitlines()
        raise AuthoringError(
            f"the weights of {path} do not fit {name} with {made.get('backbone')}: {lines[-1]}"
        ) from error
    network.eval()
    activation = "regression" if "num_outputs" in made else None
    if made.get("task") == "multilabel":
        activation = "sigmoid"
    return Original(
        f"torchgeo's {name}", network, module=network, bands=bands, activation=activation
    )


def _network(name: str, made: Mapping[str, Any], bands: int, outputs: int) -> nn.Module:
    if name == OWN:
        return _fcn(bands, outputs, int(made.get("num_filters") or 3))
    import segmentation_models_pytorch as smp

    network: nn.Module = smp.create_model(
        ARCHITECTURES[name],
        encoder_name=str(made.get("backbone") or "resnet50"),
        encoder_weights=None,
        in_channels=bands,
        classes=outputs,
    )
    return network


def _fcn(bands: int, outputs: int, filters: int) -> nn.Module:
    """Five convolutions with leaky rectifiers, and one per pixel."""
    from torch import nn

    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layers: list[nn.Module] = []
            for inputs in (bands, filters, filters, filters, filters):
                layers += [nn.Conv2d(inputs, filters, 3, padding=1), nn.LeakyReLU()]
            self.backbone = nn.Sequential(*layers)
            self.last = nn.Conv2d(filters, outputs, 1)

        def forward(self, images: Any) -> Any:
            return self.last(self.backbone(images))

    return Plain()
