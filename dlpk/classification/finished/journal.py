"""Finished blocks kept beside the output, so that a killed run can go on.

A folder with a file per finished block, or with parts that other processes write, which get their
names when they are complete, and one that says what the run is. Each block names its run and
carries a checksum: what does not hold is computed again. The GeoTIFF is written from them in the
order of an uninterrupted run, so that both come out byte by byte the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from builder.scratch import PREFIX, lock_folder, remove_folder

from ...errors import JournalError
from .parts import DAMAGED, PART, UNFINISHED, PartReader, finished_ranges, packed, unpacked

RUN_FILE = "run.json"
BLOCK = ".block"


class Journal:
    """The finished blocks of a run.

    Parameters
    ----------
    path : Path
        The folder; made if it is not there.
    identity : mapping
        What has to be the same for a run to be the same, ready for JSON.

    Raises
    ------
    JournalError
        The folder is of another run or none of ours, in use, or cannot be read or written.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self.path = path
        self._identity = json.loads(json.dumps(dict(identity)))
        text = json.dumps(self._identity, sort_keys=True)
        self.mark = hashlib.sha256(text.encode()).hexdigest().encode()
        self._parts: PartReader | None = None
        if os.path.lexists(path) and not _is_journal(path):
            raise JournalError(f"{path} is not a journal of dlpk: remove or rename it")
        try:
            path.mkdir(exist_ok=True)
            lock = lock_folder(path, own=True)
        except OSError as error:
            raise JournalError(f"the journal {path} cannot be used: {error.strerror}") from error
        if lock is None:
            raise JournalError(
                f"the journal {path} is in use: another run is writing the same result"
            )
        self._lock = lock
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def _begin(self) -> None:
        if not (self.path / RUN_FILE).exists():
            text = json.dumps(self._identity, indent=1, sort_keys=True)
            self._write(RUN_FILE, text.encode())
            return
        theirs = _read_run(self.path)
        keys = {*self._identity, *theirs}
        changed = sorted(key for key in keys if self._identity.get(key) != theirs.get(key))
        if changed:
            raise JournalError(
                f"the journal {self.path} is of another run ({', '.join(changed)} differ): remove "
                "it to start anew, or repeat the run as it was"
            )

    def _write(self, name: str, data: bytes) -> None:
        try:
            (self.path / UNFINISHED).write_bytes(data)
            os.replace(self.path / UNFINISHED, self.path / name)
        except OSError as error:
            raise JournalError(
                f"the journal {self.path} cannot be written: {error.strerror}"
            ) from error

    def __len__(self) -> int:
        """Number of finished blocks."""
        parts = sum(last + 1 - first for first, last in finished_ranges(self.path))
        return parts + len(self.blocks())

    def blocks(self) -> list[int]:
        """Numbers of the blocks that have files of their own, in order."""
        names = (name[: -len(BLOCK)] for name in os.listdir(self.path) if name.endswith(BLOCK))
        return sorted(int(name) for name in names if name.isdigit())

    def add(self, number: int, *arrays: np.ndarray) -> None:
        """Keep a finished block.

        Parameters
        ----------
        number : int
            Its place in the order of blocks.
        *arrays : ndarray
            What is to be kept of it, such as its pixels and its mask.

        Raises
        ------
        JournalError
            For example when the disk is full.
        """
        self._write(f"{number}{BLOCK}", packed(self.mark, number, arrays))

    def read(self, number: int) -> tuple[np.ndarray, ...] | None:
        """The arrays of a finished block, as they were kept; None if it is not finished."""
        try:
            return unpacked(self.mark, number, (self.path / f"{number}{BLOCK}").read_bytes())
        except DAMAGED:
            if self._parts is None:
                self._parts = PartReader(self.path, self.mark)
            return self._parts.read(number)

    def close(self) -> None:
        """Let go of the folder; the blocks stay."""
        if self._parts is not None:
            self._parts.close()
        with suppress(OSError):
            os.close(self._lock)

    def remove(self) -> None:
        """Remove the folder: the run is complete."""
        if self._parts is not None:
            self._parts.close()
        # Under another name first: whoever still writes into it finds it gone.
        gone = self.path.with_name(f".{PREFIX}{uuid.uuid4().hex[:8]}")
        try:
            os.replace(self.path, gone)
        except OSError:  # where a sandbox has put it
            gone = self.path
        remove_folder(gone)


def journal_path(target: Path) -> Path:
    """The journal of a run that writes this file."""
    return target.with_name(target.name + ".journal")


def discard_journal(target: Path) -> None:
    """Remove what an earlier run has left that wrote this file, unless it is still at it."""
    path = journal_path(target)
    if _is_journal(path) and (lock := lock_folder(path)) is not None:
        remove_folder(path)
        os.close(lock)


def _is_journal(path: Path) -> bool:
    """Whether there is a folder with nothing in it but what a journal holds."""
    try:
        names = os.listdir(path)
    except OSError:
        return False
    ours = all(name == RUN_FILE or name.endswith((BLOCK, PART, UNFINISHED)) for name in names)
    return ours and not path.is_symlink()


def _read_run(path: Path) -> dict[str, Any]:
    try:
        run = json.loads((path / RUN_FILE).read_bytes())
    except (OSError, ValueError, RecursionError):
        run = None
    if not isinstance(run, dict):
        raise JournalError(f"{path / RUN_FILE} is damaged: remove {path} to start anew")
    return run
