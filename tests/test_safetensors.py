"""The packaged reader of safetensors files against the safetensors library."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from model_extension.clipseg.errors import CLIPSegError, WeightsError
from model_extension.clipseg.safetensors import SafetensorsFile, open_safetensors
from model_extension.clipseg.safetensors_header import LARGEST_HEADER, MOST_DIMENSIONS, read_header

safetensors = pytest.importorskip("safetensors")
safetensors_numpy = pytest.importorskip("safetensors.numpy")

NUMPY_TYPES = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "U16": "uint16",
    "I16": "int16",
    "F16": "float16",
    "U32": "uint32",
    "I32": "int32",
    "F32": "float32",
    "U64": "uint64",
    "I64": "int64",
    "F64": "float64",
    "C64": "complex64",
}
OTHER_TYPES = {
    "F8_E4M3": 8,
    "F8_E4M3FNUZ": 8,
    "F8_E5M2": 8,
    "F8_E5M2FNUZ": 8,
    "F8_E8M0": 8,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "F4": 4,
}


def packed(header: object, data: bytes = b"") -> bytes:
    """Make the bytes of a file out of a header, or of the text of one, and the tensors' bytes."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(dtype: object, shape: object, *offsets: object) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": list(offsets)}


def written(folder: Path, content: bytes, name: str = "model.safetensors") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def values(dtype: str, shape: tuple[int, ...]) -> np.ndarray[Any, np.dtype[Any]]:
    count = int(np.prod(shape, dtype=int))
    raw = np.random.default_rng(1).integers(0, 256, count * np.dtype(dtype).itemsize, np.uint8)
    if dtype == "bool":
        raw %= 2
    return raw.view(dtype).reshape(shape)


# What it reads


@pytest.mark.parametrize("shape", [(3, 4), (), (0,), (2, 0, 3), (1, 1, 1, 5), (7,)])
def test_every_type_of_numpy(tmp_path: Path, shape: tuple[int, ...]) -> None:
    tensors = {f"t.{name}": values(dtype, shape) for name, dtype in NUMPY_TYPES.items()}
    path = tmp_path / "model.safetensors"
    safetensors_numpy.save_file(tensors, path, metadata={"format": "np"})
    with SafetensorsFile(path) as file:
        assert sorted(file.keys()) == sorted(tensors)
        assert file.metadata == {"format": "np"}
        for name, dtype in NUMPY_TYPES.items():
            expected = tensors[f"t.{name}"]
            tensor = file.tensor(f"t.{name}")
            assert file.dtype(f"t.{name}") == name
            assert file.shape(f"t.{name}") == tensor.shape == shape
            assert tensor.dtype == np.dtype(dtype)
            assert tensor.tobytes() == expected.tobytes()
            assert not tensor.flags.writeable


