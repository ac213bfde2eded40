"""Weights that are pickles: judged by their opcodes, never loaded."""

from __future__ import annotations

import collections
import datetime
import io
import os
import pickle
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpk.weights.opcodes import MAX_OPCODES, Global, Window, read_pickles
from dlpk.weights.pickles import dangerous, harmless
from tests.support.functions_text import judge, rules

MARKER = "i-was-run"


class Runs:
    """Runs a program when it is loaded."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {MARKER}",)


class Evaluates:
    """Runs Python when it is loaded."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return eval, (f"open({MARKER!r}, 'w')",)


class Carries:
    """Loads another file of torch that is in it as bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __reduce__(self) -> tuple[Callable[[bytes], Any], tuple[bytes]]:
        return torch.storage._load_from_bytes, (self.data,)


class Network(torch.nn.Module):
    """Something whose class has to be importable."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 2, 1)
        self.norm = torch.nn.BatchNorm2d(2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.norm(self.layer(image)))


def saved(value: object, *, new: bool = True) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=new)
    return file.getvalue()


def checkpoint() -> dict[str, Any]:
    network = Network()
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.zeros(2, 3, 4, 4)).sum().backward()
    optimizer.step()
    return {
        "model": network.state_dict(),
        "opt": optimizer.state_dict(),
        "epoch": 3,
        "classes": ["water", "land"],
        "scores": np.arange(3.0),
        "best": np.float64(0.5),
        "when": datetime.datetime(2026, 1, 1),
        "counts": collections.Counter("abca"),
        "half": torch.zeros(2).half(),
        "whole": torch.arange(3),
        "parameter": torch.nn.Parameter(torch.zeros(2)),
        "size": torch.Size([1, 2]),
        "type": torch.float16,
        "device": torch.device("cpu"),
    }


def found(tmp_path: Path, data: bytes, name: str = "lakes.pth") -> list[str]:
    report = judge(tmp_path, emd={"ModelFile": name}, files={name: data})
    return rules(report)


@pytest.mark.parametrize("new", [True, False])
def test_tensors_alone_are_fine(new: bool, tmp_path: Path) -> None:
    assert found(tmp_path, saved(Network().state_dict(), new=new)) == []
    assert found(tmp_path, saved(checkpoint(), new=new)) == []


@pytest.mark.parametrize("protocol", range(6))
def test_plain_pickles_of_tensors_and_arrays_are_fine(protocol: int, tmp_path: Path) -> None:
    value = {"a": torch.zeros(3), "b": np.ones((2, 2)), "c": {"d": [1, 2.0, "x", None, b"y"]}}
    assert found(tmp_path, pickle.dumps(value, protocol), "lakes.pkl") == []


def test_torchscript_is_fine(tmp_path: Path) -> None:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch would rather have something else saved
        torch.jit.save(torch.jit.trace(Network().eval(), torch.zeros(1, 3, 4, 4)), file)
    assert found(tmp_path, file.getvalue(), "lakes.pt") == []


@pytest.mark.parametrize("new", [True, False])
def test_whole_networks_need_their_classes(new: bool, tmp_path: Path) -> None:
    data = saved(Network(), new=new)
    report = judge(tmp_path, emd={"ModelFile": "lakes.pth"}, files={"lakes.pth": data})
    (finding,) = report.findings
    assert finding.rule == "weights/pickle-classes"
    assert "test_check_pickle.Network" in finding.message


