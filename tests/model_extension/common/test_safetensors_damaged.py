"""Damaged safetensors files: an error or the same answer as the library's, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from model_extension.common.errors import WeightsError
from model_extension.common.safetensors import SafetensorsFile
from tests.support.safetensors_bytes import NUMPY_TYPES, OTHER_TYPES, entry, packed

safetensors = pytest.importorskip("safetensors")


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
        assert set(file.keys()) == set(theirs)
        for name in file.keys():
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
