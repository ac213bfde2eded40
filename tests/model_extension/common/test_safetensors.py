"""The packaged reader of safetensors files against the safetensors library: what it reads."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model_extension.common.errors import WeightsError
from model_extension.common.safetensors import SafetensorsFile
from model_extension.common.safetensors_header import read_header
from tests.support.safetensors_bytes import NUMPY_TYPES, OTHER_TYPES, entry, packed, written

safetensors_numpy = pytest.importorskip("safetensors.numpy")


def values(dtype: str, shape: tuple[int, ...]) -> np.ndarray[Any, np.dtype[Any]]:
    count = int(np.prod(shape, dtype=int))
    raw = np.random.default_rng(1).integers(0, 256, count * np.dtype(dtype).itemsize, np.uint8)
    if dtype == "bool":
        raw %= 2
    return raw.view(dtype).reshape(shape)


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
        assert len(file.keys()) == len(tensors)
        assert set(file.keys()) == set(tensors)
        assert file.metadata == (metadata or {})
        for name, expected in tensors.items():
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


def test_paths_of_both_kinds(tmp_path: Path) -> None:
    path = written(tmp_path, packed({"x": entry("U8", [1], 0, 1)}, b"a"))
    for form in (path, str(path)):
        with SafetensorsFile(form) as file:
            assert file.path == str(path)
            assert file.tensor("x").tolist() == [97]


def test_unknown_name(tmp_path: Path) -> None:
    with SafetensorsFile(written(tmp_path, packed({}))) as file:
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
