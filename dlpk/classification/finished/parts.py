"""Finished blocks in files: one that others write, with the blocks of a range in order.

The name of a part says what is in it, and it has that name only once it is complete, so that
whoever reads the folder needs no list. Every block names its run and carries a checksum.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import uuid
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

PART = ".part"
UNFINISHED = ".unfinished"
NAME = re.compile(rf"(\d+)-(\d+){re.escape(PART)}")
LEVEL = 1
# A block in a part stands behind its length, in bytes.
LENGTH = 8
# What reading a block that was cut or damaged raises.
DAMAGED = (OSError, EOFError, zlib.error, ValueError, TypeError)


def packed(mark: bytes, number: int, arrays: tuple[np.ndarray, ...]) -> bytes:
    """A finished block of a run, to be kept.

    Parameters
    ----------
    mark : bytes
        Of the run.
    number : int
        Its place in the order of blocks.
    arrays : tuple of ndarray
        Its pixels and mask, for example.
    """
    heads = json.dumps([[array.dtype.str, array.shape] for array in arrays])
    head = b"%s %d %s\n" % (mark, number, heads.encode())
    return gzip.compress(b"".join([head, *(array.tobytes() for array in arrays)]), LEVEL)


def unpacked(mark: bytes, number: int, content: bytes) -> tuple[np.ndarray, ...] | None:
    """What `packed` was given; None if it is another block or another run's.

    Raises
    ------
    EOFError, zlib.error, ValueError, TypeError
        It is damaged, see `DAMAGED`.
    """
    head, content = gzip.decompress(content).split(b"\n", 1)
    theirs, place, heads = head.split(b" ", 2)
    if (theirs, place) != (mark, b"%d" % number):
        return None
    arrays, start = [], 0
    for kind, shape in json.loads(heads):
        array = np.frombuffer(content, kind, int(np.prod(shape)), start).reshape(shape)
        arrays.append(array)
        start += array.nbytes
    return tuple(arrays)


class PartWriter:
    """Blocks that follow each other, written into one file; use it as ``with``.

    The file gets its name at the end of the block, also when that ends with an error: what was
    finished before counts. Without any block there is no file.

    Parameters
    ----------
    folder : Path
        That of the journal; it has to be there.
    mark : bytes
        Of the run.
    first : int
        Number of the first block.

    Raises
    ------
    OSError
        The folder is gone or the disk is full.
    """

    def __init__(self, folder: Path, mark: bytes, first: int) -> None:
        self._folder, self._mark = folder, mark
        self.first = self.next = first
        self._beside = folder / f"{uuid.uuid4().hex}{UNFINISHED}"
        self._file = self._beside.open("wb", buffering=0)

    def add(self, *arrays: np.ndarray) -> None:
        """Write the next block."""
        content = packed(self._mark, self.next, arrays)
        left = memoryview(len(content).to_bytes(LENGTH, "little") + content)
        start = self._file.tell()
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError:  # what is whole shall stay so
            self._file.truncate(start)
            raise
        self.next += 1

    def __enter__(self) -> PartWriter:
        """Use as ``with``."""
        return self

    def __exit__(self, *error: object) -> None:
        """Give the file its name."""
        try:
            self._file.close()
            if self.next > self.first:
                os.replace(self._beside, self._folder / f"{self.first}-{self.next - 1}{PART}")
        finally:
            self._beside.unlink(missing_ok=True)


def finished_ranges(folder: Path) -> list[tuple[int, int]]:
    """First and last block of every part in a folder, in order."""
    found = (NAME.fullmatch(name) for name in os.listdir(folder))
    return sorted((int(match[1]), int(match[2])) for match in found if match)


class PartReader:
    """Reads blocks out of parts; in order, each part is read once from front to back.

    Parameters
    ----------
    folder : Path
        With parts that are not going to change.
    """

    def __init__(self, folder: Path, mark: bytes) -> None:
        self._folder, self._mark = folder, mark
        self._ranges = finished_ranges(folder)
        self._place = 0
        self._file: BinaryIO | None = None
        self._next = 0

    def read(self, number: int) -> tuple[np.ndarray, ...] | None:
        """The arrays of a block; None if no part holds it, or it is damaged."""
        try:
            if self._file is None or not self._next <= number <= self._ranges[self._place][1]:
                self.close()
                if not self._open(number):
                    return None
            assert self._file is not None
            while self._next < number:
                self._file.seek(self._length(), os.SEEK_CUR)
                self._next += 1
            self._next += 1
            return unpacked(self._mark, number, self._file.read(self._length()))
        except DAMAGED:
            self.close()
            return None

    def _open(self, number: int) -> bool:
        places = range(self._place, self._place + len(self._ranges))
        for place in (place % len(self._ranges) for place in places):
            first, last = self._ranges[place]
            if first <= number <= last:
                self._place, self._next = place, first
                self._file = (self._folder / f"{first}-{last}{PART}").open("rb")
                return True
        return False

    def _length(self) -> int:
        assert self._file is not None
        data = self._file.read(LENGTH)
        if len(data) < LENGTH:
            raise EOFError
        return int.from_bytes(data, "little")

    def close(self) -> None:
        """Close the file that is open, if one is."""
        if self._file is not None:
            self._file.close()
            self._file = None
