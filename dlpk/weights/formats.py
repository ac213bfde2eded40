"""Formats that hold data only, recognised by reading their headers, not by their first bytes."""

from __future__ import annotations

import codecs
import re
import struct
from typing import BinaryIO, Final

from model_extension.common.errors import WeightsError
from model_extension.common.safetensors_header import read_header

__all__ = ["HDF5", "holds_data_only", "holds_lambda"]

HDF5: Final = b"\x89HDF\r\n\x1a\n"
_CHUNK: Final = 1 << 20
_LAMBDA: Final = re.compile(rb'"class_name"\s*:\s*"Lambda"')
_MAX_FIELDS: Final = 100_000


def holds_data_only(file: BinaryIO, size: int, head: bytes, text: bool) -> bool:
    """Tell whether a file is of a format that holds nothing but data, or a text.

    Parameters
    ----------
    file : binary file
        At its start.
    size : int
        Its bytes.
    head : bytes
        Its first 512 bytes.
    text : bool
        Whether a text will do.
    """
    return (
        head.startswith(HDF5)
        or _safetensors(file, size)
        or _gguf(head, size)
        or _tflite(head, size)
        or _protobuf(file, size)
        or (text and _text(head))
    )


def holds_lambda(file: BinaryIO) -> bool:
    """Tell whether a model of Keras, as HDF5 or JSON, has a layer that is Python code."""
    before = b""
    while piece := file.read(_CHUNK):
        if _LAMBDA.search(before + piece):
            return True
        before = piece[-64:]
    return False


def _safetensors(file: BinaryIO, size: int) -> bool:
    try:
        file.seek(0)
        read_header(file, size)
    except WeightsError:
        return False
    return True


def _gguf(head: bytes, size: int) -> bool:
    if head[:4] != b"GGUF" or len(head) < 24:
        return False
    version, tensors, keys = struct.unpack_from("<IQQ", head, 4)
    return bool(1 <= version <= 3 and 12 * (tensors + keys) < size)


def _tflite(head: bytes, size: int) -> bool:
    root = int.from_bytes(head[:4], "little")
    return head[4:8] == b"TFL3" and 8 <= root < size and root % 4 == 0


def _protobuf(file: BinaryIO, size: int) -> bool:
    """Tell whether the whole file is one message: ONNX, or a graph of TensorFlow."""
    at = 0
    file.seek(0)
    if file.read(1) not in (b"\x08", b"\x0a"):  # the first field of both
        return False
    for _ in range(_MAX_FIELDS):
        file.seek(at)
        data = file.read(20)
        tag, used = _varint(data)
        length, more = _varint(data[used:])
        kind = tag & 7
        if not used or tag >> 3 == 0 or kind in (3, 4, 6, 7) or (kind in (0, 2) and not more):
            return False
        at += used + {0: more, 1: 8, 2: more + length, 5: 4}[kind]
        if at >= size:
            return at == size
    return True


def _varint(data: bytes) -> tuple[int, int]:
    """Return a number and how many bytes it takes; 0 bytes if it is none."""
    value = 0
    for count, byte in enumerate(data[:10]):
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            return value, count + 1
    return 0, 0


def _text(head: bytes) -> bool:
    try:  # a letter may be cut at the end
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(letter.isprintable() or letter.isspace() for letter in text)
