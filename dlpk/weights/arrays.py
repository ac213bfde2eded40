"""Where the elements of an array of numpy lie in its file, and whether they are a pickle.

The format: numpy.lib.format. A header is a Python literal; any spelling of a type is accepted.
"""

from __future__ import annotations

import ast
import math
import re
from typing import Any, BinaryIO, Final

__all__ = ["extent"]

_MAX_HEADER: Final = 1 << 16
_PLAIN_TYPE: Final = re.compile(r"[<>|=]?(?:([biufc?mM])(\d*)(?:\[\w+\])?|([SaUV])(\d+))")


def extent(file: BinaryIO, size: int, head: bytes) -> tuple[int, int]:
    """Return the first byte of an array's elements and how many bytes they take.

    Parameters
    ----------
    file : binary file
        At its start.
    size : int
        Its bytes.
    head : bytes
        Its first bytes.

    Returns
    -------
    tuple of int and int
        Negative bytes if the elements are, or may be, objects: then they are pickled.

    Raises
    ------
    ValueError
        If the header cannot be read.
    """
    width = 2 if head[6:7] == b"\1" else 4
    begin = 8 + width + int.from_bytes(head[8 : 8 + width], "little")
    if begin > min(_MAX_HEADER, size):
        raise ValueError("it is too long")
    try:
        header = ast.literal_eval(file.read(begin)[8 + width :].decode("utf-8").strip())
        return begin, _type_size(header["descr"]) * math.prod(header["shape"])
    except (SyntaxError, TypeError, LookupError, RecursionError, MemoryError) as error:
        raise ValueError(str(error)) from error


def _type_size(description: Any) -> int:
    """Return the bytes of an array's element; -1 if it is, or may be, an object."""
    if isinstance(description, str):
        match = _PLAIN_TYPE.fullmatch(description)
        if match is None:
            return -1
        size = int(match[2] or match[4] or 1)
        return 4 * size if match[3] == "U" else 8 if match[1] in ("m", "M") else size
    if isinstance(description, tuple):
        if len(description) != 2:
            return -1
        size, shape = _type_size(description[0]), description[1]
        return size * math.prod(shape if isinstance(shape, tuple) else (shape,))
    sizes = []
    for field in description:
        size = _type_size(field[1])
        sizes.append(size * math.prod(field[2]) if len(field) > 2 and size >= 0 else size)
    return -1 if -1 in sizes else sum(sizes)
