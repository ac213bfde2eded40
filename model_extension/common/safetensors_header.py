"""The header of a safetensors file: read, checked without exception, never trusted.

The format (its README, section "Format"): 8 bytes with the length of the header as a little-endian
unsigned integer, the header as a JSON object, the bytes of the tensors one after the other. Per
tensor the header holds ``dtype``, ``shape`` and ``data_offsets`` (first byte and the one after the
last, counted from the end of the header); ``__metadata__`` maps strings to strings.

A file is read as it is described there or not at all: no holes, no overlaps, nothing behind the
last tensor, no key twice.
"""

from __future__ import annotations

import json
from typing import Any, BinaryIO, NamedTuple, NoReturn

from .errors import WeightsError

LARGEST_HEADER = 100_000_000
"""Most bytes of a header; the format's own limit."""

MOST_DIMENSIONS = 32
"""Most dimensions of a tensor: what every numpy can hold."""

# Bits per element of every type the format knows.
_BITS = {
    "BOOL": 8,
    "U8": 8,
    "I8": 8,
    "U16": 16,
    "I16": 16,
    "F16": 16,
    "BF16": 16,
    "U32": 32,
    "I32": 32,
    "F32": 32,
    "U64": 64,
    "I64": 64,
    "F64": 64,
    "C64": 64,
    "F8_E4M3": 8,
    "F8_E4M3FNUZ": 8,
    "F8_E5M2": 8,
    "F8_E5M2FNUZ": 8,
    "F8_E8M0": 8,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "F4": 4,
}

_METADATA = "__metadata__"
_FIELDS = ("dtype", "shape", "data_offsets")
_LARGEST = 2**63 - 1
_LONGEST_NUMBER = 20

# First bytes of what is often given a weights file's name, and what it is.
_LOOKALIKES = (
    (b"version https://git-lfs", "a Git LFS pointer: run 'git lfs pull'"),
    (b"PK\x03\x04", "a zip archive, as torch.save writes it: convert it to safetensors"),
    (b"\x80\x02", "a Python pickle: convert it to safetensors"),
    (b"\x80\x04", "a Python pickle: convert it to safetensors"),
    (b"\x89HDF", "an HDF5 file: convert it to safetensors"),
    (b"<!", "a web page: download the file again"),
    (b"<htm", "a web page: download the file again"),
)


