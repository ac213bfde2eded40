"""Folders for unfinished work: never taken from the living, always from the dead."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from builder.scratch import scratch_folder

KILLED = """
import os, sys
from builder.scratch import scratch_folder
with scratch_folder(sys.argv[1]) as folder:
    (folder / "weights").write_text("x")
    os.kill(os.getpid(), 9)
"""


def killed(place: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(place)], check=False)


def test_what_was_killed_is_collected_and_nothing_else(tmp_path: Path) -> None:
    mine = (
        "dlpk-scratch-mine",
        ".dlpk-scratch-file1234",
        "dlpk-weights1",
        "x.dlpk-scratch-12345678",
    )
    for name in mine:
        (tmp_path / name).mkdir()
    (tmp_path / ".dlpk-scratch-file1234").rmdir()
    (tmp_path / ".dlpk-scratch-file1234").write_text("a file")
    (tmp_path / ".dlpk-scratch-link1234").symlink_to(tmp_path / "dlpk-weights1")
    killed(tmp_path)
    before = {path.name for path in tmp_path.iterdir()}
    assert len(before) == 6
    for path in tmp_path.iterdir():  # a clock that went back: what is left comes from tomorrow
        os.utime(path, (4e9, 4e9), follow_symlinks=False)
    with scratch_folder(tmp_path) as living, scratch_folder(tmp_path) as other:
        assert living.is_dir() and other.is_dir()
        killed(tmp_path)
        assert living.is_dir() and other.is_dir()
    with scratch_folder(tmp_path):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {*mine, ".dlpk-scratch-link1234"}


def test_without_locks_nothing_is_collected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(tmp_path)

    def flock(*args: object) -> None:
        raise OSError("no locks here")

    monkeypatch.setattr("builder.scratch.fcntl.flock", flock)
    with scratch_folder(tmp_path):
        assert len(list(tmp_path.iterdir())) == 2
    assert len(list(tmp_path.iterdir())) == 1
