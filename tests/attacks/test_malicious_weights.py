"""Malicious weights are errors, whatever they are called and wherever the program hides."""

from __future__ import annotations

import contextlib
import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from dlpk.findings import Collector
from dlpk.validation.validate import validate
from dlpk.weights.contents import Judge
from dlpk.weights.files import RULES
from dlpk.weights.parts import Content
from tests.attacks import fuzz_pickles
from tests.attacks.malicious_weights import FILES, GADGETS, call, torch_zip
from tests.attacks.watching import watched
from tests.support.functions_text import judge


@pytest.mark.parametrize("name", FILES)
@pytest.mark.filterwarnings("ignore")
def test_malicious_weights_are_an_error(name: str, tmp_path: Path) -> None:
    file, data, loader = FILES[name]
    with watched(tmp_path) as watch:
        report = judge(tmp_path, emd={"ModelFile": file}, files={file: data})
    assert [finding.file for finding in report.errors if finding.file.startswith(file)], report
    assert not [event for event in watch.ran if "find_class" in event]
    with watched(tmp_path) as watch, contextlib.suppress(Exception):  # and it is a real attack
        if loader == "torch":
            torch.load(io.BytesIO(data), weights_only=False)
        elif loader == "numpy":
            np.load(io.BytesIO(data), allow_pickle=True)
        elif loader == "pickle":
            pickle.load(io.BytesIO(data))
    assert not loader or [event for event in watch.ran if "getpid" in event or "Popen" in event]


def errors(data: bytes) -> list[str]:
    """Return the errors in a file of which nothing but its content is known."""
    findings = Collector(RULES, "file")
    Judge(findings).judge(Content(io.BytesIO(data), 0, len(data), "file"))
    return [f"{finding.rule}: {finding.message}" for finding in findings.report().errors]


def test_malicious_weights_are_an_error_whatever_they_are_called() -> None:
    # No loader at hand begins behind another format's data, and Keras goes by the name.
    known = ["behind-safetensors", "keras-behind-user-block", "keras-as-json"]
    assert [name for name in FILES if not errors(FILES[name][1])] == known


@pytest.mark.parametrize("name", GADGETS)
def test_gadgets_are_errors(name: str) -> None:
    program = call(name, "x")
    for data in (program, torch_zip(program)):
        (error,) = errors(data)
        assert error.startswith("weights/pickle-runs-code: ")
        assert name.replace(":", ".") in error


def test_many_entries_and_large_files_are_judged(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "many.pth", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
        for number in range(20_000):
            archive.writestr(f"archive/data/{number}", b"\0\0\x80?")
    with (tmp_path / "large.bin").open("wb") as file:
        file.truncate(2 << 30)
    with (tmp_path / "large.pkl").open("wb") as file:
        file.write(b"\x80\x04\x8e" + (2 << 30).to_bytes(8, "little"))
        file.seek(2 << 30, 1)
        file.write(b"0cos\ngetpid\n)R.")
    (tmp_path / "Model.emd").write_text('{"ModelFile": "many.pth"}')
    report = validate(tmp_path)
    found = [(finding.file, finding.rule) for finding in report if "weights/" in finding.rule]
    assert found == [("large.pkl", "weights/pickle-runs-code")], report


def test_whatever_the_real_unpickler_would_fetch_is_reported() -> None:
    assert fuzz_pickles.run(3_000, seed=1) > 100
