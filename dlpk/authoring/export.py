"""Networks exported as TorchScript, so that a package needs no library but torch."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

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
            _follow_tiles(traced)
            torch.jit.save(traced, str(folder / "model.pt"))
    except Exception as error:  # whatever the network raises
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise AuthoringError(f"the model cannot be exported as TorchScript: {reason}") from error
    return "model.pt"


def _follow_tiles(traced: Any) -> None:
    """Make tensors inside a network where its tiles are, not on the device that traced it."""
    import torch

    # A module that is called more than once has a method for each call.
    methods = [m._c._get_method(name) for m in traced.modules() for name in m._c._method_names()]
    for graph in (method.graph for method in methods):
        given = [value for value in graph.inputs() if value.type().kind() == "TensorType"]
        fixed = [
            node.output()
            for node in graph.findAllNodes("prim::Constant")
            if node.output().type().kind() == "DeviceObjType"
        ]
        if given and fixed:
            device = graph.create("prim::device", given[:1])
            device.output().setType(torch._C.DeviceObjType.get())
            graph.prependNode(device)
            for value in fixed:
                value.replaceAllUsesWith(device.output())


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