@pytest.mark.parametrize("evil", [Runs(), Evaluates()])
@pytest.mark.parametrize("new", [True, False])
def test_code_in_weights_is_found_and_not_run(
    evil: object, new: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    state = {"layer": torch.zeros(2), "x": [{"y": evil}]}
    assert found(tmp_path / "a", saved(state, new=new)) == ["weights/pickle-runs-code"]
    for protocol in range(6):
        data = pickle.dumps(state["x"], protocol)
        assert found(tmp_path / f"b{protocol}", data, "x.pkl") == ["weights/pickle-runs-code"]
    assert not Path(MARKER).exists()


@pytest.mark.parametrize("new", [True, False])
def test_code_in_a_file_within_a_pickle_is_found(new: bool, tmp_path: Path) -> None:
    data = pickle.dumps({"a": Carries(saved(Runs(), new=new))})
    assert found(tmp_path, data, "lakes.pkl") == ["weights/pickle-runs-code"]


def test_code_in_any_file_of_the_package_is_found(tmp_path: Path) -> None:
    files = {"more/second.bin": pickle.dumps(Runs()), "third.ckpt": saved(Runs())}
    report = judge(tmp_path, files=files)
    assert [finding.file for finding in report.errors] == [
        "third.ckpt/archive/data.pkl",
        "more/second.bin",
    ]


def test_code_in_a_later_pickle_is_found(tmp_path: Path) -> None:
    data = pickle.dumps([1]) + pickle.dumps({"a": 2}) + pickle.dumps(Runs(), 0)
    assert found(tmp_path, data, "lakes.pkl") == ["weights/pickle-runs-code"]


OS = b"\x8c\x02os"
SYSTEM = b"\x8c\x06system"


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x04" + OS + SYSTEM + b"\x93\x8c\x01x\x85R.",
        b"\x80\x04" + OS + b"\x94" + SYSTEM + b"\x940" + b"0h\x00h\x01\x93\x8c\x01x\x85R.",
        b"\x80\x04" + OS + b"q\x05" + SYSTEM + b"q\x0600h\x05h\x06\x93.",
        b"\x80\x04" + OS + b"p5\n" + SYSTEM + b"p6\n00g5\ng6\n\x93.",
        b"\x80\x04(" + OS + SYSTEM + b"1" + OS + SYSTEM + b"\x93.",
        b"\x80\x04X\x02\x00\x00\x00osX\x06\x00\x00\x00system\x93.",
        b"\x80\x04\x8d\x02\x00\x00\x00\x00\x00\x00\x00osU\x06system\x93.",
        b"\x80\x04V\\u006fs\nVsystem\n\x93.",
        b"S'\\x6fs'\nS\"system\"\n\x93.",
        b"cos\nsystem\n(S'x'\ntR.",
        b"(S'x'\nios\nsystem\n.",
        b"(cos\nsystem\nS'x'\no.",
        b"\x80\x02cos\nsystem\n)\x81.",
        b"\x80\x04\x8c\x05torch\x8c\tos.system\x93.",
        b"\x80\x04\x8c\x0bcollections\x8c\x19OrderedDict.__class__.mro\x93.",
        b"\x80\x02ctorch.hub\nload\n)R.",
        b"\x80\x02cbuiltins\ngetattr\ncos\nsystem\nX\x0b\x00\x00\x00__globals__\x86R.",
        b"\x80\x02c__builtin__\ngetattr\nX\x0b\x00\x00\x00__globals__0.",
    ],
)
def test_ways_to_hide_are_seen_through(data: bytes, tmp_path: Path) -> None:
    assert "weights/pickle-runs-code" in found(tmp_path, data, "lakes.pkl")


@pytest.mark.parametrize("data", [b"\x80\x04" + OS + b")\x93.", b"\x80\x02\x82\x01."])
def test_names_worked_out_are_suspicious(data: bytes, tmp_path: Path) -> None:
    assert "weights/pickle-hidden-name" in found(tmp_path, data, "lakes.pkl")


@pytest.mark.parametrize(
    ("module", "name", "verdict"),
    [
        ("torch._utils", "_rebuild_tensor_v2", "harmless"),
        ("collections", "OrderedDict", "harmless"),
        ("torch", "FloatStorage", "harmless"),
        ("numpy.core.multiarray", "_reconstruct", "harmless"),
        ("builtins", "set", "harmless"),
        ("__torch__.lakes", "UNet", "harmless"),
        ("builtins", "getattr", "unknown"),
        ("functools", "partial", "unknown"),
        ("pathlib", "PosixPath", "unknown"),
        ("lakes.network", "UNet", "unknown"),
        ("__main__", "UNet", "unknown"),
        ("lakes", "Outer.Inner", "unknown"),
        ("posix", "system", "dangerous"),
        ("os.path", "join", "dangerous"),
        ("subprocess", "Popen", "dangerous"),
        ("builtins", "exec", "dangerous"),
        ("importlib", "import_module", "dangerous"),
        ("runpy", "run_path", "dangerous"),
        ("numpy", "load", "dangerous"),
        ("torch.utils.cpp_extension", "load_inline", "dangerous"),
        ("lakes", "os.system", "dangerous"),
        ("lakes", "f.__globals__", "dangerous"),
    ],
)
def test_verdicts(module: str, name: str, verdict: str) -> None:
    item = Global(module, name, 0)
    assert harmless(item) is (verdict == "harmless")
    assert dangerous(item) is (verdict == "dangerous")


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_cut_weights_are_damaged(new: bool, part: float, tmp_path: Path) -> None:
    # Of old files only the pickles are read, and the raw data behind them are most of the file.
    state = {f"layer{i}": torch.zeros(1) for i in range(200)}
    data = saved(state, new=new)
    assert found(tmp_path, data[: int(len(data) * part)]) == ["weights/damaged"]


