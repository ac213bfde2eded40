"""How much memory the process uses."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from pathlib import Path
from typing import Any


def memory_in_use() -> int | None:
    """Bytes that the process uses now; None where the system does not tell (only Linux does)."""
    gc.collect()
    try:
        pages = Path("/proc/self/statm").read_text().split()[1]
    except OSError:
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


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
