"""Networks exported as TorchScript, so that a package needs no library but torch."""

from __future__ import annotations

import warnings
from pathlib import Path

from ..errors import AuthoringError
from .original import Original
from .probe import tiles


def export(original: Original, bands: int, tile_size: int, folder: Path) -> str:
    """Put a network's file into a folder.

    Returns
    -------
    str
        The name of the file.

    Raises
    ------
    AuthoringError
        The network cannot be traced.
    """
    if original.module is None:
        assert original.file is not None
        name = "model" + (".onnx" if original.kind == "ONNX" else ".pt")
        content = original.file.read_bytes()
        if original.kind == "ONNX" and b"location" in content:  # of weights in a file beside it
            content = _with_weights(original.file)
        (folder / name).write_bytes(content)
        return name
    import torch

    example = tiles(bands, tile_size, tile_size)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is fixed by tracing; `probe` finds out
            traced = torch.jit.trace(  # type: ignore[no-untyped-call]
                original.module, example, check_trace=False, strict=False
            )
            torch.jit.save(traced, str(folder / "model.pt"))
    except Exception as error:  # whatever the network raises
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise AuthoringError(f"the model cannot be exported as TorchScript: {reason}") from error
    return "model.pt"


def _with_weights(path: Path) -> bytes:
    """An ONNX file with the weights that lie in files beside it."""
    import onnx

    try:
        content: bytes = onnx.load(str(path)).SerializeToString()
    except Exception as error:  # onnx and protobuf raise many kinds
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise AuthoringError(
            f"{path} cannot be put into one file with its weights: {reason}"
        ) from error
    return content
