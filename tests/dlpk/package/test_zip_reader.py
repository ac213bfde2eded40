"""The zip reader, against Python's own."""

from __future__ import annotations

import os
import shutil
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpk.package import archive as container_check
from dlpk.package.rules import collector
from dlpk.package.zip_data import unpack
from dlpk.package.zip_reader import read_directory
from tests.support.packages import FILES, make_folder, make_zip, rules

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
    # Ends of archives, of which `zipfile` takes the wrong one.
    if b"PK\5\6" in comment or b"PK\6\7" in prefix:
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
