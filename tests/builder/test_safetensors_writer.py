"""The safetensors writer against the library of the format's authors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors import safe_open
from safetensors.numpy import load_file

from builder import BuildError
from builder.clipseg.safetensors_writer import total_bytes, write_safetensors
from model_extension.common.safetensors import SafetensorsFile


def write(path: Path, tensors: dict[str, np.ndarray], dtype: str = "float32") -> Path:
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    write_safetensors(path, shapes, tensors.__getitem__, dtype=dtype, metadata={"format": "pt"})
    return path


floats = arrays.arrays(
    st.sampled_from(["<f2", "<f4", "<f8", ">f4", "i4"]),
    arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    elements={"min_value": -1000, "max_value": 1000},
)
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=10).filter("__metadata__".__ne__)


@given(st.dictionaries(names, floats, max_size=5), st.sampled_from(["float16", "float32"]))
@settings(max_examples=60, deadline=None)
def test_any_tensors_come_back(
    tmp_path_factory: pytest.TempPathFactory, tensors: dict[str, np.ndarray], dtype: str
) -> None:
    path = write(tmp_path_factory.getbasetemp() / "any.safetensors", tensors, dtype)
    theirs = load_file(path)
    assert set(theirs) == set(tensors)
    with SafetensorsFile(path) as ours:
        for name, tensor in tensors.items():
            expected = tensor.astype(dtype)
            assert theirs[name].dtype == expected.dtype
            np.testing.assert_array_equal(theirs[name], expected)
            np.testing.assert_array_equal(ours.tensor(name), expected)


def test_header(tmp_path: Path) -> None:
    tensors = {"b": np.ones((2, 3)), "a": np.zeros(5)}
    content = write(tmp_path / "x.safetensors", tensors, "float16").read_bytes()
    length = int.from_bytes(content[:8], "little")
    assert length % 8 == 0
    header = json.loads(content[8 : 8 + length])
    assert list(header) == ["__metadata__", "a", "b"]
    assert header["b"] == {"dtype": "F16", "shape": [2, 3], "data_offsets": [10, 22]}
    assert len(content) == 8 + length + total_bytes([(2, 3), (5,)], "float16")
    with safe_open(tmp_path / "x.safetensors", "np") as file:
        assert file.metadata() == {"format": "pt"}


@pytest.mark.parametrize(
    ("value", "dtype", "advice"),
    [
        (65520.0, "float16", "build with precision fp32"),
        (-1e30, "float16", "build with precision fp32"),
        (1e300, "float32", "the weights are broken"),
    ],
)
def test_too_large(tmp_path: Path, value: float, dtype: str, advice: str) -> None:
    with pytest.raises(BuildError, match=f"{dtype} cannot hold: {advice}"):
        write(tmp_path / "x.safetensors", {"w": np.array([0, value])}, dtype)


def test_the_largest_half(tmp_path: Path) -> None:
    """65519 still rounds to the largest number of half precision."""
    path = write(tmp_path / "x.safetensors", {"w": np.array([65504.0, 65519.0])}, "float16")
    assert load_file(path)["w"].tolist() == [65504.0, 65504.0]