def test_every_bfloat16_becomes_the_same_float32(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    safetensors_torch = pytest.importorskip("safetensors.torch")
    bits = np.arange(2**16, dtype=np.uint16)
    tensor = torch.from_numpy(bits.view(np.int16)).view(torch.bfloat16).reshape(256, 256)
    path = tmp_path / "model.safetensors"
    safetensors_torch.save_file(
        {"b": tensor, "empty": tensor[:0].clone(), "one": tensor[1, 1].clone()}, path
    )
    with SafetensorsFile(path) as file:
        assert file.dtype("b") == "BF16"
        widened = file.tensor("b")
        assert widened.dtype == np.float32
        assert widened.shape == (256, 256)
        assert (widened.view(np.uint32).ravel() == bits.astype(np.uint32) << 16).all()
        assert not widened.flags.writeable
        assert file.tensor("empty").shape == (0, 256)
        assert file.tensor("one").shape == ()
        assert np.array_equal(widened, tensor.float().numpy(), equal_nan=True)


@settings(max_examples=60, deadline=None)
@given(
    shapes=st.dictionaries(
        st.text(max_size=12).filter(lambda name: name != "__metadata__"),
        st.tuples(
            st.sampled_from(sorted(NUMPY_TYPES.values())),
            st.lists(st.integers(0, 4), max_size=4).map(tuple),
        ),
        max_size=8,
    ),
    # The library itself writes nonsense for no tensors and empty metadata.
    metadata=st.none()
    | st.dictionaries(st.text(max_size=5), st.text(max_size=5), min_size=1, max_size=3),
)
@example(shapes={'ünï.水 🌳\0\n"\\': ("float16", (2,))}, metadata={"": "", "🌳": "\u2028"})
def test_what_the_library_writes(
    tmp_path_factory: pytest.TempPathFactory,
    shapes: dict[str, tuple[str, tuple[int, ...]]],
    metadata: dict[str, str] | None,
) -> None:
    tensors = {name: values(dtype, shape) for name, (dtype, shape) in shapes.items()}
    path = tmp_path_factory.mktemp("written") / "model.safetensors"
    path.write_bytes(safetensors_numpy.save(tensors, metadata))
    with SafetensorsFile(path) as file:
        assert len(file) == len(tensors)
        assert set(file) == set(tensors)
        assert file.metadata == (metadata or {})
        for name, expected in tensors.items():
            assert name in file
            tensor = file.tensor(name)
            assert tensor.shape == expected.shape
            assert tensor.dtype == expected.dtype
            assert tensor.tobytes() == expected.tobytes()


@pytest.mark.parametrize("name", OTHER_TYPES)
def test_types_that_numpy_lacks_open_and_do_not_read(tmp_path: Path, name: str) -> None:
    size = 8 * OTHER_TYPES[name] // 8
    header = {"x": entry(name, [2, 4], 0, size), "y": entry("U8", [1], size, size + 1)}
    with SafetensorsFile(written(tmp_path, packed(header, bytes(size) + b"\7"))) as file:
        assert file.dtype("x") == name
        assert file.shape("x") == (2, 4)
        assert file.tensor("y").tolist() == [7]
        with pytest.raises(WeightsError, match=f"tensor 'x' has the type {name}.*F16"):
            file.tensor("x")


def test_names_are_in_the_order_of_their_bytes(tmp_path: Path) -> None:
    header = {
        "last": entry("U8", [1], 2, 3),
        "first": entry("U8", [2], 0, 2),
        "none": entry("U8", [0], 2, 2),
    }
    with SafetensorsFile(written(tmp_path, packed(header, b"abc"))) as file:
        assert file.keys() == ["first", "none", "last"]
        assert file.tensor("first").tobytes() == b"ab"
        assert file.tensor("last").tobytes() == b"c"


def test_no_tensors_at_all(tmp_path: Path) -> None:
    with SafetensorsFile(written(tmp_path, packed({}))) as file:
        assert file.keys() == []
        assert file.metadata == {}


def test_padding_of_the_header(tmp_path: Path) -> None:
    text = json.dumps({"x": entry("U8", [1], 0, 1)}).encode() + b"   "
    assert SafetensorsFile(written(tmp_path, packed(text, b"a"))).tensor("x").tolist() == [97]


def test_tensors_are_views_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    safetensors_numpy.save_file({"x": np.arange(6, dtype=np.float32).reshape(2, 3)}, path)
    with SafetensorsFile(path) as file:
        tensor = file.tensor("x")
        assert not tensor.flags.owndata
        assert tensor.flags.aligned
        with path.open("r+b") as other:
            other.seek(-4, os.SEEK_END)
            other.write(np.float32(42).tobytes())
        assert tensor[1, 2] == 42
        with pytest.raises(ValueError, match="read-only"):
            tensor[0, 0] = 1


@pytest.mark.parametrize("spaces", range(8))
def test_tensors_are_aligned_wherever_the_file_has_them(tmp_path: Path, spaces: int) -> None:
    text = json.dumps({"x": entry("F64", [2], 0, 16)}).encode() + b" " * spaces
    data = np.array([1.5, -2.5]).tobytes()
    with SafetensorsFile(written(tmp_path, packed(text, data))) as file:
        tensor = file.tensor("x")
    assert tensor.flags.aligned
    assert not tensor.flags.writeable
    assert tensor.tolist() == [1.5, -2.5]


def test_arrays_outlive_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, packed({"x": entry("U8", [3], 0, 3)}, b"abc"))
    with SafetensorsFile(path) as file:
        tensor = file.tensor("x")
    assert tensor.tobytes() == b"abc"
    assert file.keys() == ["x"]
    assert file.shape("x") == (3,)
    file.close()
    with pytest.raises(WeightsError, match="is closed"):
        file.tensor("x")


