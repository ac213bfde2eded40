"""Folders for unfinished work: gone when the work ends, and collected later if it was killed."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: what is in use there cannot be removed anyway
    fcntl = None  # type: ignore[assignment]

PREFIX = "dlpk-scratch-"
NAME = re.compile(rf"\.?{PREFIX}[a-z0-9_]{{8}}")  # as tempfile makes them


@contextmanager
def scratch_folder(parent: str | os.PathLike[str] | None = None) -> Iterator[Path]:
    """A new folder for the time of a ``with`` block.

    It is locked for that time. What killed processes of the same user have left in `parent`, and
    nobody holds a lock on, is removed first.

    Parameters
    ----------
    parent : path, optional
        Where to make it, hidden; by default in the folder for temporary files.

    Yields
    ------
    Path
        Absolute.

    Raises
    ------
    OSError
        It cannot be made.
    """
    place = os.path.abspath(parent or tempfile.gettempdir())
    collect(place)
    lock = None
    while lock is None:  # somebody who collects may come between making and locking
        folder = tempfile.mkdtemp(prefix="." * bool(parent) + PREFIX, dir=place)
        lock = lock_folder(folder, own=True)
    try:
        yield Path(folder)
    finally:
        remove_folder(folder)
        os.close(lock)


def scratch_until_exit() -> Path:
    """A new folder that is removed when the process ends; as `scratch_folder`."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(scratch_folder())


def collect(place: str) -> None:
    """Remove what killed processes have left in a folder."""
    with suppress(OSError):
        names = [name for name in os.listdir(place) if NAME.fullmatch(name)]
        for folder in (os.path.join(place, name) for name in names):
            with suppress(OSError):
                status = os.lstat(folder)
                if fcntl is None or not stat.S_ISDIR(status.st_mode):
                    continue
                if status.st_uid == os.geteuid() and (lock := lock_folder(folder)) is not None:
                    remove_folder(folder)
                    os.close(lock)


def lock_folder(folder: str | os.PathLike[str], own: bool = False) -> int | None:
    """Lock a folder until the returned descriptor is closed; None if it is locked or gone.

    Where the file system has no locks, only who says that the folder is its `own` gets one.
    """
    if fcntl is None:
        return os.open(os.devnull, os.O_RDONLY)
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.exists(folder):
            return lock
    except BlockingIOError:
        pass
    except OSError:  # a file system without locks: nobody collects there
        if own:
            return lock
    os.close(lock)
    return None


@contextmanager
def one_at_a_time(folder: str | os.PathLike[str], busy: Exception | None = None) -> Iterator[None]:
    """Wait until no other process is in such a block for the same folder, or raise `busy`."""
    lock = None
    try:
        lock = os.open(folder, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX | (fcntl.LOCK_NB if busy else 0))
    except BlockingIOError:
        assert lock is not None and busy is not None
        os.close(lock)
        raise busy from None
    except OSError:
        pass  # Windows, or a file system without locks
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)


def remove_folder(folder: str | os.PathLike[str]) -> None:
    """Remove a folder with everything in it, also where somebody took away permissions.

    What the system still holds on to (on Windows a loaded library) stays behind without an error.
    """
    for path, folders, files in os.walk(folder):
        # Windows refuses to delete what is read-only, POSIX to enter a folder without rights.
        for name in folders + (files if os.name == "nt" else []):
            full = os.path.join(path, name)
            with suppress(OSError):
                if not os.path.islink(full):
                    os.chmod(full, stat.S_IRWXU)
    shutil.rmtree(folder, ignore_errors=True)
