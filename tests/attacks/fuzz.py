"""Damage archives, definitions and weights: each has to end in a report or in one clear error.

``python -m tests.attacks.fuzz 100000`` (or ``make fuzz``) tries so many of each and of random
pickles; what crashes or hangs is kept in the folder for temporary files and ends it with status 1.
"""

from __future__ import annotations

import json
import random
import signal
import struct
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from types import FrameType

from dlpk.errors import PackageError
from dlpk.package.inspect import inspect
from dlpk.package.open import RULES, check_container, open_package, peek_emd
from model_extension.common.errors import WeightsError
from model_extension.common.safetensors import SafetensorsFile
from schemas import load_schema, validate_emd, validate_golden, validate_manifest
from tests.attacks import fuzz_pickles
from tests.attacks.crafted import EMD, FUNCTION, Archive, Crafted, package
from tests.attacks.watching import watched
from tests.support.safetensors_bytes import entry, packed

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


def archive_survives(data: bytes, folder: Path) -> bool:
    """Judge and open a damaged package; return whether it opened."""
    path = folder / "Model.dlpk"
    path.write_bytes(data)
    deep = bool(len(data) % 2)
    report = check_container(path, deep=deep)
    assert {finding.rule for finding in report} <= set(RULES)
    report.to_text().encode("utf-8")
    peek_emd(path)
    try:
        with open_package(path, workspace=folder / "workspace") as opened:
            assert report.ok or deep
            assert isinstance(opened.emd, dict)
            assert size_of(folder / "workspace") < 50 * len(data) + 10_000
    except PackageError as error:
        assert str(error)
        return False
    return True


def size_of(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*"))


def definition_survives(data: bytes, folder: Path) -> bool:
    """Judge a damaged definition and describe it; return whether it could be read."""
    for profile in ("general", "package"):
        report = validate_emd(data, profile=profile)  # type: ignore[arg-type]
        assert all(finding.line is not None for finding in report)
        json.dumps(report.to_dict())
        report.to_text().encode("utf-8")
    validate_manifest(data)
    validate_golden(data)
    path = folder / "Model.emd"
    path.write_bytes(data)
    try:
        found = inspect(path)
    except PackageError as error:
        assert str(error)
        return False
    assert found.to_text().replace("\n", "").isprintable() and json.dumps(found.to_dict())
    return True


def weights_survive(data: bytes, folder: Path) -> bool:
    """Open damaged weights and read every tensor; return whether they opened."""
    path = folder / "model.safetensors"
    path.write_bytes(data)
    try:
        with SafetensorsFile(path) as file:
            for name in file.keys():
                assert file.tensor(name) is not None
    except WeightsError as error:
        assert str(error)
        return False
    return True


def definitions() -> list[bytes]:
    """Return definitions, manifests and golden chips to damage."""
    names = ("emd", "emd-package", "manifest", "golden")
    return [
        json.dumps(example, indent=1).encode()
        for name in names
        for example in load_schema(name)["examples"]
    ]


def weights() -> list[bytes]:
    """Return weights to damage."""
    header = {"a": entry("F32", [2, 2], 0, 16), "b": entry("F16", [4], 16, 24)}
    return [
        packed(header, bytes(range(24))),
        packed({"__metadata__": {"x": "y"}, **header}, bytes(24)),
    ]


Survives = Callable[[bytes, Path], bool]
KINDS: dict[str, tuple[Callable[[], list[bytes]], Survives]] = {
    "archives": (seeds, archive_survives),
    "definitions": (definitions, definition_survives),
    "safetensors": (weights, weights_survive),
}


def run(kind: str, count: int, folder: Path, seed: int = 0) -> int:
    """Try so many mutants of a kind; return how many were taken as whole.

    Raises
    ------
    AssertionError
        If one crashed or took too long; it lies in `folder` as ``KIND-SEED.bin``.
    """
    make, survives = KINDS[kind]
    originals = make()
    (folder / "workspace").mkdir(exist_ok=True)
    taken = 0
    for number in range(seed, seed + count):
        rng = random.Random(number)
        data = mutate(rng.choice(originals), originals, rng)
        try:
            with no_hang(), watched(folder) as watch:
                taken += survives(data, folder)
            assert not watch.outside and not watch.ran, watch.outside
        except Exception as error:
            kept = folder / f"{kind}-{number}.bin"
            kept.write_bytes(data)
            raise AssertionError(f"{kept} ends in {type(error).__name__}: {error}") from error
    return taken


if __name__ == "__main__":
    tries = int(sys.argv[1])
    place = Path(tempfile.mkdtemp(prefix="dlpk-fuzz-"))
    for what in KINDS:
        print(f"{what}: {tries:,} mutants, {run(what, tries, place):,} of them taken as whole")
    print(f"pickles: {tries:,}, of which {fuzz_pickles.run(tries):,} fetch what is not allowed")