def test_open_safetensors(tmp_path: Path) -> None:
    path = written(tmp_path, packed({"x": entry("U8", [1], 0, 1)}, b"a"))
    for form in (path, str(path)):
        with open_safetensors(form) as file:
            assert file.path == str(path)
            assert file.tensor("x").tolist() == [97]


def test_unknown_name(tmp_path: Path) -> None:
    with SafetensorsFile(written(tmp_path, packed({}))) as file:
        assert "x" not in file
        for method in (file.shape, file.dtype, file.tensor):
            with pytest.raises(WeightsError, match=r"model.safetensors: there is no tensor 'x'"):
                method("x")


class Watched(io.BytesIO):
    """A file that remembers how far it was read."""

    furthest = 0

    def read(self, size: int | None = -1, /) -> bytes:
        result = super().read(size)
        self.furthest = max(self.furthest, self.tell())
        return result


def test_the_header_is_all_that_opening_reads() -> None:
    content = packed({"x": entry("U8", [100_000], 0, 100_000)}, bytes(100_000))
    file = Watched(content)
    entries, _ = read_header(file, len(content))
    assert entries["x"].end == len(content)
    assert file.furthest == len(content) - 100_000


def test_a_large_file(tmp_path: Path) -> None:
    # It is full of holes and takes no room on the disk.
    size = 3 * 2**30
    text = json.dumps({"x": entry("F16", [size // 2], 0, size)}).encode()
    path = written(tmp_path, packed(text + b" " * (-len(text) % 8)))
    with path.open("r+b") as file:
        start = file.seek(0, os.SEEK_END)
        file.truncate(start + size)
        file.seek(-2, os.SEEK_END)
        file.write(np.float16(0.5).tobytes())
    with SafetensorsFile(path) as opened:
        tensor = opened.tensor("x")
        assert tensor.shape == (size // 2,)
        assert tensor[-1] == 0.5
        assert tensor[0] == 0


# What it refuses


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


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"none.safetensors: there is no such file"):
        SafetensorsFile(tmp_path / "none.safetensors")


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such file"):
        SafetensorsFile(tmp_path / "none" / "model.safetensors")


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="this is a folder"):
        SafetensorsFile(tmp_path)


def test_file_in_place_of_a_folder(tmp_path: Path) -> None:
    path = written(tmp_path, b"")
    with pytest.raises(WeightsError, match="cannot be read"):
        SafetensorsFile(path / "model.safetensors")


def test_impossible_path() -> None:
    with pytest.raises(WeightsError, match="cannot be read"):
        SafetensorsFile("a\0b")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(WeightsError, match="not a regular file"):
        SafetensorsFile(tmp_path / "pipe")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads anything")
def test_file_without_permission(tmp_path: Path) -> None:
    path = written(tmp_path, packed({}))
    path.chmod(0)
    with pytest.raises(WeightsError, match="cannot be read"):
        SafetensorsFile(path)


def test_errors_are_value_errors() -> None:
    assert issubclass(WeightsError, CLIPSegError)
    assert issubclass(CLIPSegError, ValueError)


# Damage: a WeightsError or the same answer as the library's, and nothing else


GOOD = packed(
    {
        "__metadata__": {"format": "pt", "水": "🌳"},
        "a.weight": entry("F16", [2, 3], 0, 12),
        "b": entry("BOOL", [], 12, 13),
        "c": entry("BF16", [3], 13, 19),
        "empty": entry("I64", [0, 5], 19, 19),
        "d": entry("F8_E5M2", [2], 19, 21),
    },
    bytes(range(12)) + b"\1" + bytes(range(8)),
)


def judge(path: Path, content: bytes) -> None:
    """Open a file; where that works, the library reads the same out of it."""
    path.write_bytes(content)
    try:
        file = SafetensorsFile(path)
    except WeightsError:
        return
    with file:
        theirs = dict(safetensors.deserialize(content))
        assert set(file) == set(theirs)
        for name in file:
            assert list(file.shape(name)) == list(theirs[name]["shape"])
            assert file.dtype(name) == theirs[name]["dtype"]
            try:
                tensor = file.tensor(name)
            except WeightsError:
                continue
            if file.dtype(name) != "BF16":
                assert tensor.tobytes() == bytes(theirs[name]["data"])


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged") / "model.safetensors"


fuzzing = settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@fuzzing
@given(
    changes=st.lists(
        st.tuples(st.integers(0, len(GOOD) - 1), st.binary(max_size=3), st.integers(0, 3)),
        max_size=4,
    )
)
@example(changes=[])
def test_changed_bytes(scratch: Path, changes: list[tuple[int, bytes, int]]) -> None:
    content = GOOD
    for position, new, removed in changes:
        content = content[:position] + new + content[position + removed :]
    judge(scratch, content)


@fuzzing
@given(st.binary(max_size=40) | st.binary(max_size=40).map(lambda text: packed(b"{" + text + b"}")))
def test_any_bytes(scratch: Path, content: bytes) -> None:
    judge(scratch, content)


def test_cut_anywhere(scratch: Path) -> None:
    for size in range(len(GOOD)):
        scratch.write_bytes(GOOD[:size])
        with pytest.raises(WeightsError):
            SafetensorsFile(scratch)


SIZES = st.integers(-1, 4) | st.sampled_from([2**31, 2**32, 2**62, 2**63, 2**64, 2**64 + 1, 10**30])
JUNK = st.recursive(
    st.none() | st.booleans() | SIZES | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
ENTRIES = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from([*NUMPY_TYPES, *OTHER_TYPES, "BF16"]) | JUNK,
        "shape": st.lists(SIZES, max_size=4) | JUNK,
        "data_offsets": st.tuples(SIZES, SIZES) | JUNK,
    },
    optional={"extra": JUNK},
)


@fuzzing
@given(
    header=st.dictionaries(
        st.sampled_from(["x", "y", "__metadata__"]) | st.text(max_size=3),
        ENTRIES | JUNK,
        max_size=4,
    ),
    data=st.binary(max_size=16),
)
def test_headers_of_all_kinds(scratch: Path, header: dict[str, Any], data: bytes) -> None:
    judge(scratch, packed(header, data))


@fuzzing
@given(
    parts=st.lists(
        st.tuples(
            st.sampled_from([*NUMPY_TYPES, *OTHER_TYPES, "BF16"]),
            st.lists(st.integers(0, 3), max_size=3),
            st.integers(-1, 1),
            st.integers(-1, 1),
        ),
        max_size=4,
    ),
    more=st.integers(-1, 1),
)
def test_headers_that_are_almost_right(
    scratch: Path, parts: list[tuple[str, list[int], int, int]], more: int
) -> None:
    header, position = {}, 0
    for number, (dtype, shape, before, behind) in enumerate(parts):
        bits = OTHER_TYPES.get(dtype) or 8 * np.dtype(NUMPY_TYPES.get(dtype, "u2")).itemsize
        begin = position + (before if number % 2 else 0)
        position += int(np.prod(shape, dtype=int)) * bits // 8
        header[f"t{number}"] = entry(dtype, shape, begin, position + (behind if number > 2 else 0))
    judge(scratch, packed(header, bytes(max(position + more, 0))))
