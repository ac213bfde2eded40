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
        (folder / name).write_bytes(original.file.read_bytes())
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
