"""How much memory the process uses, and how much it used at most."""

from __future__ import annotations

import ctypes
import gc
import sys
from typing import Any


def memory_in_use() -> int | None:
    """Bytes that the process uses now; its peak where that is not told, None on Windows."""
    gc.collect()
    return _status("VmRSS") or _peak()


class PeakGrowth:
    """By how much memory grows at most from now on."""

    def __init__(self) -> None:
        try:
            # Makes Linux forget the peak so far.
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")
            self._before = _status("VmRSS")
        except OSError:
            self._before = None
        self._peak_before = _peak()

    def bytes(self) -> int | None:
        """Bytes since the object was made; None where that cannot be had."""
        after = _status("VmHWM")
        if self._before is not None and after is not None:
            return max(0, after - self._before)
        after = _peak()
        if after is None or self._peak_before is None:
            return None
        return after - self._peak_before


def _status(key: str) -> int | None:
    try:
        with open("/proc/self/status") as file:
            lines = [line for line in file if line.startswith(f"{key}:")]
    except OSError:
        return None
    return int(lines[0].split()[1]) * 1024 if lines else None


def _peak() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) * (1 if sys.platform == "darwin" else 1024)


def give_back_free_memory() -> None:
    """Hand memory that was freed back to the system, where the C library can be asked to (glibc).

    Blocks are freed by other threads than those that made them; without this, what lies between
    the gaps adds up over thousands of blocks.
    """
    if _trim is not None:
        _trim(0)


def _find_trim() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # another C library, musl for example
        return None


_trim = _find_trim()
