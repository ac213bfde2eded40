"""Finished blocks kept beside the output, so that a killed run can go on.

A file of records that only ever grows: first what the run is (package, raster, arguments), then one
record per finished block, each with its length and a checksum. Whatever moment a run is killed at,
the records before are whole, and what follows them is cut off. The GeoTIFF is then written from the
records in the order of an uninterrupted run, so that both come out byte by byte the same.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import struct
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from osgeo import gdal

from ..errors import JournalError

MAGIC = b"dlpk journal 1\n"
# Kind, number of the block, compressed length, checksum of these three and the compressed bytes.
RECORD = struct.Struct("<4sQQI")
CHECKED = struct.Struct("<4sQQ")
BLOCK, HEADER = b"BLOK", b"HEAD"
# A finished block may be lost to a power cut for this long; a kill loses none.
SYNC_SECONDS = 5.0
LEVEL = 1
OPENED = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)  # Windows would change line ends


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
        # Whether the file says which run it is of; one that was cut before that holds nothing.
        self._told = False
        try:
            # Never emptied on opening: it may be another run's.
            self._file: BinaryIO = os.fdopen(os.open(path, OPENED, 0o666), "r+b")
        except OSError as error:
            raise JournalError(f"the journal {path} cannot be used: {error}") from error
        try:
            self._begin()
        except OSError as error:
            self._file.close()
            raise JournalError(f"the journal {path} cannot be used: {error}") from error
        except BaseException:
            self._file.close()
            raise

    def _begin(self) -> None:
        _lock(self._file, self.path)
        self._recover()
        if self._told:
            return
        self._file.seek(0)
        self._file.truncate()
        self._file.write(MAGIC)
        self._append(HEADER, 0, self.identity.encode("utf-8"))
        self._sync()

    def _recover(self) -> None:
        """Read the records that are whole and cut off what follows them."""
        begun = self._file.read(len(MAGIC))
        if begun != MAGIC[: len(begun)]:
            raise JournalError(f"{self.path} is not a journal of dlpk: remove or rename it")
        whole = self._file.tell()
        while True:
            record = self._next()
            if record is None:
                break
            kind, number, place, length = record
            if kind == HEADER:
                self._check_identity(place, length)
            elif self._told:
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
        if len(data) < length or _checksum(kind, number, data) != checksum:
            return None
        return kind, number, place, length

    def _check_identity(self, place: int, length: int) -> None:
        self._file.seek(place)
        found = self._file.read(length).decode("utf-8", "replace")
        self._told = True
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
        kinds = [{"dtype": array.dtype.str, "shape": array.shape} for array in arrays]
        head = json.dumps(kinds).encode("ascii")
        data = b"".join([struct.pack("<I", len(head)), head, *map(_bytes, arrays)])
        try:
            self._file.seek(0, os.SEEK_END)
            place, length = self._append(BLOCK, number, zlib.compress(data, LEVEL))
            self._file.flush()
            if time.monotonic() - self._synced > SYNC_SECONDS:
                self._sync()
        except OSError as error:
            raise JournalError(f"the journal {self.path} cannot be written: {error}") from error
        self._places[number] = (place, length)

    def read(self, number: int) -> tuple[np.ndarray, ...]:
        """The arrays of a finished block, as they were kept."""
        place, length = self._places[number]
        self._file.seek(place)
        data = zlib.decompress(self._file.read(length))
        (size,) = struct.unpack_from("<I", data)
        start, arrays = 4 + size, []
        for kind in json.loads(data[4:start]):
            dtype, shape = np.dtype(kind["dtype"]), tuple(kind["shape"])
            count = math.prod(shape)
            arrays.append(np.frombuffer(data, dtype, count, start).reshape(shape))
            start += count * dtype.itemsize
        return tuple(arrays)

    def _append(self, kind: bytes, number: int, data: bytes) -> tuple[int, int]:
        self._file.write(RECORD.pack(kind, number, len(data), _checksum(kind, number, data)))
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


def journal_path(target: Path) -> Path:
    """The journal of a run that writes this file."""
    return target.with_name(target.name + ".journal")


def _checksum(kind: bytes, number: int, data: bytes) -> int:
    return zlib.crc32(data, zlib.crc32(CHECKED.pack(kind, number, len(data))))


def _bytes(array: np.ndarray) -> bytes:
    return np.ascontiguousarray(array).tobytes()


def file_identity(path: str) -> dict[str, Any]:
    """What tells an input file from a changed one: its name, size and time of change."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # not a file: a service, a subdataset
        return {"name": path}
    return {
        "name": os.path.abspath(path),
        "size": status.st_size,
        "changed": status.st_mtime_ns,
    }


def raster_identities(path: str) -> list[dict[str, Any]]:
    """The same for a raster and all files that it is made of, virtual rasters in it included."""
    found: dict[str, dict[str, Any]] = {}
    waiting = [path]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = file_identity(name)
        if name == path or name.lower().endswith(".vrt"):
            with suppress(RuntimeError):
                waiting += gdal.Open(name).GetFileList() or []
    return [found[name] for name in sorted(found)]


def named_files(text: str) -> list[dict[str, str]]:
    """Files that an argument names, such as example images, with the hash of what they hold."""
    found = []
    for quoted, plain in re.findall(r'"([^"]+)"|([^",|=\[\]]+)', text):
        name = (quoted or plain).strip()
        with suppress(OSError, ValueError):
            if os.path.isfile(name):
                digest = hashlib.sha256(Path(name).read_bytes()).hexdigest()
                found.append({"name": name, "sha256": digest})
    return found


def _lock(file: BinaryIO, path: Path) -> None:
    """Keep other runs away from a journal until the file is closed or the process ends."""
    try:
        import fcntl
    except ImportError:  # Windows: its files cannot be removed while they are open
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise JournalError(
            f"the journal {path} is in use: another run is writing the same result"
        ) from error
    except OSError:  # a file system without locks
        return
