"""The zip reader, against Python's own."""

from __future__ import annotations

import os
import shutil
import struct
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpk.package import archive as container_check
from dlpk.package.open import check_container, open_package
from dlpk.package.rules import collector
from dlpk.package.zip_data import unpack
from dlpk.package.zip_reader import read_directory
from tests.support.packages import FILES, contents, make_folder, make_zip, rules

_name = st.text("abcXYZ019 _-é\u6c34", min_size=1, max_size=8).map(lambda s: "n" + s + "n")
_path = st.lists(_name, min_size=1, max_size=3).map("/".join)


@settings(max_examples=100, deadline=None)
@given(
    files=st.dictionaries(_path, st.binary(max_size=3000), max_size=8),
    method=st.sampled_from([0, 8]),
    comment=st.binary(max_size=40),
    prefix=st.binary(max_size=40),
)
def test_directory_equals_that_of_zipfile(
    files: dict[str, bytes], method: int, comment: bytes, prefix: bytes
) -> None:
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.comment = comment
        for name, data in files.items():
            archive.writestr(name, data)
        theirs = archive.infolist()
    handle = BytesIO(prefix + stream.getvalue())
    findings = collector("Model.dlpk")
    ours = read_directory(handle, findings)
    if b"PK\5\6" in comment:
        return
    assert not findings.has_errors
    assert findings.broke("container/leading-data") == bool(prefix)
    assert [e.name for e in ours] == [info.filename for info in theirs]
    for entry, info in zip(ours, theirs):
        assert (entry.method, entry.crc, entry.size, entry.packed) == (
            info.compress_type,
            info.CRC,
            info.file_size,
            info.compress_size,
        )
        assert entry.offset == info.header_offset + len(prefix)
        assert not entry.is_folder and not entry.special
        assert b"".join(unpack(handle, entry)) == files[info.filename]


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=2000))
def test_any_bytes_give_a_report(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("any") / "Model.dlpk"
    path.write_bytes(data)
    assert not check_container(path).ok


def test_zip64_with_everything_in_the_wide_fields(tmp_path: Path) -> None:
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in FILES.items():
            with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as file:
                file.write(data)
    path = tmp_path / "Model.dlpk"
    path.write_bytes(_with_wide_sizes(stream.getvalue()))
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
    assert rules(path, deep=True) == []
    with open_package(path) as package:
        assert contents(package.root) == FILES


def _with_wide_sizes(data: bytes) -> bytes:
    """Move sizes and offsets of a zip's directory into zip64 fields."""
    end = data.rindex(b"PK\5\6")
    count, _, start = struct.unpack_from("<HLL", data, end + 10)
    out, at = bytearray(), start
    for _ in range(count):
        header = bytearray(data[at : at + 46])
        packed, full, name_size = struct.unpack_from("<LLH", header, 20)
        (offset,) = struct.unpack_from("<L", header, 42)
        name = data[at + 46 : at + 46 + name_size]
        extra = struct.pack("<HHQQQ", 1, 24, full, packed, offset)
        struct.pack_into("<LLHH", header, 20, 2**32 - 1, 2**32 - 1, name_size, len(extra))
        struct.pack_into("<L", header, 42, 2**32 - 1)
        out += header + name + extra
        at += 46 + name_size + struct.unpack_from("<H", data, at + 30)[0]
    record = start + len(out)
    out += struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(out), start)
    out += struct.pack("<4sLQL", b"PK\6\7", 0, record, 1)
    out += struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0)
    return data[:start] + bytes(out)


def test_more_entries_than_sixteen_bits_count(tmp_path: Path) -> None:
    many = {f"{n:x}": b"" for n in range(66_000)}
    path = make_zip(tmp_path / "Model.dlpk", {**FILES, **many}, zipfile.ZIP_STORED)
    assert rules(path) == []


def test_packages_of_arcgis_learn_are_silent(tmp_path: Path) -> None:
    """`shutil.make_archive` is what arcgis.learn zips with; it writes folder entries."""
    folder = make_folder(tmp_path / "in", {**FILES, "ModelCharacteristics/loss_graph.png": b"png"})
    made = shutil.make_archive(str(tmp_path / "Model"), "zip", folder)
    path = Path(made).rename(tmp_path / "Model.dlpk")
    assert rules(path, deep=True) == []
    assert rules(folder) == []


def test_large_weights_and_small_tight_text_are_no_bomb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_zip(tmp_path / "Model.dlpk", {**FILES, "zeros.txt": bytes(3_000_000)})
    assert rules(path) == []
    monkeypatch.setattr(container_check, "BOMB_SIZE", 1_000_000)
    assert "container/bomb" in rules(path)
    path = make_zip(tmp_path / "Model.dlpk", {**FILES, "w.pth": os.urandom(1_500_000)})
    assert rules(path) == []
