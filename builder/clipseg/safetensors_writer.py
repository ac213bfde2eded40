"""Writing safetensors files one tensor at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

from ..errors import BuildError

CODES = {"float16": "F16", "float32": "F32"}


def write_safetensors(
    path: Path,
    shapes: Mapping[str, tuple[int, ...]],
    read: Callable[[str], np.ndarray],
    *,
    dtype: str,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write tensors in the order of their names, holding one at a time.

    Parameters
    ----------
    path : Path
        File to write.
    shapes : mapping
        Tensor name to shape; decides what is written.
    read : callable
        Gives the tensor of a name.
    dtype : str
        ``float16`` or ``float32``; tensors are converted to it.
    metadata : mapping, optional
        Strings for the header.

    Raises
    ------
    BuildError
        A value is not finite, or too large for the precision.
    """
    size = np.dtype(dtype).itemsize
    header: dict[str, object] = {"__metadata__": dict(sorted((metadata or {}).items()))}
    offset = 0
    for name in sorted(shapes):
        end = offset + size * int(np.prod(shapes[name], dtype=np.int64))
        header[name] = {
            "dtype": CODES[dtype],
            "shape": list(shapes[name]),
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)  # the data begin at a multiple of eight, as the format advises
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for name in sorted(shapes):
            file.write(_converted(read(name), dtype, name).data)


def _converted(tensor: np.ndarray, dtype: str, name: str) -> np.ndarray:
    if not np.isfinite(tensor).all():
        raise BuildError(
            f"tensor {name!r} holds values that are not finite: the weights are broken"
        )
    with np.errstate(over="ignore"):
        converted = tensor.astype(np.dtype(dtype).newbyteorder("<"), order="C", copy=False)
    if not np.isfinite(converted).all():
        largest = float(np.abs(tensor).max())
        advice = "build with precision fp32" if dtype == "float16" else "the weights are broken"
        raise BuildError(f"tensor {name!r} holds {largest:g}, which {dtype} cannot hold: {advice}")
    return np.ascontiguousarray(converted)


def total_bytes(shapes: Iterable[tuple[int, ...]], dtype: str) -> int:
    """Bytes that tensors of these shapes take."""
    return sum(int(np.prod(shape, dtype=np.int64)) for shape in shapes) * np.dtype(dtype).itemsize
