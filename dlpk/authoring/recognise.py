"""What kind of model a file or folder is."""

from __future__ import annotations

import zipfile
from pathlib import Path

from ..errors import AuthoringError
from .original import Original

KINDS = (
    "a TorchScript, torch.export or ONNX file, a checkpoint of torchgeo, or a folder of "
    "transformers or segmentation_models_pytorch (save_pretrained)"
)


def read_model(path: Path, *, as_torch: bool = False) -> Original:
    """Load a model of any kind that is known.

    Parameters
    ----------
    path : Path
    as_torch : bool
        Convert ONNX.

    Raises
    ------
    AuthoringError
        It is missing, or of no such kind.
    """
    from .kinds import (
        exported,
        onnx,
        smp_folder,
        torchgeo_checkpoint,
        torchscript,
        transformers_folder,
    )

    if not path.exists():
        raise AuthoringError(f"{path} does not exist: name {KINDS}")
    if _holds(path, "/constants.pkl"):
        return torchscript.read(path)
    if path.suffix.lower() == ".onnx":
        return onnx.read(path, as_torch=as_torch)
    if _holds(path, *exported.PROGRAMS):
        return exported.read(path)
    if _holds(path, "/data.pkl"):
        return torchgeo_checkpoint.read(path)
    config = transformers_folder.settings(path)
    if "model_type" in config:
        return transformers_folder.read(path)
    if "encoder_name" in config:
        return smp_folder.read(path)
    raise AuthoringError(f"{path} is no model of a known kind: name {KINDS}")


def _holds(path: Path, *endings: str) -> bool:
    """Whether a file is an archive, as torch writes them, in which a name ends like this."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(endings) for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False
