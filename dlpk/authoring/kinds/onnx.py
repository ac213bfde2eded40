"""ONNX: run by onnxruntime, or converted to TorchScript."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...errors import AuthoringError
from ..original import Original


def read(path: Path, *, as_torch: bool = False) -> Original:
    """Load an ONNX file.

    Parameters
    ----------
    as_torch : bool
        Convert it, so that the package runs where there is no onnxruntime.

    Raises
    ------
    AuthoringError
        It is damaged, takes other things than tiles, or cannot be converted.
    """
    import numpy as np
    import onnxruntime
    import torch

    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has no common base of its errors
        reason = str(error).strip().splitlines()[0]
        raise AuthoringError(f"{path} cannot be loaded as ONNX: {reason}") from error
    inputs = session.get_inputs()
    shape = inputs[0].shape if inputs else []
    if len(inputs) != 1 or len(shape) != 4 or inputs[0].type != "tensor(float)":
        taken = ", ".join(f"{entry.name} {entry.type} {entry.shape}" for entry in inputs)
        raise AuthoringError(
            f"{path} takes {taken or 'nothing'}: a network for pixels takes one float tensor of "
            "shape (tiles, bands, rows, columns)"
        )
    fixed: list[int | None] = [side if isinstance(side, int) else None for side in shape]
    if fixed[2] != fixed[3]:
        raise AuthoringError(
            f"{path} takes tiles of {fixed[2]} by {fixed[3]} pixels: export it for square tiles, "
            "or for any size"
        )
    if fixed[0] not in (None, 1):
        raise AuthoringError(
            f"{path} takes {fixed[0]} tiles at once, neither more nor fewer: export it for one "
            "tile, or for any number"
        )
    name = inputs[0].name

    def call(images: torch.Tensor) -> Any:
        parts = [images] if fixed[0] is None else [image[None] for image in images]
        answers = [session.run(None, {name: part.numpy()})[0] for part in parts]
        return torch.from_numpy(np.concatenate(answers))

    return Original(
        "ONNX",
        call,
        module=_converted(path) if as_torch else None,
        file=None if as_torch else path,
        bands=fixed[1],
        tile_size=fixed[2],
        size_unit=fixed[2],
    )


def _converted(path: Path) -> Any:
    import onnx2torch

    try:
        return onnx2torch.convert(str(path)).eval()
    except Exception as error:  # whatever operations it does not know
        reason = str(error).strip().splitlines()[0] if str(error) else type(error).__name__
        raise AuthoringError(
            f"{path} cannot be converted to torch ({reason}): leave --as-torch out, and "
            "onnxruntime runs it"
        ) from error
