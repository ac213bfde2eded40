"""Files within files, without copies."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, cast


class _Part(io.RawIOBase):
    """A part of a file as a file of its own."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file, self._start, self._size, self._at = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        self._file.seek(self._start + self._at)
        data = self._file.read(max(0, min(len(buffer), self._size - self._at)))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


@dataclass(frozen=True)
class Content:
    """A file, or a part of one."""

    file: BinaryIO
    """Unbuffered or in memory, able to seek."""
    start: int
    size: int
    place: str
    """Name in reports."""
    pickled: bool = False
    """Whether it is meant to be loaded as a pickle: then it is a fault if it cannot be."""
    script: bool = False
    """Whether it is part of a TorchScript archive, whose own classes C++ reads."""
    depth: int = 0
    """How many files it is in."""

    def open(self) -> BinaryIO:
        """Return it as a buffered file."""
        return cast(BinaryIO, io.BufferedReader(_Part(self.file, self.start, self.size)))

    def part(self, start: int, size: int, name: str = "", **changes: Any) -> Content:
        """Return a part of it."""
        place = f"{self.place}/{name}" if name else self.place
        here = {"place": place, "depth": self.depth + 1, "pickled": False, **changes}
        return replace(self, start=self.start + start, size=size, **here)

    def holds(self, file: BinaryIO, size: int, name: str = "", **changes: Any) -> Content:
        """Return what it holds in another form, now in `file`."""
        return replace(self.part(0, size, name, **changes), file=file, start=0)
