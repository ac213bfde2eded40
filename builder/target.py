"""Files that are about to be written: never in the place of something else, never half."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import OutputError

from .scratch import scratch_folder

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a link",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}


def check_targets(
    targets: Iterable[str | Path], inputs: Iterable[str | os.PathLike[str]] = ()
) -> None:
    """Check that files can be written, before anything is computed.

    Each has to be absent or an ordinary file that no input consists of, under whatever name: files
    are compared by device and inode, so that links and file systems that know no case count too.

    Parameters
    ----------
    targets : iterable of path
        What will be written, replaced or removed.
    inputs : iterable of path
        Files that are read; a folder stands for everything in it. Only looked at when a target
        exists.

    Raises
    ------
    OutputError
        Says what is in the way.
    """
    existing = {}
    for target in map(Path, targets):
        status = _status(target)
        if status is not None:
            existing[status.st_dev, status.st_ino] = target
    for name in inputs if existing else ():
        for file in _files(name):
            try:
                status = os.stat(file)
            except (OSError, ValueError):
                continue
            found = existing.get((status.st_dev, status.st_ino))
            if found is not None:
                same = "" if os.path.abspath(file) == os.path.abspath(found) else f" as {file}"
                raise OutputError(
                    f"{found} is also read from{same}, and would be replaced: name another file "
                    "for the result"
                )


def _status(target: Path) -> os.stat_result | None:
    """What is there; None if nothing is and the file can be made."""
    try:
        status = os.lstat(target)
    except FileNotFoundError:
        status = None
    except (OSError, ValueError) as error:  # a name that is too long, or holds a zero byte
        raise OutputError(f"{target} cannot be written: {error}") from error
    if not target.parent.is_dir():
        raise OutputError(f"the folder {target.parent} does not exist: make it first")
    if status is not None and not stat.S_ISREG(status.st_mode):
        kind = KINDS.get(stat.S_IFMT(status.st_mode), "no file")
        raise OutputError(f"{target} is {kind}; name an ordinary file, or one that is not there")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise OutputError(
            f"the folder {target.parent} cannot be written to: choose another, or ask its owner"
        )
    return status


def _files(name: str | os.PathLike[str]) -> Iterator[str]:
    if not os.path.isdir(name):
        yield os.fspath(name)
        return
    for folder, _, files in os.walk(name):
        yield from (os.path.join(folder, file) for file in files)


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A file beside `target` that takes its place when the block ends well, and vanishes else.

    Yields
    ------
    Path
        Does not exist yet.

    Raises
    ------
    OutputError
        The system refuses, for example because the disk is full; `target` is as it was.
    """
    try:
        with scratch_folder(target.parent) as folder:
            yield folder / f"new{target.suffix}"
            os.replace(folder / f"new{target.suffix}", target)
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror or error}") from error


def check_folder(
    folder: Path, names: Iterable[str], inputs: Iterable[str | os.PathLike[str]] = ()
) -> None:
    """Check that files can be written into a folder that may not be there yet.

    Raises
    ------
    OutputError
        See `check_targets`.
    """
    if os.path.lexists(folder):
        if not folder.is_dir():
            raise OutputError(f"{folder} is no folder: name another")
        check_targets([folder / name for name in names], inputs)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, unless they are there.

    Raises
    ------
    OutputError
        The system refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"the folder {folder} cannot be made: {error.strerror}") from error
