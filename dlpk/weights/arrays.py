"""Where the elements of an array of numpy lie in its file, and whether they are pickled objects.

The format: numpy.lib.format. A header is a Python literal; whatever is not plainly a type without
objects may have some.
"""

from __future__ import annotations

import ast
import re
from math import prod
from typing import Any, BinaryIO, Final

_MAX_HEADER: Final = 1 << 16
_PLAIN_TYPE: Final = re.compile(r"[<>|=]?([biufc?mMSaUV])(\d*)(\[\w+\])?")


def extent(file: BinaryIO, head: bytes) -> tuple[int, int | None]:
    """Return the first byte of an array's elements and their bytes; None if they may be objects."""
    width = 2 if head[6:7] == b"\1" else 4
    begin = 8 + width + int.from_bytes(head[8 : 8 + width], "little")
    if begin > _MAX_HEADER:
        return begin, None
    try:
        header = ast.literal_eval(file.read(begin)[8 + width :].decode("utf-8").strip())
        return begin, _size(header["descr"]) * _count(header["shape"])
    except (SyntaxError, TypeError, ValueError, LookupError, RecursionError, MemoryError):
        return begin, None


def _size(kind: Any) -> int:
    """Return the bytes of an element; raises whatever for a type that may have objects."""
    if isinstance(kind, tuple):
        inner, shape = kind
        return _size(inner) * _count(shape)
    if isinstance(kind, list):
        return sum(_size(field[1]) * _count(*field[2:]) for field in kind)
    match = _PLAIN_TYPE.fullmatch(kind)
    if match is None:
        raise ValueError(kind)
    return int(match[2] or 1) * (4 if match[1] == "U" else 1)


def _count(shape: Any = ()) -> int:
    """Return the number of elements; objects are unpickled whatever a negative shape says."""
    lengths = shape if isinstance(shape, tuple) else (shape,)
    if any(type(length) is not int or length < 0 for length in lengths):
        raise ValueError(shape)
    return prod(lengths)
