"""The packaged reader of safetensors files: what it refuses, and what it says of it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from model_extension.common.errors import CLIPSegError, WeightsError
from model_extension.common.safetensors import SafetensorsFile
from model_extension.common.safetensors_header import LARGEST_HEADER, MOST_DIMENSIONS
from tests.support.safetensors_bytes import entry, packed, written

X = entry("U8", [4], 0, 4)
FIVE = "9" * 5000
REFUSED: dict[str, tuple[bytes, str]] = {
    "header-beyond-limit": (
        (LARGEST_HEADER + 1).to_bytes(8, "little") + b"{}",
        "header would have 100000001 bytes, at most 100000000",
    ),
    "header-of-all-bytes": (b"\xff" * 8 + b"{}", "header would have 18446744073709551615"),
    "header-beyond-file": (
        (50).to_bytes(8, "little") + b"{}",
        "truncated: the header alone ends at byte 58, the file has 10; copy it again",
    ),
    "header-one-beyond-file": (
        (3).to_bytes(8, "little") + b"{}",
        "truncated: the header alone ends at byte 11, the file has 10",
    ),
    "header-at-limit-beyond-file": (
        LARGEST_HEADER.to_bytes(8, "little") + b"{}",
        "header alone ends at byte 100000008",
    ),
    "header-empty": (packed(b""), "starts with b''"),
    "header-array": (packed(b"[]"), r"starts with b'\['"),
    "header-after-space": (packed(b" {}"), "starts with b' '"),
    "header-after-mark": (packed(b"\xef\xbb\xbf{}"), "starts with b"),
    "header-not-json": (packed(b"{]"), "not valid JSON"),
    "header-unfinished": (packed(b'{"x": {'), "not valid JSON"),
    "header-twice": (packed(b"{}{}"), "not valid JSON"),
    "header-not-utf8": (packed(b'{"\xff": 1}'), r"not UTF-8 \(byte 10 of the file\)"),
    "header-deep": (packed(b'{"x":' + b"[" * 200_000), "header is not"),
    "header-nan": (packed(b'{"x": NaN}'), "header holds NaN"),
    "header-minus-zero": (
        packed(json.dumps({"x": X}).replace("[0, 4]", "[-0, 4]").encode(), b"abcd"),
        "the number -0",
    ),
    "header-long-number": (packed(f'{{"x": {FIVE}}}'.encode()), "the number 9999"),
    "name-twice": (
        packed(b'{"x": 1, "x": 1}', b"abcd"),
        "the key 'x' twice",
    ),
    "field-twice": (packed(b'{"x": {"dtype": "U8", "dtype": "U8"}}'), "the key 'dtype' twice"),
    "metadata-twice": (packed(b'{"__metadata__": {}, "__metadata__": {}}'), "twice"),
    "name-half-surrogate": (packed(b'{"\\ud800": {}}'), "surrogate"),
    "metadata-half-surrogate": (packed({"__metadata__": {"a": "\ud800"}}), "surrogate"),
    "metadata-array": (packed({"__metadata__": []}), "must be an object of strings"),
    "metadata-null": (packed({"__metadata__": None}), "must be an object of strings"),
    "metadata-number": (packed({"__metadata__": {"a": 1}}), "value of 'a' is not a string"),
    "metadata-object": (packed({"__metadata__": {"a": {}}}), "value of 'a' is not a string"),
    "entry-null": (packed({"x": None}), "tensor 'x': its entry must be an object"),
    "entry-array": (packed({"x": [1]}), "tensor 'x': its entry must be an object"),
    "entry-without-dtype": (packed({"x": {"shape": [0], "data_offsets": [0, 0]}}), "exactly dtype"),
    "entry-without-shape": (
        packed({"x": {"dtype": "U8", "data_offsets": [0, 0]}}),
        "exactly dtype, shape",
    ),
    "entry-without-offsets": (packed({"x": {"dtype": "U8", "shape": [0]}}), "exactly dtype"),
    "entry-with-more": (packed({"x": {**X, "more": 1}}, b"abcd"), "exactly dtype"),
    "dtype-unknown": (packed({"x": entry("F128", [0], 0, 0)}), "unknown dtype 'F128'; known are"),
    "dtype-lower-case": (packed({"x": entry("u8", [0], 0, 0)}), "unknown dtype 'u8'"),
    "dtype-number": (packed({"x": entry(8, [0], 0, 0)}), "unknown dtype 8"),
    "dtype-array": (packed({"x": entry([], [0], 0, 0)}), r"unknown dtype \[\]"),
    "shape-number": (packed({"x": entry("U8", 4, 0, 4)}, b"abcd"), "shape 4 is not a list"),
    "shape-negative": (packed({"x": entry("U8", [-4], 0, 4)}, b"abcd"), r"shape \[-4\] is not"),
    "shape-two-negatives": (packed({"x": entry("U8", [-2, -2], 0, 4)}, b"abcd"), "shape"),
    "shape-float": (packed({"x": entry("U8", [4.0], 0, 4)}, b"abcd"), r"shape \[4.0\] is not"),
    "shape-true": (packed({"x": entry("U8", [True], 0, 1)}, b"a"), r"shape \[True\] is not"),
    "shape-string": (packed({"x": entry("U8", ["4"], 0, 4)}, b"abcd"), "shape"),
    "shape-beyond-64-bits": (packed({"x": entry("U8", [2**63, 0], 0, 0)}), "shape"),
    "shape-overflows": (packed({"x": entry("U8", [2**32, 2**32], 0, 0)}), "larger than any file"),
    "shape-overflows-beside-zero": (
        packed({"x": entry("U8", [2**40, 0, 2**40], 0, 0)}),
        "larger than any file",
    ),
    "shape-overflows-in-bytes": (packed({"x": entry("F64", [2**61], 0, 0)}), "larger than any"),
    "shape-of-many": (
        packed({"x": entry("U8", [1] * (MOST_DIMENSIONS + 1), 0, 1)}, b"a"),
        "33 dimensions",
    ),
    "shape-of-half-bytes": (packed({"x": entry("F4", [3], 0, 1)}, b"a"), "whole bytes"),
    "offsets-number": (packed({"x": {**X, "data_offsets": 4}}, b"abcd"), "data_offsets 4 is not"),
    "offsets-three": (packed({"x": entry("U8", [4], 0, 4, 4)}, b"abcd"), "not a pair"),
    "offsets-one": (packed({"x": entry("U8", [4], 0)}, b"abcd"), "not a pair"),
    "offsets-negative": (packed({"x": entry("U8", [4], -4, 0)}, b"abcd"), "not a pair"),
    "offsets-float": (packed({"x": entry("U8", [4], 0, 4.0)}, b"abcd"), "not a pair"),
    "offsets-backwards": (packed({"x": entry("U8", [4], 4, 0)}, b"abcd"), "end before they begin"),
    "size-too-small": (
        packed({"x": entry("F32", [2], 0, 4)}, b"abcd"),
        r"tensor 'x': shape \[2\] of F32 takes 8 bytes, data_offsets \[0, 4\] hold 4",
    ),
    "size-too-large": (packed({"x": entry("U8", [3], 0, 4)}, b"abcd"), "takes 3 bytes"),
    "size-of-scalar": (packed({"x": entry("U8", [], 0, 4)}, b"abcd"), "takes 1 bytes"),
    "size-of-nothing": (packed({"x": entry("U8", [0], 0, 4)}, b"abcd"), "takes 0 bytes"),
    "overlap": (
        packed({"x": X, "y": entry("U8", [4], 2, 6)}, b"abcdef"),
        "tensor 'y' overlaps tensor 'x'",
    ),
    "overlap-whole": (packed({"x": X, "y": X}, b"abcd"), "overlaps"),
    "overlap-by-nothing": (
        packed({"x": X, "y": entry("U8", [0], 2, 2)}, b"abcd"),
        "tensor 'y' overlaps tensor 'x'",
    ),
    "hole-before": (
        packed({"x": entry("U8", [4], 3, 7)}, b"abcdefg"),
        "tensor 'x' leaves a hole of 3 bytes",
    ),
    "hole-between": (
        packed({"x": X, "y": entry("U8", [1], 5, 6)}, b"abcdef"),
        "tensor 'y' leaves a hole of 1 bytes",
    ),
    "truncated": (
        packed({"x": X, "y": entry("U8", [4], 4, 8)}, b"abcdef"),
        "truncated: the header promises 13[0-9] bytes, the file has 13[0-9] and ends within "
        "tensor 'y'; copy it again",
    ),
    "all-data-gone": (packed({"x": X}), "truncated.*within tensor 'x'"),
    "more-behind": (packed({"x": X}, b"abcde"), "1 bytes follow the last tensor"),
    "behind-nothing": (packed({}, b"a"), "1 bytes follow"),
    "git-lfs": (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS pointer"),
    "zip": (b"PK\x03\x04" + bytes(range(60)), "zip archive"),
    "pickle": (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "pickle"),
    "web-page": (b"<!DOCTYPE html><html>404", "web page"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(tmp_path: Path, case: str) -> None:
    content, message = REFUSED[case]
    path = written(tmp_path, content)
    with pytest.raises(WeightsError, match=message) as caught:
        SafetensorsFile(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value)) < 600


def test_cases_refused_are_one_step_from_a_good_file(tmp_path: Path) -> None:
    header = {"x": X, "y": entry("F32", [], 4, 8), "__metadata__": {"a": "b"}}
    with SafetensorsFile(written(tmp_path, packed(header, bytes(8)))) as file:
        assert file.keys() == ["x", "y"]


@pytest.mark.parametrize("size", range(9))
def test_tiny_files(tmp_path: Path, size: int) -> None:
    for byte in (b"\0", b"\1", b"{", b"\xff"):
        with pytest.raises(WeightsError, match=r"model.safetensors: "):
            SafetensorsFile(written(tmp_path, byte * size))


def test_truth_is_0_or_1(tmp_path: Path) -> None:
    header = {"x": entry("BOOL", [3], 0, 3)}
    with SafetensorsFile(written(tmp_path, packed(header, b"\0\1\1"))) as file:
        assert file.tensor("x").tolist() == [False, True, True]
    file = SafetensorsFile(written(tmp_path, packed(header, b"\0\1\2")))
    with file, pytest.raises(WeightsError, match="'x' is BOOL"):
        file.tensor("x")


def test_long_names_are_cut_in_messages(tmp_path: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        SafetensorsFile(written(tmp_path, packed({"x" * 100_000: None})))
    assert len(str(caught.value)) < 600


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"")
    for path, words in (
        (tmp_path / "none.safetensors", "none.safetensors: there is no such file"),
        (tmp_path / "none" / "model.safetensors", "no such file"),
        (tmp_path, "this is a folder"),
        (tmp_path / "file" / "model.safetensors", "cannot be read"),
        ("a\0b", "cannot be read"),
        (tmp_path / "pipe", "not a regular file"),
    ):
        with pytest.raises(WeightsError, match=words):
            SafetensorsFile(path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads anything")
def test_file_without_permission(tmp_path: Path) -> None:
    path = written(tmp_path, packed({}))
    path.chmod(0)
    with pytest.raises(WeightsError, match="cannot be read"):
        SafetensorsFile(path)


def test_errors_are_value_errors() -> None:
    assert issubclass(WeightsError, CLIPSegError)
    assert issubclass(CLIPSegError, ValueError)