class Entry(NamedTuple):
    """A tensor as the header describes it; `begin` and `end` count from the start of the file."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def read_header(file: BinaryIO, size: int) -> tuple[dict[str, Entry], dict[str, str]]:
    """Read and check the header of a safetensors file; the bytes of the tensors are not read.

    Parameters
    ----------
    file : binary file
        Open for reading, at its start.
    size : int
        Bytes of the whole file.

    Returns
    -------
    entries : dict of str to Entry
        The tensors in the order of their bytes; together they fill the file.
    metadata : dict of str to str
        What ``__metadata__`` holds.

    Raises
    ------
    WeightsError
        Anything is not as the format demands. The message does not name the file.
    """
    start = file.read(32)
    if size < 8 or len(start) < 8:
        raise WeightsError(
            f"the file has {size} bytes and the length of the header alone takes 8: copy it again"
        )
    length = int.from_bytes(start[:8], "little")
    if length > LARGEST_HEADER:
        raise WeightsError(
            f"the header would have {length} bytes, at most {LARGEST_HEADER} are allowed: "
            f"this is {_lookalike(start)}"
        )
    if 8 + length > size:
        raise WeightsError(
            f"the file is truncated: the header alone ends at byte {8 + length}, the file has "
            f"{size}; copy it again"
        )
    file.seek(8)
    raw = file.read(length)
    if len(raw) != length:
        raise WeightsError("the file shrank while it was read: copy it again")
    if raw[:1] != b"{":
        raise WeightsError(
            f"the header starts with {raw[:1]!r} instead of a brace: this is {_lookalike(start)}"
        )
    header = _parse(raw)
    metadata = _check_metadata(header.pop(_METADATA, {}))
    entries = {name: _check_entry(name, entry, 8 + length) for name, entry in header.items()}
    return _check_layout(entries, 8 + length, size), metadata


def _lookalike(start: bytes) -> str:
    for magic, name in _LOOKALIKES:
        if start.startswith(magic):
            return name
    return "not a safetensors file: convert the weights to one"


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        header = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_whole,
            parse_constant=_no_constant,
        )
    except WeightsError:
        raise
    except UnicodeDecodeError as error:
        raise WeightsError(
            f"the header is not UTF-8 (byte {8 + error.start} of the file): copy the file again"
        ) from None
    except json.JSONDecodeError as error:
        raise WeightsError(
            f"the header is not valid JSON ({error.msg}, character {error.pos}): copy the file "
            "again"
        ) from None
    except (ValueError, RecursionError, OverflowError):
        raise WeightsError(
            "the header is not what a safetensors file has: copy the file again"
        ) from None
    # It starts with a brace, so that it is an object.
    assert isinstance(header, dict)
    return header


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise WeightsError(
                f"the header has the key {quoted(key)} twice: convert the weights again"
            )
        _check_unicode(key)
        found[key] = value
    return found


def _whole(digits: str) -> int:
    # Without a limit the conversion of a long number takes forever on old Pythons.
    if len(digits) > _LONGEST_NUMBER or digits == "-0":
        raise WeightsError(
            f"the header holds the number {digits[:40]}, which is no size of anything: "
            "convert the weights again"
        )
    return int(digits)


def _no_constant(name: str) -> NoReturn:
    raise WeightsError(f"the header holds {name}, which JSON has not: convert the weights again")


def _check_unicode(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise WeightsError(
            f"the header holds half a surrogate pair in {quoted(text)}: convert the weights again"
        ) from None


def _check_metadata(metadata: object) -> dict[str, str]:
    if not isinstance(metadata, dict):
        raise WeightsError(f"{_METADATA} must be an object of strings: convert the weights again")
    for key, value in metadata.items():
        if not isinstance(value, str):
            raise WeightsError(
                f"{_METADATA}: the value of {quoted(key)} is not a string: convert the weights "
                "again"
            )
        _check_unicode(value)
    return metadata


def _check_entry(name: str, entry: object, data: int) -> Entry:
    """Check what the header says of one tensor, without regard to the others."""

    def wrong(what: str) -> WeightsError:
        return WeightsError(f"tensor {quoted(name)}: {what}: convert the weights again")

    if not isinstance(entry, dict) or set(entry) != set(_FIELDS):
        raise wrong(f"its entry must be an object with exactly {', '.join(_FIELDS)}")
    dtype, shape, offsets = (entry[field] for field in _FIELDS)
    if not isinstance(dtype, str) or dtype not in _BITS:
        raise wrong(f"unknown dtype {quoted(dtype)}; known are {', '.join(_BITS)}")
    if not isinstance(shape, list) or not all(map(_is_size, shape)):
        raise wrong(f"shape {quoted(shape)} is not a list of whole numbers from 0 to {_LARGEST}")
    if len(shape) > MOST_DIMENSIONS:
        raise wrong(f"{len(shape)} dimensions, at most {MOST_DIMENSIONS} can be read")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(map(_is_size, offsets)):
        raise wrong(f"data_offsets {quoted(offsets)} is not a pair of whole numbers from 0")
    begin, end = offsets
    if begin > end:
        raise wrong(f"data_offsets {offsets} end before they begin")
    bits = _BITS[dtype]
    elements = 1
    for side in shape:
        # Also where another side is 0: numpy refuses such shapes.
        elements *= max(side, 1)
        if elements * bits > 8 * _LARGEST:
            raise wrong(f"shape {quoted(shape)} of {dtype} is larger than any file")
    elements = 0 if 0 in shape else elements
    if elements * bits % 8:
        raise wrong(f"shape {quoted(shape)} of {dtype} does not fill whole bytes")
    if elements * bits // 8 != end - begin:
        raise wrong(
            f"shape {quoted(shape)} of {dtype} takes {elements * bits // 8} bytes, data_offsets "
            f"{offsets} hold {end - begin}"
        )
    return Entry(dtype, tuple(shape), data + begin, data + end)


def _is_size(value: object) -> bool:
    # Not isinstance: True is an int as well.
    return type(value) is int and 0 <= value <= _LARGEST


def _check_layout(entries: dict[str, Entry], data: int, size: int) -> dict[str, Entry]:
    """Check that the tensors fill the file from `data` to `size`; return them in that order."""
    ordered = sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end))
    position, previous = data, ""
    for name, entry in ordered:
        if entry.begin != position:
            what = (
                f"overlaps tensor {quoted(previous)}"
                if entry.begin < position
                else f"leaves a hole of {entry.begin - position} bytes before it"
            )
            raise WeightsError(f"tensor {quoted(name)} {what}: convert the weights again")
        if entry.end > size:
            raise WeightsError(
                f"the file is truncated: the header promises {max(e.end for _, e in ordered)} "
                f"bytes, the file has {size} and ends within tensor {quoted(name)}; copy it again"
            )
        position, previous = entry.end, name
    if position != size:
        raise WeightsError(
            f"{size - position} bytes follow the last tensor: the header promises {position} "
            f"bytes, the file has {size}; copy it again"
        )
    return dict(ordered)


def quoted(value: object) -> str:
    """Return the representation of something out of the header, cut where it gets long."""
    text = repr(value[:80] if isinstance(value, (str, list)) else value)
    return text if len(text) <= 100 else text[:100] + "…"