def test_zip_that_is_not_of_torch_is_left_alone(tmp_path: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("data/0", bytes(100))
    assert found(tmp_path, file.getvalue()) == []


def test_compressed_entries_are_looked_into(tmp_path: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("lakes/data.pkl", pickle.dumps(Runs()))
    assert found(tmp_path, file.getvalue()) == ["weights/pickle-runs-code"]


def test_arrays_of_objects_are_pickles(tmp_path: Path) -> None:
    numbers, objects = np.arange(3.0), np.array([Runs()], dtype=object)
    plain, evil, both = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.save(plain, numbers)
    np.save(evil, objects, allow_pickle=True)
    np.savez(both, a=numbers, b=objects)
    assert found(tmp_path / "a", plain.getvalue(), "lakes.npy") == []
    assert found(tmp_path / "b", evil.getvalue(), "lakes.npy") == ["weights/pickle-runs-code"]
    assert found(tmp_path / "c", both.getvalue(), "lakes.npz") == ["weights/pickle-runs-code"]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("lakes.h5", b"\x89HDF\r\n\x1a\n" + bytes(100)),
        ("lakes.onnx", b"\x08\x07\x12\x07pytorch"),
        ("lakes.tflite", b"\x1c\x00\x00\x00TFL3" + bytes(50)),
        ("lakes.pb", b"\n\x10\x08\x01"),
        ("lakes.bin", b"\x80\x03 raw numbers, whatever they begin with"),
        ("lakes.npy", b"\x93NUMPY\x01\x00"),
    ],
)
def test_other_formats_are_left_alone(name: str, data: bytes, tmp_path: Path) -> None:
    assert found(tmp_path, data, name) == []


def test_large_arrays_are_not_read_into_memory(tmp_path: Path) -> None:
    size = 3 << 30
    path = tmp_path / "lakes.pkl"
    with path.open("wb") as file:  # most of it is a hole
        file.write(b"\x80\x04\x8e" + size.to_bytes(8, "little"))
        file.seek(size, os.SEEK_CUR)
        file.write(b"0" + pickle.dumps(Runs()))
    tracemalloc.start()
    with path.open("rb") as file:
        read = read_pickles(Window(file, 0, path.stat().st_size))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [str(item) for item in read.globals] == [f"{os.system.__module__}.system"]
    assert peak < 1 << 20


def test_endless_pickles_end() -> None:
    data = b"\x80\x02" + b"N0" * MAX_OPCODES
    read = read_pickles(Window(io.BytesIO(data), 0, len(data)))
    assert not read.complete


@pytest.mark.parametrize("size", [b"\xff" * 8, b"\xff\xff\xff\xff\xff\xff\xff\x7f"])
def test_announced_sizes_are_not_believed(size: bytes) -> None:
    data = b"\x80\x04\x8e" + size + b"abc."
    read = read_pickles(Window(io.BytesIO(data), 0, len(data)))
    assert read.problem


SEEDS = [
    pickle.dumps({"a": [1, 2.5, "x", (None, True)], "b": {1, 2}, "c": b"y"}, protocol)
    for protocol in range(6)
] + [saved({"a": torch.zeros(2)}, new=False), pickle.dumps(Carries(saved([1])))]


@settings(max_examples=400)
@given(st.data())
def test_broken_pickles_are_no_crash(data: st.DataObject) -> None:
    broken = bytearray(data.draw(st.sampled_from(SEEDS)))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, max(len(broken) - 1, 0)))
        kind = data.draw(st.sampled_from(["set", "cut", "insert"]))
        if kind == "cut":
            del broken[at:]
        elif kind == "insert":
            broken[at:at] = data.draw(st.binary(max_size=9))
        elif broken:
            broken[at] = data.draw(st.integers(0, 255))
    read_pickles(Window(io.BytesIO(bytes(broken)), 0, len(broken)))


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_any_bytes_are_no_crash(data: bytes) -> None:
    read_pickles(Window(io.BytesIO(data), 0, len(data)))


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=20,
)


@given(value=PLAIN, protocol=st.integers(0, 5))
def test_plain_values_are_read_to_their_end(value: object, protocol: int) -> None:
    data = pickle.dumps(value, protocol)
    read = read_pickles(Window(io.BytesIO(data), 0, len(data)))
    assert read.complete
    assert not read.problem
    assert read.count == 1
    assert all(harmless(item) for item in read.globals)
