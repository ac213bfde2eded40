"""Weights as people save them are let through, or told what to do about them."""

from __future__ import annotations

import argparse
import collections
import datetime
import io
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dlpk.findings import Collector
from dlpk.package.open import open_package
from dlpk.weights.contents import Judge
from dlpk.weights.files import RULES, refused_by_weights_only
from dlpk.weights.parts import Content
from dlpk.weights.program import ALLOWED
from tests.attacks.malicious_weights import archive, saved
from tests.support.functions_text import judge, rules


class Network(torch.nn.Module):
    """Something whose class has to be importable."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 2, 1)
        self.norm = torch.nn.BatchNorm2d(2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.norm(self.layer(image)))


def checkpoint() -> dict[str, Any]:
    """Return what training scripts keep beside the tensors."""
    network = Network()
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.zeros(2, 3, 4, 4)).sum().backward()
    optimizer.step()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantized = torch.quantize_per_tensor(torch.arange(3.0), 0.1, 0, torch.quint8)
    return {
        "model": network.state_dict(),
        "opt": optimizer.state_dict(),
        "args": argparse.Namespace(lr=1e-3, classes=["water"], size=(4, 4)),
        "epoch": 3,
        "scores": np.arange(3.0),
        "objects": np.array(["a", None], dtype=object),
        "best": np.float64(0.5),
        "random": (np.random.get_state(), torch.get_rng_state(), np.random.default_rng(1)),
        "when": datetime.datetime(2026, 1, 1),
        "counts": [collections.Counter("abca"), collections.defaultdict(list, a=[1])],
        "half": torch.zeros(2).half(),
        "sparse": torch.eye(3).to_sparse(),
        "quantized": quantized,
        "parameter": torch.nn.Parameter(torch.zeros(2)),
        "kinds": [torch.Size([1, 2]), torch.float16, torch.device("cpu")],
    }


def found(folder: Path, data: bytes, name: str = "lakes.pth") -> list[str]:
    return rules(judge(folder, emd={"ModelFile": name}, files={name: data}))


def script() -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch would rather have something else saved
        torch.jit.save(torch.jit.trace(Network().eval(), torch.zeros(1, 3, 4, 4)), file)
    return file.getvalue()


@pytest.mark.parametrize("new", [True, False])
def test_tensors_and_values_are_fine(new: bool, tmp_path: Path) -> None:
    assert found(tmp_path / "a", saved(Network().state_dict(), new=new)) == []
    assert found(tmp_path / "b", saved(checkpoint(), new=new), "lakes.bin") == []


@pytest.mark.parametrize("protocol", range(6))
def test_plain_pickles_are_fine(protocol: int, tmp_path: Path) -> None:
    value = {"a": torch.zeros(3), "b": np.ones((2, 2)), "c": {"d": [1, 2.0, "x", None, b"y"]}}
    assert found(tmp_path, pickle.dumps(value, protocol), "lakes.pkl") == []


def arrays() -> dict[str, bytes]:
    files = {name: io.BytesIO() for name in ("a.npy", "b.npy", "c.npy", "d.npz", "e.npz")}
    np.save(files["a.npy"], np.arange(3.0))
    np.save(files["b.npy"], np.zeros(2, [("x", "<f4"), ("y", "u1", (2, 2)), ("z", "U3")]))
    np.save(files["c.npy"], np.array(["2026-01-01"], dtype="M8[D]"))
    np.savez(files["d.npz"], a=np.arange(3), b=np.array({"x": 1}, dtype=object))
    np.savez_compressed(files["e.npz"], a=np.zeros(1000))
    return {name: file.getvalue() for name, file in files.items()}


ONNX = b"\x08\x08\x12\x07pytorch\x1a\x032.0\x3a\x04\x0a\x02\x22\x00"
OTHERS = {
    **arrays(),
    "lakes.pt": script(),
    "lakes.h5": b"\x89HDF\r\n\x1a\n" + bytes(100),
    "lakes.onnx": ONNX,
    "lakes.tflite": b"\x1c\0\0\0TFL3" + bytes(50),
    "lakes.txt": "Gewässer\nWald\ncar\ntruck\nbus".encode(),
    "lakes.zip": archive({"config.json": b"{}", "data/0": bytes(100)}),
    "lakes.safetensors": b"\x02\0\0\0\0\0\0\0{}",
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_formats_are_fine(name: str, tmp_path: Path) -> None:
    assert found(tmp_path, OTHERS[name], name) == []


@pytest.mark.parametrize("data", [bytes(100), b"\x80\x03 raw numbers", b"\x5d\0\0 and", b"x\x9c!"])
def test_unknown_content_is_a_warning_where_it_is_named(data: bytes, tmp_path: Path) -> None:
    assert found(tmp_path / "a", data, "lakes.bin") == ["weights/unknown-format"]
    assert rules(judge(tmp_path / "b", files={"table.bin": data})) == []


@pytest.mark.parametrize("new", [True, False])
def test_whole_networks(new: bool, tmp_path: Path) -> None:
    """Layers of torch are harmless; a class of one's own may be anything."""
    layers = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.ReLU())
    assert found(tmp_path / "a", saved(layers, new=new)) == ["weights/pickle-classes"]
    report = judge(
        tmp_path / "b", emd={"ModelFile": "a.pth"}, files={"a.pth": saved(Network(), new=new)}
    )
    (finding,) = report.errors
    assert finding.rule == "weights/pickle-runs-code"
    assert "test_honest_weights.Network" in finding.message
    assert "state_dict" in finding.remedy


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_cut_weights_are_damaged(new: bool, part: float, tmp_path: Path) -> None:
    # Of old files only the pickles are read, and the raw data behind them are most of the file.
    data = saved({f"layer{i}": torch.zeros(1) for i in range(200)}, new=new)
    assert found(tmp_path, data[: int(len(data) * part)]) == ["weights/damaged"]


def test_what_newer_torch_refuses_is_known(tmp_path: Path) -> None:
    for number, value in enumerate([Network().state_dict(), checkpoint()]):
        judge(tmp_path / str(number), emd={"ModelFile": "a.pth"}, files={"a.pth": saved(value)})
        with open_package(tmp_path / str(number)) as package:
            refused = refused_by_weights_only(package)
        try:
            torch.load(tmp_path / str(number) / "a.pth", weights_only=True)
        except pickle.UnpicklingError:
            assert "argparse.Namespace" in refused
        else:
            assert refused == []


def test_everything_that_torch_loads_by_default_is_allowed() -> None:
    from torch._weights_only_unpickler import _get_allowed_globals

    assert {name for name, kind in ALLOWED.items() if kind == "tensors"} >= set(
        _get_allowed_globals()
    )


def test_numbers_and_texts_are_not_taken_for_pickles() -> None:
    random = np.random.default_rng(1)
    for number in range(3000):
        kind = ("f4", "f2", "i8", "u1")[number % 4]
        data = (random.normal(size=100) * 50).astype("i8" if kind == "i8" else "f4").astype(kind)
        findings = Collector(RULES, "file")
        Judge(findings).judge(Content(io.BytesIO(data.tobytes()), 0, data.nbytes, "file"))
        assert not findings.report(), data.tobytes()
