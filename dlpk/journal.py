"""Finished blocks kept beside the output, so that a killed run can go on.

A file of records that only ever grows: first what the run is (package, raster, arguments), then one
record per finished block, each with its length and a checksum. Whatever moment a run is killed at,
the records before are whole, and what follows them is cut off. The GeoTIFF is then written from the
records in the order of an uninterrupted run, so that both come out byte by byte the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from .errors import JournalError

MAGIC = b"dlpk journal 1\n"
# Kind, number of the block, compressed length, checksum of the compressed bytes.
RECORD = struct.Struct("<4sQQI")
BLOCK, HEADER = b"BLOK", b"HEAD"
# A finished block may be lost to a power cut for this long; a kill loses none.
SYNC_SECONDS = 5.0
LEVEL = 1


class Journal:
    """The finished blocks of a run.

    Parameters
    ----------
    path : Path
        The file; made if it is not there.
    identity : mapping
        What has to be the same for a run to be the same, ready for JSON.

    Raises
    ------
    JournalError
        The file is of another run, or cannot be read or written.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self.path = path
        self.identity = json.dumps(dict(identity), sort_keys=True)
        self._places: dict[int, tuple[int, int]] = {}
        self._synced = time.monotonic()
        try:
            fresh = not path.exists() or path.stat().st_size < len(MAGIC) + RECORD.size
            self._file: BinaryIO = path.open("w+b" if fresh else "r+b")
            if fresh:
                self._file.write(MAGIC)
                self._append(HEADER, 0, self.identity.encode("utf-8"))
                self._sync()
            else:
                try:
                    self._recover()
                except BaseException:
                    self._file.close()
                    raise
        except OSError as error:
            raise JournalError(f"the journal {path} cannot be used: {error}") from error

    def _recover(self) -> None:
        """Read the records that are whole and cut off what follows them."""
        if self._file.read(len(MAGIC)) != MAGIC:
            raise JournalError(f"{self.path} is not a journal of dlpk: remove or rename it")
        whole = self._file.tell()
        while True:
            record = self._next()
            if record is None:
                break
            kind, number, place, length = record
            if kind == HEADER:
                self._check_identity(place, length)
            else:
                self._places[number] = (place, length)
            whole = self._file.tell()
        self._file.seek(whole)
        self._file.truncate()

    def _next(self) -> tuple[bytes, int, int, int] | None:
        head = self._file.read(RECORD.size)
        if len(head) < RECORD.size:
            return None
        kind, number, length, checksum = RECORD.unpack(head)
        if kind not in (BLOCK, HEADER) or length > 1 << 32:
            return None
        place = self._file.tell()
        data = self._file.read(length)
        if len(data) < length or zlib.crc32(data) != checksum:
            return None
        return kind, number, place, length

    def _check_identity(self, place: int, length: int) -> None:
        self._file.seek(place)
        found = self._file.read(length).decode("utf-8", "replace")
        if found == self.identity:
            return
        ours, theirs = json.loads(self.identity), json.loads(found)
        changed = sorted(key for key in {*ours, *theirs} if ours.get(key) != theirs.get(key))
        raise JournalError(
            f"the journal {self.path} is of another run ({', '.join(changed)} differ): remove it "
            "to start anew, or repeat the run as it was"
        )

    def __contains__(self, number: int) -> bool:
        """Whether a block is finished."""
        return number in self._places

    def __len__(self) -> int:
        """Number of finished blocks."""
        return len(self._places)

    def add(self, number: int, pixels: np.ndarray) -> None:
        """Keep a finished block.

        Parameters
        ----------
        number : int
            Its place in the order of blocks.
        pixels : ndarray
            Shape (bands, rows, columns).

        Raises
        ------
        JournalError
            For example when the disk is full.
        """
        head = json.dumps({"dtype": pixels.dtype.str, "shape": pixels.shape}).encode("ascii")
        data = struct.pack("<I", len(head)) + head + np.ascontiguousarray(pixels).tobytes()
        try:
            self._file.seek(0, os.SEEK_END)
            place, length = self._append(BLOCK, number, zlib.compress(data, LEVEL))
            self._file.flush()
            if time.monotonic() - self._synced > SYNC_SECONDS:
                self._sync()
        except OSError as error:
            raise JournalError(f"the journal {self.path} cannot be written: {error}") from error
        self._places[number] = (place, length)

    def read(self, number: int) -> np.ndarray:
        """A finished block, shape (bands, rows, columns)."""
        place, length = self._places[number]
        self._file.seek(place)
        data = zlib.decompress(self._file.read(length))
        (size,) = struct.unpack_from("<I", data)
        head = json.loads(data[4 : 4 + size])
        pixels = np.frombuffer(data, np.dtype(head["dtype"]), offset=4 + size)
        return pixels.reshape(head["shape"])

    def _append(self, kind: bytes, number: int, data: bytes) -> tuple[int, int]:
        self._file.write(RECORD.pack(kind, number, len(data), zlib.crc32(data)))
        place = self._file.tell()
        self._file.write(data)
        return place, len(data)

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._synced = time.monotonic()

    def close(self) -> None:
        """Close the file; the records stay."""
        self._file.close()

    def remove(self) -> None:
        """Close and remove the file: the run is complete."""
        self._file.close()
        self.path.unlink(missing_ok=True)


def file_identity(path: str) -> dict[str, Any]:
    """What tells an input file from a changed one: its name, size and time of change."""
    try:
        status = os.stat(path)
    except OSError:  # not a file: a service, a subdataset
        return {"name": path}
    return {
        "name": os.path.abspath(path),
        "size": status.st_size,
        "changed": status.st_mtime_ns,
    }


def text_hash(text: str) -> str:
    """SHA-256 of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
