"""Formats that hold data only, told by reading their headers, and programs that hide in some."""

from __future__ import annotations

import codecs
import re
from typing import BinaryIO, Final

from model_extension.common.errors import WeightsError
from model_extension.common.safetensors_header import read_header

HDF5: Final = b"\x89HDF\r\n\x1a\n"
_CHUNK: Final = 1 << 20
_MAX_FIELDS: Final = 100_000

_GRAPH_CODE: Final = re.compile(rb'"Lambda"|"__lambda__"|WriteFile|PyFunc')
"""Lambda layers of Keras, operations of TensorFlow."""
_FOREIGN: Final = re.compile(rb'"module":"(?!builtins"|(?:tf_)?keras\b|tensorflow\b)[^"]')
"""Functions of other modules, which Keras calls."""
_BLANKS: Final = re.compile(rb"[\0\s]+")
_ESCAPE: Final = re.compile(rb"\\u00([0-9a-fA-F]{2})")
# Of texts only as the serialiser spells them, too: on one line, in single quotation marks.
_SCRIPT_ODD: Final = re.compile(rb"\"\"\"|'''|\\\n")
_SCRIPT_TEXT: Final = re.compile(rb"\"(?:\\.|[^\"\\\n])*\"?|'(?:\\.|[^'\\\n])*'?")
_SCRIPT_CODE: Final = re.compile(
    # Only as the serialiser spells it: another name for a module hides what is called.
    rb"\b(?:torch|ops)\b(?!\.\w)|\b(?:torch|ops\.aten)\.(?:save|load|from_file)\b"
    rb"|\bops\.(?!(?:aten|prim|quantized|torchvision)\.\w)\w+"
)


def holds_data_only(file: BinaryIO, size: int, head: bytes) -> bool:
    """Tell whether a file of so many bytes, with this head, can hold nothing but data."""
    root = int.from_bytes(head[:4], "little")
    tflite = head[4:8] == b"TFL3" and 8 <= root < size and root % 4 == 0
    return head.startswith(HDF5) or tflite or _safetensors(file, size) or _protobuf(file, size)


def is_text(head: bytes) -> bool:
    """Tell whether a file begins like a text."""
    try:  # a letter may be cut at the end
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(letter.isprintable() or letter.isspace() for letter in text)


def graph_code(file: BinaryIO, head: bytes, name: str, *, inner: bool) -> str:
    """Return what in a model of Keras or TensorFlow is, or calls, a program; else nothing.

    `inner` tells whether the file lies in another: other JSON may have modules of its own.
    """
    suffix = name.lower().rpartition(".")[2]
    if suffix not in ("h5", "hdf5", "json") and not head.startswith((HDF5, b"\x08", b"\x0a")):
        return ""
    patterns = (_GRAPH_CODE, _FOREIGN) if inner or suffix != "json" else (_GRAPH_CODE,)
    text = b""
    while piece := file.read(_CHUNK):
        text = text[-1024:] + _BLANKS.sub(b"", piece)  # JSON may be UTF-16, too
        plain = _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), text)
        for pattern in patterns:
            if match := pattern.search(plain):
                return match.group().decode("latin-1")
    return ""


def script_code(file: BinaryIO) -> str:
    """Return what in a module of TorchScript uses files or libraries; else nothing."""
    code = file.read(_CHUNK + 1)
    if len(code) > _CHUNK:
        return "more code than is looked into"
    found = _SCRIPT_ODD.search(code) or _SCRIPT_CODE.search(_SCRIPT_TEXT.sub(b"''", code))
    return found.group().decode("latin-1") if found else ""


def _safetensors(file: BinaryIO, size: int) -> bool:
    try:
        file.seek(0)
        read_header(file, size)
    except WeightsError:
        return False
    return True


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
