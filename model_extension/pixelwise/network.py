"""A network from its file, and its outputs as values of pixels."""

from __future__ import annotations

import warnings
from typing import Any, Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..common.errors import DeviceError, WeightsError

Network = Callable[[Tensor], Any]


def load(path: str, device: torch.device) -> Network:
    """Load a network from TorchScript or, if the file's name ends in .onnx, ONNX.

    Raises
    ------
    WeightsError
        The file is missing or damaged.
    DeviceError
        It is ONNX, and onnxruntime is missing.
    """
    try:
        if path.lower().endswith(".onnx"):
            return _onnx(path, device)
        with warnings.catch_warnings():  # recent versions call it deprecated
            warnings.simplefilter("ignore")
            network = torch.jit.load(path, map_location=device)  # type: ignore[no-untyped-call]
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsError(f"the network {path} cannot be loaded: {reason}") from error
    network.eval()
    return network  # type: ignore[no-any-return]


def _onnx(path: str, device: torch.device) -> Network:
    try:
        import onnxruntime
    except ImportError as error:
        raise DeviceError(
            f"onnxruntime cannot be loaded ({error}): the deep learning libraries for ArcGIS Pro "
            "bring it from 3.3 on; install it elsewhere"
        ) from error
    providers: list[Any] = ["CPUExecutionProvider"]
    # Whether ArcGIS's onnxruntime knows graphics cards is up to its build.
    if device.type == "cuda" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": device.index or 0}))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=providers)
    name = session.get_inputs()[0].name

    def network(images: Tensor) -> Tensor:
        answer = session.run(None, {name: images.cpu().numpy()})[0]
        return torch.from_numpy(answer).to(images.device)

    return network


def pixel_values(answer: Any, size: tuple[int, int], activation: str) -> Tensor:
    """Make values of pixels of what a network answers.

    Parameters
    ----------
    answer : Tensor, or sequence or mapping of them
        Shape (tiles, outputs, rows, columns), at any stride; of several the one named ``out`` or
        ``logits``, else the first.
    size : (int, int)
        Rows and columns of a tile.
    activation : str
        See `definition.Definition`.

    Returns
    -------
    Tensor
        float32, shape (tiles, outputs, *size).
    """
    values = main_output(answer).float()
    if tuple(values.shape[-2:]) != tuple(size):
        values = F.interpolate(values, size=size, mode="bilinear", align_corners=False)
    if activation == "softmax":
        return values.softmax(1)
    return values.sigmoid() if activation == "sigmoid" else values


def main_output(answer: Any) -> Tensor:
    """Return the tensor that counts of several."""
    if isinstance(answer, dict):
        for name in ("out", "logits"):
            if name in answer:
                return main_output(answer[name])
        answer = list(answer.values())
    return main_output(answer[0]) if isinstance(answer, (list, tuple)) else answer
