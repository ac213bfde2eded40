"""Small packages for tests, honest in make."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from dlpk.errors import PackageError
from dlpk.package.open import check_container, check_folder, open_package

EMD = json.dumps(
    {
        "ModelType": "ImageClassification",
        "InferenceFunction": "Model.py",
        "ModelFile": "Model.pth",
        "ImageHeight": 64,
        "ImageWidth": 64,
        "ExtractBands": [0, 1, 2],
        "Classes": [{"Value": 1, "Name": "water", "Color": [0, 0, 255]}],
    }
)
FILES = {
    "Model.emd": EMD.encode(),
    "Model.py": b"class Model: pass\n",
    "Model.pth": bytes(range(256)) * 20,
    "helpers/tables.txt": b"one\ntwo\n",
}


def make_zip(
    path: Path, files: dict[str, bytes] | None = None, method: int = zipfile.ZIP_DEFLATED
) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in (FILES if files is None else files).items():
            archive.writestr(name, data)
    return path


def make_folder(path: Path, files: dict[str, bytes] | None = None) -> Path:
    path.mkdir(parents=True)
    for name, data in (FILES if files is None else files).items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def contents(root: Path | None) -> dict[str, bytes]:
    assert root is not None
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


def refusal(source: str | Path, words: str | None = None, workspace: Path | None = None) -> str:
    """Return the message with which `source` is refused."""
    with pytest.raises(PackageError, match=words) as caught:
        open_package(source, workspace=workspace).__enter__()
    return str(caught.value)


def rules(path: Path, *, deep: bool = False) -> list[str]:
    report = check_folder(path) if path.is_dir() else check_container(path, deep=deep)
    return [finding.rule for finding in report]
