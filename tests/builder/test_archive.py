"""The zip: readable by everybody, the same bytes everywhere, larger than 4 GiB if need be."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from builder import BuildError
from builder.archive import files_below, write_zip
from dlpk.package.open import check_container

FILES = {
    "Model.emd": b"{}",
    "b/deep/file.txt": b"x" * 3000,
    "b.txt": b"",
    "B.bin": bytes(range(256)),
}


@pytest.fixture(autouse=True)
def no_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)


def filled(folder: Path, files: dict[str, bytes] = FILES) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def zipped(folder: Path, target: Path) -> bytes:
    write_zip(files_below(folder), target)
    return target.read_bytes()


def test_contents(tmp_path: Path) -> None:
    write_zip(files_below(filled(tmp_path / "in")), tmp_path / "out.dlpk")
    with zipfile.ZipFile(tmp_path / "out.dlpk") as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == FILES
        # Folders have no entries of their own, names are in the order of their characters.
        assert archive.namelist() == ["B.bin", "Model.emd", "b.txt", "b/deep/file.txt"]
        for info in archive.infolist():
            assert info.compress_type == zipfile.ZIP_STORED
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            assert (info.create_system, info.external_attr >> 16) == (3, 0o100644)
            assert (info.extra, info.comment, info.flag_bits) == (b"", b"", 0)


def test_same_bytes_whatever_the_files_circumstances(tmp_path: Path) -> None:
    first = zipped(filled(tmp_path / "one"), tmp_path / "1.zip")
    other = filled(tmp_path / "two", dict(reversed(FILES.items())))
    (other / "empty folder").mkdir()
    for number, path in enumerate(sorted(other.rglob("*"))):
        path.chmod(0o755 if number % 2 else 0o700)
        os.utime(path, (10**9 + number, 10**9 + number))
    before = os.umask(0o077)
    try:
        assert zipped(other, tmp_path / "2.zip") == first
    finally:
        os.umask(before)


@pytest.mark.parametrize(
    ("epoch", "expected"),
    [
        ("", (1980, 1, 1, 0, 0, 0)),
        ("0", (1980, 1, 1, 0, 0, 0)),
        ("-5", (1980, 1, 1, 0, 0, 0)),
        (" 1700000000 ", (2023, 11, 14, 22, 13, 20)),
        ("5000000000", (2107, 12, 31, 23, 59, 58)),
    ],
)
def test_source_date_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch: str, expected: tuple[int, ...]
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    write_zip(files_below(filled(tmp_path / "in")), tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert {info.date_time for info in archive.infolist()} == {expected}


@pytest.mark.parametrize("epoch", ["yesterday", "1.5", "9" * 30])
def test_source_date_epoch_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch: str
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    with pytest.raises(BuildError, match=r"SOURCE_DATE_EPOCH is .* seconds since 1970"):
        write_zip(files_below(filled(tmp_path / "in")), tmp_path / "out.zip")
    assert not (tmp_path / "out.zip").exists()


def test_zip64_when_a_file_is_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits moved down to a few bytes: every entry, offset and the end become 64 bit."""
    folder = filled(tmp_path / "in")
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    write_zip(files_below(folder), tmp_path / "large.dlpk")
    monkeypatch.undo()
    content = (tmp_path / "large.dlpk").read_bytes()
    assert b"PK\x06\x06" in content  # the 64 bit end of the central directory
    with zipfile.ZipFile(tmp_path / "large.dlpk") as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == FILES
    assert not check_container(tmp_path / "large.dlpk").errors
