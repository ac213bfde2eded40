"""Opening packages, and what an open one tells of itself."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from dlpk.errors import PackageError
from dlpk.package import archive as container_check
from dlpk.package.open import check_container, open_package, peek_emd, resolve
from tests.support.packages import EMD, FILES, contents, make_folder, make_zip, refusal


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_package_is_unpacked_as_arcgis_does_and_removed(tmp_path: Path, method: int) -> None:
    path = make_zip(tmp_path / "Lakes and rivers.dlpk", method=method)
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    with open_package(str(path), workspace=workspace) as package:
        assert package.kind == "dlpk"
        assert package.source == str(path)
        assert package.name == "Lakes and rivers"
        assert package.root is not None
        assert package.root.name == "Lakes and rivers.dlpk"
        assert package.root.parents[1] == workspace
        assert package.emd_path == package.root / "Model.emd"
        assert package.emd_text == EMD
        assert package.emd == json.loads(EMD)
        assert contents(package.root) == FILES
    assert not list(workspace.iterdir())
    assert path.exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_nothing_stays_behind_an_exception(tmp_path: Path, error: type[BaseException]) -> None:
    path = make_zip(tmp_path / "Model.dlpk")
    with pytest.raises(error), open_package(path) as package:
        raise error
    assert package.root is not None and not package.root.parent.exists()


def test_nothing_stays_behind_an_interrupted_unpacking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    (tmp_path / "temporary").mkdir()
    path = make_zip(tmp_path / "Model.dlpk")
    monkeypatch.setattr("dlpk.package.unpack._unpack_entry", interrupted)
    with pytest.raises(KeyboardInterrupt), open_package(path):
        raise AssertionError("it was opened")
    assert not list((tmp_path / "temporary").iterdir())


def test_read_only_remains_of_a_function_are_removed(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "Model.dlpk")
    with open_package(path) as package:
        assert package.root is not None
        locked = package.root / "cache"
        locked.mkdir()
        (locked / "log.txt").write_text("written beside itself")
        (package.root / "link").symlink_to(tmp_path)
        locked.chmod(0)
    assert not package.root.parent.exists()
    assert path.exists()


@pytest.mark.parametrize("kind", ["folder", "emd"])
def test_folder_and_emd_are_used_in_place_and_not_changed(tmp_path: Path, kind: str) -> None:
    folder = make_folder(tmp_path / "package")
    source = folder if kind == "folder" else folder / "Model.emd"
    with open_package(source) as package:
        assert (package.kind, package.root) == (kind, folder)
        assert package.emd_path == folder / "Model.emd"
        assert package.name == ("package" if kind == "folder" else "Model")
        assert package.sha256
    assert contents(folder) == FILES


def test_emd_as_json_text() -> None:
    with open_package("\n " + EMD) as package:
        assert package.kind == "json"
        assert package.root is None and package.emd_path is None
        assert package.emd == json.loads(EMD)
        with pytest.raises(PackageError, match="lies in no folder"):
            resolve(package, "Model.py")
        assert resolve(package, sys.executable) == Path(sys.executable)


@pytest.mark.parametrize(
    "data",
    [EMD.encode("utf-8-sig"), EMD.replace(", ", ",\r\n").encode(), EMD.encode("utf-16")],
    ids=["byte order mark", "crlf", "utf-16"],
)
def test_emd_in_other_makes(tmp_path: Path, data: bytes) -> None:
    path = make_zip(tmp_path / "Model.dlpk", {**FILES, "Model.emd": data})
    with open_package(path) as package:
        assert package.emd == json.loads(EMD)


def test_broken_emd_names_line_and_column(tmp_path: Path) -> None:
    broken = '{\n  "ModelType": "ImageClassification",\n  "ImageHeight": 64 "x": 1\n}'
    path = make_zip(tmp_path / "Model.dlpk", {"Model.emd": broken.encode()})
    refusal(path, r"(?s)Model\.emd.*\b3\b.*\b21\b")
    refusal(broken, r"(?s)\b3\b.*\b21\b")


@pytest.mark.parametrize("text", [b"[1, 2]", b"", b"null", b'"x"', b"[" * 100_000, b"\xff\xfe\x00"])
def test_emd_that_is_no_object(tmp_path: Path, text: bytes) -> None:
    path = make_zip(tmp_path / "Model.dlpk", {"Model.emd": text})
    refusal(path, r"Model\.emd")


def test_emd_of_a_package_that_cannot_be_opened(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "Model.dlpk", {"../a": b"", "old/B.emd": b"", "Model.emd": b"{,}"})
    assert peek_emd(path) == ("Model.emd", b"{,}")
    assert peek_emd(make_zip(tmp_path / "None.dlpk", {"a.txt": b""})) is None
    assert peek_emd(tmp_path / "missing.dlpk") is None
    data = path.read_bytes()
    path.write_bytes(data.replace(b"PK\3\4", b"PK\3\5"))
    assert peek_emd(path) is None


def test_full_disk_is_found_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_zip(tmp_path / "Model.dlpk")
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    (tmp_path / "w").mkdir()
    refusal(path, "1000 bytes free", tmp_path / "w")
    assert not list((tmp_path / "w").iterdir())


def test_disk_that_fills_up_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    path = make_zip(tmp_path / "Model.dlpk")
    monkeypatch.setattr("dlpk.package.unpack._unpack_entry", full)
    (tmp_path / "w").mkdir()
    refusal(path, "No space left on device", tmp_path / "w")
    assert not list((tmp_path / "w").iterdir())


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("", "empty"),
        ("nowhere/Model.dlpk", "no folder 'nowhere'|nowhere' either"),
        ("Model.emd", "no file or folder"),
        ("https://example.com/Model.dlpk", "local file"),
        ("Model.dlpk_remote", "service of ArcGIS"),
        ("bad\0name.dlpk", "there is no file"),
        ("x" * 5000, "cannot be read"),
        ("[1, 2]", "no file or folder"),
    ],
)
def test_source_that_is_not_there(
    source: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refusal(source, words)


def test_all_errors_are_listed_at_once(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "Model.dlpk", {**FILES, "../a": b"", "CON": b"", "b.emd": b""})
    message = refusal(path)
    for words in ("'../a'", "'CON'", "'b.emd'", "Keep the one"):
        assert words in message


def test_hash_of_a_folder_depends_on_names_and_contents_only(tmp_path: Path) -> None:
    def hashed(folder: Path) -> str | None:
        with open_package(folder) as package:
            return package.sha256

    first = make_folder(tmp_path / "one")
    second = make_folder(tmp_path / "two", dict(reversed(FILES.items())))
    (second / "__pycache__").mkdir()
    (second / "__pycache__" / "Model.pyc").write_bytes(b"x")
    os.utime(second / "Model.py", (1, 1))
    assert hashed(first) == hashed(second) is not None
    (second / "Model.py").write_bytes(b"class Model: pass;")
    third = make_folder(tmp_path / "three")
    (third / "Model.py").rename(third / "Model2.py")
    assert len({hashed(first), hashed(second), hashed(third)}) == 3


def test_check_does_not_read_the_weights(tmp_path: Path) -> None:
    """A package of any size is judged by its headers."""
    path = make_zip(
        tmp_path / "Model.dlpk", {**FILES, "w.bin": os.urandom(5_000_000)}, zipfile.ZIP_STORED
    )
    read = _bytes_read(path, lambda: check_container(path))
    assert read < 100_000
    assert _bytes_read(path, lambda: check_container(path, deep=True)) > 5_000_000


def _bytes_read(path: Path, action: Callable[[], object]) -> int:
    total = 0

    class Counting(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            nonlocal total
            data = super().read(size)
            total += len(data)
            return data

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(container_check, "open_archive", lambda *_: Counting(path.read_bytes()))
        action()
    return total


def test_a_package_replaced_while_it_is_open_stays_what_was_opened(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "Model.dlpk")
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    other = make_zip(tmp_path / "other", {**FILES, "more.txt": b"more"})
    with open_package(path) as package:
        os.replace(other, path)
        assert package.sha256 == expected
        assert contents(package.root) == FILES


def test_a_package_that_grows_while_it_is_unpacked_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_zip(tmp_path / "Model.dlpk")
    from dlpk.package import open as module

    def unpack_slowly(*rest: Any) -> None:
        unpack_entries(*rest)
        with path.open("ab") as file:
            file.write(b"more")

    unpack_entries = module.unpack_entries
    monkeypatch.setattr(module, "unpack_entries", unpack_slowly)
    refusal(path, "written to while it was read")
