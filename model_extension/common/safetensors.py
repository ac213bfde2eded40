"""A reader of safetensors files that opens them instantly and copies nothing."""

from __future__ import annotations

import contextlib
import mmap
import os
import stat
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from .errors import WeightsError
from .safetensors_header import Entry, quoted, read_header

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The types that numpy has. bfloat16 is widened to float32, which holds each of its values.
_NUMPY = {
    "BOOL": "?",
    "U8": "u1",
    "I8": "i1",
    "U16": "<u2",
    "I16": "<i2",
    "F16": "<f2",
    "U32": "<u4",
    "I32": "<i4",
    "F32": "<f4",
    "U64": "<u8",
    "I64": "<i8",
    "F64": "<f8",
    "C64": "<c8",
}


class SafetensorsFile:
    """An open safetensors file, mapped into memory.

    Opening checks the whole header and reads nothing else, however large the file is. Use it as a
    context manager. Arrays handed out stay valid after closing; the file stays mapped as long as
    one of them lives (Windows will not delete or overwrite it until then).

    Parameters
    ----------
    path : path
        The file.

    Attributes
    ----------
    path : str
        The file, as given.
    metadata : dict of str to str
        The header's ``__metadata__``; empty when there is none.

    Raises
    ------
    WeightsError
        There is no such file or it breaks the format; the message names the file, the tensor and
        what to do.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fsdecode(path)
        self._mapped: mmap.mmap | None = None
        try:
            with _open(self.path) as file:
                size = os.fstat(file.fileno()).st_size
                self._entries, self.metadata = read_header(file, size)
                self._mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except WeightsError as error:
            raise WeightsError(f"{self.path}: {error}") from None
        except (OSError, ValueError) as error:
            raise WeightsError(f"{self.path}: the file cannot be read: {error}") from error

    def __enter__(self) -> SafetensorsFile:
        """Return the file itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Let go of the file. Names, shapes and metadata remain, and so do arrays handed out."""
        if self._mapped is not None:
            # Refused while arrays look at it; then the last of them closes it.
            with contextlib.suppress(BufferError):
                self._mapped.close()
            self._mapped = None

    def keys(self) -> list[str]:
        """Return the names of the tensors, in the order of their bytes in the file."""
        return list(self._entries)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor.

        Raises
        ------
        WeightsError
            There is no tensor of this name.
        """
        return self._entry(name).shape

    def dtype(self, name: str) -> str:
        """Return the type of a tensor as the format calls it, for example ``"F16"``.

        Raises
        ------
        WeightsError
            There is no tensor of this name.
        """
        return self._entry(name).dtype

    def tensor(self, name: str) -> NDArray[Any]:
        """Return a tensor.

        Parameters
        ----------
        name : str
            Its name.

        Returns
        -------
        ndarray
            Read-only, little-endian, of the tensor's shape. A view of the file, except that BF16
            is converted to float32 and that what is not aligned in the file is copied.

        Raises
        ------
        WeightsError
            There is no tensor of this name, numpy has no such type, a truth value is neither 0
            nor 1, or the file is closed.
        """
        entry = self._entry(name)
        if self._mapped is None:
            raise WeightsError(f"{self.path}: the file is closed: read tensors before closing it")
        code = "<u2" if entry.dtype == "BF16" else _NUMPY.get(entry.dtype)
        if code is None:
            raise WeightsError(
                f"{self.path}: tensor {quoted(name)} has the type {entry.dtype}, which cannot be "
                "read here: convert it to F16 or F32"
            )
        dtype = np.dtype("u1" if entry.dtype == "BOOL" else code)
        count = (entry.end - entry.begin) // dtype.itemsize
        values: NDArray[Any]
        if count:
            values = np.frombuffer(self._mapped, dtype, count, entry.begin)
        else:
            # frombuffer refuses to read nothing.
            values = np.empty(0, dtype)
        if entry.dtype == "BOOL":
            if count and int(values.max()) > 1:
                raise WeightsError(
                    f"{self.path}: tensor {quoted(name)} is BOOL and holds bytes other than 0 "
                    "and 1: convert the weights again"
                )
            values = values.view(np.bool_)
        elif entry.dtype == "BF16":
            # The upper half of a float32.
            values = (values.astype("<u4") << 16).view("<f4")
        elif not values.flags.aligned:
            values = values.copy()
        values = values.reshape(entry.shape)
        values.flags.writeable = False
        return values

    def _entry(self, name: str) -> Entry:
        try:
            return self._entries[name]
        except KeyError:
            raise WeightsError(f"{self.path}: there is no tensor {quoted(name)}") from None


def _open(path: str) -> BinaryIO:
    """Open a regular file; anything else could block or never end."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        raise WeightsError("there is no such file: put the weights there") from None
    if stat.S_ISDIR(mode):
        raise WeightsError("this is a folder: give the .safetensors file in it")
    if not stat.S_ISREG(mode):
        raise WeightsError("this is not a regular file: give a .safetensors file")
    return open(path, "rb")
