"""The journal of finished blocks: whatever it is cut to, whole records survive."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpk.classification.journal import Journal
from dlpk.errors import JournalError

IDENTITY = {"package": "abc", "raster": "x.tif"}


def block(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 255, (1, 5 + number, 7), np.uint8)


def filled(path: Path, count: int = 5) -> bytes:
    journal = Journal(path, IDENTITY)
    for number in range(count):
        journal.add(number, block(number))
    journal.close()
    return path.read_bytes()


def test_blocks_come_back(tmp_path: Path) -> None:
    filled(tmp_path / "j")
    journal = Journal(tmp_path / "j", IDENTITY)
    assert len(journal) == 5
    for number in range(5):
        assert number in journal
        assert (journal.read(number)[0] == block(number)).all()
    assert 5 not in journal
    journal.add(5, block(5).astype(np.float32))
    assert journal.read(5)[0].dtype == np.float32
    journal.remove()
    assert not (tmp_path / "j").exists()


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2000))
def test_cut_anywhere(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    path = tmp_path_factory.mktemp("cut") / "j"
    whole = filled(path)
    path.write_bytes(whole[: min(length, len(whole))])
    journal = Journal(path, IDENTITY)
    known = len(journal)
    for number in range(known):
        assert (journal.read(number)[0] == block(number)).all()
    for number in range(known, 5):  # and it can be gone on with
        journal.add(number, block(number))
    journal.close()
    again = Journal(path, IDENTITY)
    assert [(again.read(n)[0] == block(n)).all() for n in range(5)] == [True] * 5
    again.close()


@settings(max_examples=150, deadline=None)
@given(st.integers(60, 900), st.integers(1, 255))
def test_damaged_anywhere(
    tmp_path_factory: pytest.TempPathFactory, place: int, change: int
) -> None:
    """What is damaged is not believed: blocks come back right or not at all."""
    path = tmp_path_factory.mktemp("damaged") / "j"
    data = bytearray(filled(path))
    data[place % len(data)] ^= change
    path.write_bytes(data)
    try:
        journal = Journal(path, IDENTITY)
    except JournalError:
        return
    for number in range(5):
        if number in journal:
            assert (journal.read(number)[0] == block(number)).all()
    journal.close()


def test_another_run_is_refused(tmp_path: Path) -> None:
    filled(tmp_path / "j")
    with pytest.raises(JournalError, match=r"of another run \(raster differ\)"):
        Journal(tmp_path / "j", {**IDENTITY, "raster": "y.tif"})


def test_not_a_journal(tmp_path: Path) -> None:
    (tmp_path / "j").write_bytes(b"something else entirely" * 10)
    with pytest.raises(JournalError, match="not a journal"):
        Journal(tmp_path / "j", IDENTITY)


def test_a_folder_is_no_journal(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot be used"):
        Journal(tmp_path, IDENTITY)
