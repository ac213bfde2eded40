"""Open files of packages: ordinary ones only, as others may never end or never begin."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO


class NotAFileError(OSError):
    """The path leads to a folder, device, pipe or socket."""


def open_file(path: str | os.PathLike[str]) -> BinaryIO:
    """Open an ordinary file for reading.

    What was opened is looked at, not what the path led to before, and opening a pipe does not wait
    for somebody who writes into it.

    Raises
    ------
    NotAFileError
        If it is anything else.
    OSError
        If it cannot be opened, links that lead in circles included.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(path, flags)
    except ValueError as error:  # a zero in the name
        raise FileNotFoundError(2, str(error)) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise NotAFileError(22, "not an ordinary file", os.fspath(path))
    return os.fdopen(handle, "rb")


def read_file(path: Path, most: int) -> bytes:
    """Return at most `most` + 1 bytes of an ordinary file, so that a larger one shows."""
    with open_file(path) as file:
        return file.read(most + 1)
