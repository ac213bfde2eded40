"""Hostile packages: each is refused with a clear error, and nothing leaves the workspace."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import pytest

from dlpk.errors import PackageError
from dlpk.package.open import RULES, check_container, open_package, resolve
from schemas.findings import Severity
from tests.attacks.bombs import MIB, nested, overlapping, quoted_overlap
from tests.attacks.crafted import (
    EMD,
    STORED,
    Archive,
    Crafted,
    deflate,
    package,
    zeros_deflated,
)
from tests.attacks.watching import snapshot, watched

SYMLINK, DEVICE, PIPE = 0o120777, 0o060644, 0o010644


def honest(*more: Crafted) -> bytes:
    return Archive(package(*more)).build()


def text_entry(name: bytes, **changes: object) -> Crafted:
    return Crafted(name, b"some text", **changes)  # type: ignore[arg-type]


HOSTILE: dict[str, tuple[bytes, str]] = {
    "parent": (honest(text_entry(b"../evil.txt")), "container/parent-path"),
    "parent-deep": (honest(text_entry(b"a/b/../../../evil.txt")), "container/parent-path"),
    "parent-backslash": (honest(text_entry(b"..\\..\\evil.txt")), "container/parent-path"),
    "parent-mixed": (honest(text_entry(b"a\\../..\\evil.txt")), "container/parent-path"),
    "parent-folder": (honest(Crafted(b"../evil/")), "container/parent-path"),
    "absolute": (honest(text_entry(b"/tmp/evil.txt")), "container/absolute-path"),
    "absolute-folder": (honest(Crafted(b"/")), "container/absolute-path"),
    "drive": (honest(text_entry(b"C:\\evil.txt")), "container/absolute-path"),
    "drive-relative": (honest(text_entry(b"C:evil.txt")), "container/absolute-path"),
    "share": (honest(text_entry(b"\\\\server\\share\\evil.txt")), "container/absolute-path"),
    "device-path": (honest(text_entry(b"//?/C:/evil.txt")), "container/absolute-path"),
    "stream": (honest(text_entry(b"Model.py:evil")), "container/windows-character"),
    "zero-byte": (honest(text_entry(b"evil.py\0.txt")), "container/windows-character"),
    "escape-code": (honest(text_entry(b"\x1b[2Jevil")), "container/windows-character"),
    "symlink": (
        honest(Crafted(b"link", b"/etc/passwd", mode=SYMLINK)),
        "container/special-entry",
    ),
    "symlink-then-file": (
        honest(Crafted(b"link", b"/tmp", mode=SYMLINK), text_entry(b"link/evil.txt")),
        "container/special-entry",
    ),
    "reparse-point": (
        honest(Crafted(b"link", b"C:\\", attributes=0x400)),
        "container/special-entry",
    ),
    "device": (honest(Crafted(b"disk", mode=DEVICE)), "container/special-entry"),
    "pipe": (honest(Crafted(b"pipe", mode=PIPE)), "container/special-entry"),
    "duplicate": (honest(text_entry(b"Model.py")), "container/duplicate-entry"),
    "duplicate-emd": (honest(Crafted(b"Model.emd", EMD)), "container/duplicate-entry"),
    "duplicate-one-letter": (
        honest(text_entry(b"a"), text_entry(b"a")),
        "container/duplicate-entry",
    ),
    "duplicate-disguised": (honest(text_entry(b"./Model.py")), "container/duplicate-entry"),
    "duplicate-case": (honest(text_entry(b"MODEL.PY")), "container/case-collision"),
    "file-as-folder": (honest(text_entry(b"model.py/evil.txt")), "container/file-and-folder"),
    "two-emds": (honest(Crafted(b"Other.emd", EMD)), "container/several-emd"),
    "bomb-flat": (
        honest(Crafted(b"zeros.bin", packed=zeros_deflated(300), size=300 * MIB, crc=0)),
        "container/bomb",
    ),
    "bomb-in-many": (
        honest(
            *[
                Crafted(b"zeros%d.bin" % n, packed=zeros_deflated(30), size=30 * MIB, crc=0)
                for n in range(10)
            ]
        ),
        "container/bomb",
    ),
    "bomb-overlapping": (overlapping(50), "container/overlap"),
    "bomb-quoted": (quoted_overlap(20), "container/overlap"),
    "bomb-nested": (nested(3), "container/nested-package"),
    "too-large": (
        Archive(
            package(
                *[
                    Crafted(b"w%03d.bin" % n, packed=b"x", size=0xFFFFFFFE, local_size=1)
                    for n in range(20)
                ]
            )
        ).build(),
        "container/too-large",
    ),
    "size-impossible": (
        honest(Crafted(b"a.bin", b"abc", size=100_000)),
        "container/impossible-size",
    ),
    "size-impossible-stored": (
        honest(Crafted(b"a.bin", b"abc", method=STORED, size=4)),
        "container/impossible-size",
    ),
    "local-name": (
        honest(text_entry(b"good.txt", local_name=b"../evil.txt")),
        "container/local-header",
    ),
    "local-method": (
        honest(text_entry(b"good.txt", local_method=STORED)),
        "container/local-header",
    ),
    "local-size": (honest(text_entry(b"good.txt", local_size=5)), "container/local-header"),
    "local-encryption": (honest(text_entry(b"good.txt", local_flags=1)), "container/local-header"),
    "encrypted": (honest(text_entry(b"secret.txt", flags=1)), "container/encrypted"),
    "encrypted-aes": (honest(text_entry(b"secret.txt", method=99)), "container/encrypted"),
    "method-deflate64": (honest(text_entry(b"a.txt", method=9)), "container/compression-method"),
    "method-zstandard": (honest(text_entry(b"a.txt", method=93)), "container/compression-method"),
    "method-bzip2": (honest(text_entry(b"a.txt", method=12)), "container/compression-method"),
    "method-unknown": (honest(text_entry(b"a.txt", method=77)), "container/compression-method"),
    "offset-nowhere": (honest(text_entry(b"a.txt", at=10**6)), "container/truncated-entry"),
    "offset-wrong": (honest(text_entry(b"a.txt", at=1)), "container/truncated-entry"),
    "data-past-end": (
        honest(text_entry(b"a.txt", packed_size=10**6)),
        "container/truncated-entry",
    ),
    "name-not-utf8": (honest(text_entry(b"\xff\xfe.txt", flags=0x800)), "container/name-encoding"),
    "name-empty": (honest(text_entry(b"")), "container/empty-name"),
    "name-of-one-dot": (honest(text_entry(b".")), "container/empty-name"),
    "name-huge": (honest(text_entry(b"a" * 60_000)), "container/name-too-long"),
    "name-deep": (honest(text_entry(b"a/" * 30_000 + b"b")), "container/name-too-long"),
    "name-reserved": (honest(text_entry(b"logs/aux.txt")), "container/reserved-name"),
    "name-trailing-dot": (honest(text_entry(b"Model.py.")), "container/trailing-dot-or-space"),
    "count-lies": (Archive(package(), count=7).build(), "container/damaged-directory"),
    "count-millions": (
        Archive(package(), count=10**8, zip64=True).build(),
        "container/too-many-entries",
    ),
    "directory-size-lies": (
        Archive(package(), directory_size=10**6).build(),
        "container/damaged-directory",
    ),
    "directory-size-64": (
        Archive(package(), directory_size=2**60, zip64=True).build(),
        "container/damaged-directory",
    ),
    "directory-offset-lies": (
        Archive(package(), directory_offset=10**6).build(),
        "container/damaged-directory",
    ),
    "parts": (Archive(package(), disk=3).build(), "container/multi-part"),
    "truncated": (honest()[:-30], "container/truncated"),
    "truncated-half": (honest()[: len(honest()) // 2], "container/truncated"),
    "comment-cut": (Archive(package(), comment=b"x" * 100).build()[:-50], "container/truncated"),
    "garbage": (bytes(range(256)) * 40, "container/not-a-zip"),
    "empty": (b"", "container/empty"),
    "one-byte": (b"P", "container/not-a-zip"),
    "end-record-only": (b"PK\5\6" + bytes(18), "container/no-emd"),
    "end-record-cut": (b"PK\5\6" + bytes(10), "container/not-a-zip"),
}


def refusal(path: Path, words: str | None = None) -> str:
    """Return the message with which a package is refused."""
    with pytest.raises(PackageError, match=words) as caught:
        open_package(path, workspace=path.parent / "workspace").__enter__()
    return str(caught.value)


@pytest.fixture()
def hostile(tmp_path: Path) -> Path:
    """Return the path a test puts its package at, in a tree that must not change."""
    (tmp_path / "victim.txt").write_text("untouched")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "workspace").mkdir()
    return tmp_path / "in" / "Model.dlpk"


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_package_is_refused_and_writes_nothing(name: str, hostile: Path) -> None:
    data, rule = HOSTILE[name]
    hostile.write_bytes(data)
    before = snapshot(hostile.parents[1])
    with watched(hostile.parent / "workspace") as watch:
        report = check_container(hostile)
        message = refusal(hostile)
    assert rule in {finding.rule for finding in report.errors}, report.to_text()
    assert RULES[rule].severity is Severity.ERROR
    for finding in report.errors:
        assert finding.message in message
        assert finding.remedy in message
    assert message.replace("\n", "").isprintable()
    assert not watch.outside and not watch.ran and watch.changes == 0
    assert snapshot(hostile.parents[1]) == before


LYING: dict[str, Crafted] = {
    "more-than-announced": Crafted(b"big.bin", packed=zeros_deflated(200), size=1000, crc=0),
    "less-than-announced": Crafted(b"big.bin", b"abc" * 10, size=5000),
    "wrong-checksum": Crafted(b"big.bin", b"abc", crc=1),
    "wrong-checksum-stored": Crafted(b"big.bin", b"abc", method=STORED, crc=1),
    "no-deflate": Crafted(b"big.bin", packed=b"\xff" * 50, size=40, crc=0),
    "cut-deflate": Crafted(b"big.bin", packed=deflate(os.urandom(3000))[:-200], size=3000),
}


@pytest.mark.parametrize("name", sorted(LYING))
def test_lying_data_are_found_while_unpacking_and_cleaned_up(name: str, hostile: Path) -> None:
    hostile.write_bytes(Archive(package(LYING[name], text_entry(b"after.txt"))).build())
    workspace = hostile.parent / "workspace"
    before = snapshot(hostile.parents[1])
    with watched(workspace) as watch:
        deep = check_container(hostile, deep=True)
        assert watch.changes == 0
        refusal(hostile, r"big\.bin")
    assert [finding.rule for finding in deep.errors] == ["container/damaged-data"]
    assert not watch.outside and not watch.ran
    assert snapshot(hostile.parents[1]) == before


def test_bomb_that_lies_about_its_size_writes_no_more_than_announced(
    hostile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    hostile.write_bytes(
        Archive(
            package(Crafted(b"big.bin", packed=zeros_deflated(500), size=3 * MIB, crc=0))
        ).build()
    )
    monkeypatch.setattr(
        "builder.scratch.remove_folder",
        lambda folder: written.extend(
            path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()
        ),
    )
    refusal(hostile, "holds more")
    assert sum(written) <= 4 * MIB


def test_entries_that_only_a_stream_reader_sees_are_not_unpacked(hostile: Path) -> None:
    hostile.write_bytes(honest(text_entry(b"../evil.txt", hidden=True)))
    workspace = hostile.parent / "workspace"
    with watched(workspace) as watch, open_package(hostile, workspace=workspace) as package_:
        assert package_.root is not None
        assert sorted(os.listdir(package_.root)) == ["Model.emd", "Model.py"]
    assert not watch.outside


def test_second_name_of_an_entry_is_not_used(hostile: Path) -> None:
    evil = b"\x01" + zlib.crc32(b"a.txt").to_bytes(4, "little") + b"../evil.txt"
    extra = struct.pack("<HH", 0x7075, len(evil)) + evil
    hostile.write_bytes(honest(text_entry(b"a.txt", extra=extra)))
    assert [f.rule for f in check_container(hostile).warnings] == ["container/second-name"]
    workspace = hostile.parent / "workspace"
    with watched(workspace) as watch, open_package(hostile, workspace=workspace) as package_:
        assert package_.root is not None
        assert (package_.root / "a.txt").read_bytes() == b"some text"
    assert not watch.outside


def test_link_waiting_at_the_target_is_not_followed(hostile: Path) -> None:
    hostile.write_bytes(honest())
    elsewhere = hostile.parents[1] / "elsewhere"
    elsewhere.mkdir()
    (hostile.parent / "workspace" / "Model.dlpk").symlink_to(elsewhere)
    with open_package(hostile, workspace=hostile.parent / "workspace"):
        assert not list(elsewhere.iterdir())
    assert not list(elsewhere.iterdir())


def test_package_names_cannot_lead_out_of_the_workspace(hostile: Path) -> None:
    strange = hostile.with_name("..dlpk")
    strange.write_bytes(honest())
    workspace = hostile.parent / "workspace"
    with watched(workspace) as watch, open_package(strange, workspace=workspace) as package_:
        assert package_.root is not None
        assert package_.root.parents[1] == workspace
    assert not watch.outside
    assert not list(workspace.iterdir())


def test_folder_with_links_out_of_it(tmp_path: Path) -> None:
    outside = tmp_path / "secret.txt"
    outside.write_text("secret")
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "Model.emd").write_bytes(EMD)
    (folder / "Model.py").symlink_to(outside)
    (folder / "loop").symlink_to(folder / "loop")
    with open_package(folder) as package_:
        with pytest.raises(PackageError, match="leads out of the package"):
            resolve(package_, "Model.py")
        with pytest.raises(PackageError, match="leads out of the package"):
            resolve(package_, "..\\secret.txt")
