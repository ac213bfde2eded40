"""What kind of model a file or folder is."""

from __future__ import annotations

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
    if torchscript.is_torchscript(path):
        return torchscript.read(path)
    if path.suffix.lower() == ".onnx":
        return onnx.read(path, as_torch=as_torch)
    if exported.is_exported(path):
        return exported.read(path)
    if torchgeo_checkpoint.is_checkpoint(path):
        return torchgeo_checkpoint.read(path)
    if path.is_dir() and transformers_folder.is_transformers(path):
        return transformers_folder.read(path)
    if path.is_dir() and smp_folder.is_smp(path):
        return smp_folder.read(path)
    raise AuthoringError(f"{path} is no model of a known kind: name {KINDS}")
