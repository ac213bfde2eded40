"""The numbers that stand for devices."""

from __future__ import annotations

import os
import re
import sys

from ..errors import ArgumentsError

CPU, ANY_GPU = -1, -2
# What NVIDIA's driver leaves on Linux, in the Linux of Windows, and on Windows.
DRIVERS = ("/proc/driver/nvidia/version", "/dev/dxg", r"C:\Windows\System32\nvcuda.dll")


def device_number(device: str) -> int:
    """The number that ArcGIS passes for a device (contract, section 3).

    Parameters
    ----------
    device : str
        ``auto`` (-2 where there is a graphics card that torch can use, else -1), ``cpu`` (-1) or
        ``cuda:N`` (N).

    Raises
    ------
    ArgumentsError
        It is none of these.
    """
    if device == "cpu":
        return CPU
    if device == "auto":
        # Exported functions take -2 for the promise that there is a card, and fail without.
        return ANY_GPU if has_gpu() else CPU
    found = re.fullmatch(r"cuda(?::(\d{1,3}))?", device)
    if not found:
        raise ArgumentsError(f"device is {device!r}; it must be auto, cpu or cuda:N")
    return int(found[1] or 0)


def has_gpu() -> bool:
    """Whether torch can use a graphics card; does not import it where there is no driver."""
    if "torch" not in sys.modules and not any(map(os.path.exists, DRIVERS)):
        return False
    try:
        import torch
    except ImportError:
        return False
    return bool(torch.cuda.is_available())


def free_device(device: int) -> int:
    """The graphics card that a device number stands for, -1 for the processor."""
    if device != ANY_GPU:
        return max(device, CPU)
    if not has_gpu():
        return CPU
    import torch

    free = [torch.cuda.mem_get_info(number)[0] for number in range(torch.cuda.device_count())]
    return free.index(max(free))
