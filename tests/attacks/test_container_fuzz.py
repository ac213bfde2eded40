"""Thousands of damaged packages: a report or a clear error each, nothing else, nothing outside."""

from __future__ import annotations

import random
import signal
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from types import FrameType

import pytest

from dlpk.errors import PackageError
from dlpk.package.open import RULES, check_container, check_folder, open_package, peek_emd
from tests.attacks.crafted import EMD, FUNCTION, Archive, Crafted, package
from tests.attacks.watching import snapshot, watched

MUTANTS = 4000
FOLDERS = 300
SECONDS = 20
"""After this long one mutant counts as a hang; they take about a millisecond."""

EDGES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
MARKS = (b"PK\3\4", b"PK\1\2", b"PK\5\6", b"PK\6\6", b"PK\6\7")
NAMES = (b"../../x", b"/etc/x", b"C:\\x", b"Model.emd", b"MODEL.EMD", b"a/../..", b"x\0y", b"CON")


class _Unseekable(BytesIO):
    """Makes `zipfile` write sizes behind the data."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise OSError

    def seek(self, offset: int, whence: int = 0) -> int:
        raise OSError


def written(method: int, stream: BytesIO) -> bytes:
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr("Model.emd", EMD)
        archive.writestr("Model.py", FUNCTION)
        archive.writestr("clipseg/", b"")
        archive.writestr("clipseg/tables.txt", b"row after row " * 40)
        archive.comment = b"made for tests"
    return stream.getvalue()


def seeds() -> list[bytes]:
    """Return small valid packages of every make."""
    return [
        written(zipfile.ZIP_STORED, BytesIO()),
        written(zipfile.ZIP_DEFLATED, BytesIO()),
        written(zipfile.ZIP_DEFLATED, _Unseekable()),
        Archive(package(Crafted(b"weights/w.bin", b"0123" * 50)), zip64=True).build(),
        Archive(package(Crafted(b"a\\b.txt", b"text")), prefix=b"MZ" + bytes(30)).build(),
    ]


def mutate(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Return `data` damaged in one to three ways."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if not out:
            break
        at = rng.randrange(len(out))
        end = min(len(out), at + rng.choice((1, 4, 20, 200)))
        kind = rng.randrange(9)
        if kind == 0:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            out[at:end] = rng.randbytes(end - at)
        elif kind == 2:
            del out[at:end]
        elif kind == 3:
            out[at:at] = out[at:end]
        elif kind == 4:
            del out[at:]
        elif kind == 5:
            other = rng.choice(others)
            start = rng.randrange(len(other))
            out[at:end] = other[start : start + end - at]
        elif kind == 6:
            name = rng.choice(NAMES)
            out[at : at + len(name)] = name
        else:
            _set_field(out, rng)
    return bytes(out)


def _set_field(out: bytearray, rng: random.Random) -> None:
    """Put an extreme value into some header, where it does the most harm."""
    mark = rng.choice(MARKS)
    places = [n for n in range(len(out)) if out[n : n + 4] == mark]
    if not places:
        return
    at = rng.choice(places) + rng.randrange(4, 56)
    layout = rng.choice(("<B", "<H", "<L", "<Q"))
    value = rng.choice(EDGES) & (256 ** struct.calcsize(layout) - 1)
    if at + struct.calcsize(layout) <= len(out):
        struct.pack_into(layout, out, at, value)


@contextmanager
def no_hang() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise AssertionError("this takes too long")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def size_of(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*"))


@pytest.mark.parametrize("seed", range(4))
def test_damaged_packages(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    originals = seeds()
    path = tmp_path / "in" / "Model.dlpk"
    workspace = tmp_path / "in" / "workspace"
    workspace.mkdir(parents=True)
    (tmp_path / "victim.txt").write_text("untouched")
    opened = refused = 0
    for number in range(MUTANTS // 4):
        data = mutate(rng.choice(originals), originals, rng)
        path.write_bytes(data)
        before = snapshot(tmp_path)
        with no_hang(), watched(workspace) as watch:
            report = check_container(path, deep=bool(number % 2))
            assert {finding.rule for finding in report} <= set(RULES)
            report.to_text().encode("utf-8")
            peek_emd(path)
            try:
                with open_package(path, workspace=workspace) as package_:
                    opened += 1
                    assert report.ok or number % 2
                    assert isinstance(package_.emd, dict)
                    assert size_of(workspace) < 50 * len(data) + 10_000
            except PackageError as error:
                refused += 1
                assert str(error)
        assert not watch.outside and not watch.ran, (seed, number, watch.outside)
        assert snapshot(tmp_path) == before, (seed, number)
    # Both kinds must come, or this tests nothing.
    assert opened > MUTANTS // 100 and refused > MUTANTS // 10


def test_undamaged_seeds_are_fine(tmp_path: Path) -> None:
    for number, data in enumerate(seeds()):
        path = tmp_path / f"Model{number}.dlpk"
        path.write_bytes(data)
        report = check_container(path, deep=True)
        assert report.ok, report.to_text()
        with open_package(path) as package_:
            assert package_.root is not None
            assert (package_.root / "Model.py").read_bytes() == FUNCTION


def test_damaged_folders(tmp_path: Path) -> None:
    """Folders full of odd names, links and devices: a report or a clear error each."""
    import os

    rng = random.Random(7)
    names = [
        *("Model.emd", "model.EMD", "Model.py", "MODEL.PY", "a", "b", "._Model.emd", "__MACOSX"),
        *("CON", "x.", "y ", "a\\b", 'q"', "\x1b[31m", "é", "\u202eevil", "n" * 250, "\udcff"),
    ]
    for number in range(FOLDERS):
        root = tmp_path / f"p{number}"
        root.mkdir()
        folders = [root]
        for _ in range(rng.randrange(8)):
            path = rng.choice(folders) / rng.choice(names)
            if os.path.lexists(path):
                continue
            kind = rng.randrange(5)
            if kind == 0:
                path.mkdir()
                folders.append(path)
            elif kind == 1:
                path.symlink_to(rng.choice([*names[:5], "/etc", "..", path.name]))
            elif kind == 2:
                os.mkfifo(path)
            else:
                path.write_bytes(rng.choice([EMD, b"", b"\xff\xfe", b"{", b"[1]", EMD[:50]]))
        before = sorted(os.walk(root))
        with no_hang(), watched(tmp_path / "nowhere") as watch:
            report = check_folder(root)
            report.to_text().encode("utf-8")
            try:
                with open_package(root) as package_:
                    assert package_.kind == "folder"
                    assert package_.sha256 is None or len(package_.sha256) == 64
            except PackageError as error:
                str(error).encode("utf-8")
        assert not watch.changes and not watch.ran
        assert sorted(os.walk(root)) == before
