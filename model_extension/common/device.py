"""Devices: which one ArcGIS means, and when its memory runs out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from .errors import DeviceError, MemoryShortage


@contextmanager
def memory_needed(what: str, advice: str) -> Iterator[None]:
    """Turn torch's words for a lack of memory into advice."""
    try:
        yield
    except RuntimeError as error:
        text = str(error).lower()
        if "out of memory" not in text and "allocate memory" not in text:
            raise
        raise MemoryShortage(f"Ran out of memory for {what}: {advice}") from error


def choose_device(number: int) -> torch.device:
    """The device that ArcGIS means (contract, section 3).

    Parameters
    ----------
    number : int
        -2: the graphics card with the most free memory, the processor when there is none. 0 and
        up: that graphics card. Any other negative number: the processor.

    Returns
    -------
    torch.device

    Raises
    ------
    DeviceError
        There is no such card.
    """
    cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if number >= cards and number >= 0:
        raise DeviceError(
            f"graphics card {number} was asked for and torch {torch.__version__} sees {cards}: "
            "choose another, or the processor (-1)"
        )
    if number >= 0:
        return torch.device("cuda", number)
    if number != -2 or cards == 0:
        return torch.device("cpu")
    if hasattr(torch.cuda, "mem_get_info"):
        return torch.device("cuda", max(range(cards), key=lambda c: torch.cuda.mem_get_info(c)[0]))
    return torch.device("cuda", 0)
