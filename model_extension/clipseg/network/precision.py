"""Which precision to compute in, by device."""

from __future__ import annotations

import re

import torch
import torch.nn.functional as F

from ...common.errors import ArgumentError
from ..contract.parameters import PRECISIONS

SINGLE = ("fp32", "fp32_fast")
DTYPES = {
    "fp32": torch.float32,
    "fp32_fast": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}


def choose_precision(precision: str, device: torch.device) -> torch.dtype:
    """The type to compute in.

    Parameters
    ----------
    precision : str
        ``fp32``, ``fp32_fast``, ``bf16``, ``fp16``, or ``auto``: half precision on graphics cards,
        fast single precision on processors. bfloat16 moves too many pixels across the threshold
        to be chosen by itself: `benchmarks.quality.drift`.
    device : torch.device

    Returns
    -------
    torch.dtype

    Raises
    ------
    ArgumentError
        There is no such precision, or the device cannot compute in it.
    """
    if precision not in PRECISIONS:
        raise ArgumentError(
            f"precision is {precision!r}; it must be one of {', '.join(PRECISIONS)}"
        )
    if precision == "auto":
        precision = "fp16" if device.type == "cuda" else "fp32_fast"
    available = available_precisions(device)
    if precision not in available:
        raise ArgumentError(
            f"precision is {precision!r}, which this device cannot compute in; it can: "
            f"{', '.join(available)}"
        )
    return DTYPES[precision]


def available_precisions(device: torch.device) -> list[str]:
    """Precisions that a device computes in, whether fast or not."""
    if device.type == "cuda":
        # Torch before 1.10 does not say, and lacks much of bfloat16 on graphics cards.
        supported = getattr(torch.cuda, "is_bf16_supported", None)
        return (
            [*SINGLE, "bf16", "fp16"]
            if supported is not None and supported()
            else [*SINGLE, "fp16"]
        )
    # Half precision is no faster on processors, and torch before 2.1 lacks much of it there.
    return [*SINGLE, "bf16"] if _has_bfloat16_layers() else [*SINGLE]


def _has_bfloat16_layers() -> bool:
    """Whether torch has the network's layers for bfloat16 on processors: not all before 1.12."""
    x = torch.ones(1, 4, 4, 4, dtype=torch.bfloat16)
    try:
        F.layer_norm(x, (4,), x[0, 0, 0], x[0, 0, 0])
        F.gelu(F.silu(F.relu(x.softmax(dim=-1))))
        F.conv_transpose2d(F.conv2d(x, x), x[:, :, :1, :1])
    except RuntimeError:  # "not implemented for 'BFloat16'"
        return False
    return True


def has_bfloat16_instructions() -> bool:
    """Whether the processor multiplies bfloat16 in hardware; without that it is slow."""
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        probe = getattr(getattr(torch, "cpu", None), name, None)
        if probe is not None and probe():
            return True
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            flags = re.search(r"^(?:flags|Features)\s*:(.*)$", file.read(), re.MULTILINE)
    except OSError:
        return False
    words = flags.group(1).split() if flags else []
    return bool({"avx512_bf16", "amx_bf16", "bf16"} & set(words))
