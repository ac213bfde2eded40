"""The journal of finished blocks: blocks come back right or not at all."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpk.classification.finished.journal import RUN_FILE, Journal
from dlpk.errors import JournalError

IDENTITY = {"package": "abc", "raster": ("x.tif", "a\nb")}


def block(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 255, (1, 5 + number, 7), np.uint8)


def filled(path: Path, count: int = 3, **more: str) -> Path:
    journal = Journal(path, {**IDENTITY, **more})
    for number in range(count):
        journal.add(number, block(number), block(number).astype(np.float32))
    journal.close()
    return path


def known(journal: Journal) -> list[int]:
    """Which blocks come back; all that do are right."""
    found = []
    for number in range(10):
        arrays = journal.read(number)
        if arrays is not None:
            assert (arrays[0] == block(number)).all()
            assert arrays[1].dtype == np.float32
            found.append(number)
    return found


def test_blocks_come_back(tmp_path: Path) -> None:
    journal = Journal(filled(tmp_path / "j"), IDENTITY)
    assert known(journal) == [0, 1, 2]
    assert len(journal) == 3
    journal.remove()
    journal.close()
    assert not (tmp_path / "j").exists()


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["run.json", "1.block"]), st.integers(0, 400), st.integers(0, 255))
def test_cut_or_damaged_anywhere(
    tmp_path_factory: pytest.TempPathFactory, name: str, place: int, change: int
) -> None:
    path = filled(tmp_path_factory.mktemp("cut") / "j")
    data = bytearray((path / name).read_bytes())
    if change and place < len(data):
        data[place] ^= change
    else:
        del data[place:]
    (path / name).write_bytes(data)
    try:
        journal = Journal(path, IDENTITY)
    except JournalError:
        assert name == "run.json"
        return
    assert {0, 2} <= set(known(journal))
    journal.close()


@pytest.mark.parametrize("content", ["[1]", "null", '"x"', "{", "", "\0", "[" * 100_000])
def test_a_bad_head_is_one_clear_error(tmp_path: Path, content: str) -> None:
    path = filled(tmp_path / "j")
    (path / RUN_FILE).write_text(content)
    with pytest.raises(JournalError, match="is damaged"):
        Journal(path, IDENTITY)


def test_blocks_of_another_run_or_place_are_not_believed(tmp_path: Path) -> None:
    path, other = filled(tmp_path / "j"), filled(tmp_path / "k", count=5, package="other")
    for name in ("3.block", "4.block"):
        shutil.copy(other / name, path / name)
    shutil.copy(path / "0.block", path / "7.block")
    journal = Journal(path, IDENTITY)
    assert known(journal) == [0, 1, 2]
    journal.close()


def test_another_run_is_refused(tmp_path: Path) -> None:
    filled(tmp_path / "j")
    with pytest.raises(JournalError, match=r"of another run \(raster differ\)"):
        Journal(tmp_path / "j", {**IDENTITY, "raster": "y.tif"})


def test_not_a_journal(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"something else entirely")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine").write_text("x")
    (tmp_path / "link").symlink_to(filled(tmp_path / "j"))
    for name in ("file", "folder", "link"):
        with pytest.raises(JournalError, match="not a journal"):
            Journal(tmp_path / name, IDENTITY)
    assert os.listdir(tmp_path / "folder") == ["mine"]


def test_killed_before_it_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "j"
    path.mkdir()
    (path / ".unfinished").write_text("{")
    Journal(path, IDENTITY).close()
    assert json.loads((path / RUN_FILE).read_text())["package"] == "abc"
