"""Each rule for containers fires on what breaks it, and on nothing else."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpk.package import zip_reader as zipread
from dlpk.package.names import shown, unpacked_length
from dlpk.package.open import RULES, check_container, check_folder, open_package
from schemas.findings import EXAMPLES_PER_RULE
from tests.support.packages import EMD, FILES, make_folder, make_zip, rules


class Sample(NamedTuple):
    """A package that breaks one rule, and words its message must have."""

    files: dict[str, bytes]
    words: str


def _with(**files: bytes) -> dict[str, bytes]:
    return {**FILES, **files}


SAMPLES: dict[str, Sample] = {
    "container/backslash": Sample(_with(**{"a\\b.txt": b""}), r"a\\\\b\.txt|a\\b\.txt"),
    "container/dot-part": Sample(_with(**{"a//b.txt": b""}), "a//b.txt"),
    "container/path-too-long": Sample(_with(**{"d" * 100 + "/" + "f" * 90: b""}), "259"),
    "container/non-ascii": Sample(_with(**{"caf\u00e9.txt": b""}), "caf\u00e9"),
    "container/no-emd": Sample({"Model.py": b""}, "only 'Model.py'"),
    "container/several-emd": Sample(_with(**{"Other.emd": b""}), "'Model.emd', 'Other.emd'"),
    "container/emd-in-subfolder": Sample({"a/M.emd": b"", "M.py": b""}, "'a/M.emd'"),
    "container/zipped-folder": Sample({"Lakes/M.emd": b"", "Lakes/x/M.py": b""}, "'Lakes/'"),
    "container/nested-package": Sample({"in/Model.dlpk": b""}, "'in/Model.dlpk'"),
    "container/emd-case": Sample({"Model.EMD": EMD.encode()}, "'Model.EMD'"),
    "container/emd-size": Sample({"Model.emd": bytes(17 << 20)}, "17.0 MB"),
    "container/junk": Sample(_with(**{"__MACOSX/._Model.emd": b"", ".DS_Store": b""}), "2 items"),
    "container/reserved-name": Sample(_with(**{"nul.txt": b""}), "'nul.txt'"),
    "container/trailing-dot-or-space": Sample(_with(**{"folder /a": b""}), "'folder '"),
    "container/windows-character": Sample(_with(**{"what?.txt": b""}), r"\?"),
    "container/case-collision": Sample(_with(**{"model.PY": b""}), "'Model.py' and 'model.PY'"),
    "container/file-and-folder": Sample(_with(**{"model.py/x": b""}), "'Model.py'"),
}


@pytest.mark.parametrize("rule", sorted(SAMPLES))
def test_rule_fires_alone_with_the_place(rule: str, tmp_path: Path) -> None:
    path = make_zip(tmp_path / "Model.dlpk", SAMPLES[rule].files)
    findings = list(check_container(path))
    assert {finding.rule for finding in findings} == {rule}
    assert findings[0].severity is RULES[rule].severity
    assert re.search(SAMPLES[rule].words, findings[0].message), findings[0].message
    assert findings[0].remedy and findings[0].file


_IN_FOLDERS = sorted(
    set(SAMPLES)
    - {
        "container/backslash",  # a letter like any other there
        "container/dot-part",
        "container/file-and-folder",
    }
)


@pytest.mark.skipif(os.name == "nt", reason="Windows refuses the names to begin with")
@pytest.mark.parametrize("rule", _IN_FOLDERS)
def test_same_rules_hold_for_folders(rule: str, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "Model", SAMPLES[rule].files)
    assert set(rules(folder)) == {rule}


def test_folder_rules_of_links_and_devices(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "Model")
    (folder / "inside").symlink_to("Model.py")
    assert rules(folder) == []
    (folder / "out").symlink_to(tmp_path)
    (folder / "gone").symlink_to("nothing")
    os.mkfifo(folder / "pipe")
    assert sorted(rules(folder)) == [
        "container/broken-link",
        "container/link-outside",
        "container/special-entry",
    ]
    for check in (check_folder, check_container):
        assert [f.rule for f in check(tmp_path / "none")] == ["container/missing"]
    assert [f.rule for f in check_folder(folder / "Model.py")] == ["container/not-a-folder"]
    assert [f.rule for f in check_container(folder)] == ["container/is-folder"]
    assert [f.rule for f in check_container(folder / "pipe")] == ["container/not-a-file"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_unreadable_package(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "Model.dlpk")
    path.chmod(0)
    assert rules(path) == ["container/unreadable"]


def test_too_many_files_in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlpk.package.folder.MAX_ENTRIES", 3)
    assert rules(make_folder(tmp_path / "Model")) == ["container/too-many-entries"]


def test_too_many_entries_in_a_zip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_zip(tmp_path / "Model.dlpk")
    monkeypatch.setattr(zipread, "MAX_ENTRIES", 3)
    assert rules(path) == ["container/too-many-entries"]


def test_name_of_the_file_itself(tmp_path: Path) -> None:
    assert rules(make_zip(tmp_path / "Model.zip")) == ["container/extension"]
    assert rules(make_zip(tmp_path / "M\u00f6del.dlpk")) == ["container/non-ascii"]


def test_bytes_around_the_archive(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "Model.dlpk")
    data = path.read_bytes()
    path.write_bytes(b"MZ stub" + data)
    assert rules(path) == ["container/leading-data"]
    path.write_bytes(data + b"\r\n")
    assert rules(path) == ["container/trailing-data"]
    with open_package(path) as package:
        assert [finding.rule for finding in package.report] == ["container/trailing-data"]


def test_repeated_findings_are_counted(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "Model.dlpk", _with(**{f"q{n}?": b"" for n in range(500)}))
    report = check_container(path)
    assert len(report.errors) == EXAMPLES_PER_RULE + 1
    assert f"{500 - EXAMPLES_PER_RULE} more" in report.errors[-1].message


def test_pytorch_weights_under_the_name_of_a_package(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "Model.dlpk", {"archive/data.pkl": b"", "archive/version": b"3"})
    (finding,) = check_container(path)
    assert finding.rule == "container/no-emd"
    assert "PyTorch weights" in finding.remedy


@pytest.mark.parametrize(
    "name", ["con", "CON.txt", "Aux", "nul .tar.gz", "com1", "LPT\u00b2.log", "a/prn/b", "CONIN$"]
)
def test_device_names(name: str, tmp_path: Path) -> None:
    path = make_zip(tmp_path / "Model.dlpk", _with(**{name: b""}))
    assert "container/reserved-name" in rules(path)


@pytest.mark.parametrize("name", ["console.txt", "auxiliary", "com10", "com0", "a.con", "nulls/x"])
def test_names_that_only_look_like_devices(name: str, tmp_path: Path) -> None:
    assert rules(make_zip(tmp_path / "Model.dlpk", _with(**{name: b""}))) == []


def test_length_of_the_unpacked_path() -> None:
    known = "C:\\Users\\" + 20 * "u" + "\\AppData\\Local\\Temp\\ArcGISProTemp12345\\M.dlpk\\a/b.py"
    assert unpacked_length("M", "a/b.py") == len(known)
    assert unpacked_length("M", "\U0001f30d") == unpacked_length("M", "ab")


@given(st.text(st.characters(), max_size=300))
def test_shown_names_are_harmless(name: str) -> None:
    text = shown(name)
    text.encode("utf-8")
    assert "\n" not in text and "\x1b" not in text and "\u202e" not in text
    assert len(text) <= 2 + 111 * len("\\U0001f30d")


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"7z\xbc\xaf\x27\x1c\0\4", "7z"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (bytes(257).replace(b"\0", b"n") + b"ustar\0", "tar"),
        (b"\n\n<!DOCTYPE html><html>", "web page"),
        (b"\xef\xbb\xbf<HTML>", "web page"),
        (b"<?xml version='1.0'?>", "XML"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS"),
        (b'{"error": {"code": 498, "message": "Invalid token."}}', "error message of a portal"),
        (b'{"id": "1", "owner": "esri", "type": "Deep Learning Package"}', "portal item"),
        (EMD.encode(), "EMD"),
        (b'{"a": 1}', "JSON"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"\x80\x02\x8a\nl\xfc", "pickle"),
        (b"\x10\0\0\0\0\0\0\0{ }", "safetensors"),
        (b"https://www.arcgis.com/home/item.html", "link"),
        (b"hello", "text file"),
        (bytes(100), "zero bytes"),
        (b"\x01\x02\x03\x04\x05", "no kind known"),
    ],
)
def test_other_files_are_recognised(head: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "Model.dlpk"
    path.write_bytes(head)
    (finding,) = check_container(path)
    assert finding.rule == "container/not-a-zip"
    assert words in finding.message
