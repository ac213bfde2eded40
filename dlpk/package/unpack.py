"""Unpack a checked zip into a new folder."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

from ..errors import PackageError
from .names import shown, shown_size
from .zip_data import unpack
from .zip_reader import Entry

SPARE: Final = 64 * 1024 * 1024
"""Bytes that must stay free on the disk: filling it to the brim harms everybody on it."""


def unpack_entries(handle: BinaryIO, entries: Sequence[Entry], target: Path) -> None:
    """Unpack `entries` into the new folder `target`.

    The entries must have passed `dlpk.package.archive.inspect_archive` without an error. Files
    are made anew and never opened for writing if they exist, so nothing outside `target` is
    touched even if that check had a gap. Permissions and times of the archive are not taken over.

    Raises
    ------
    PackageError
        If the disk is too small or full, `target` exists or cannot be written, or data are
        damaged. What was unpacked until then stays.
    """
    needed = sum(entry.size for entry in entries)
    try:
        free = shutil.disk_usage(target.parent).free
        if free < needed + SPARE:
            raise PackageError(
                f"unpacking the package needs {shown_size(needed)} and {shown_size(SPARE)} to "
                f"spare, but {shown(str(target.parent))} has {shown_size(free)} free. Free some "
                "space, or choose another folder for temporary files (TMPDIR)."
            )
        target.mkdir()
        for entry in entries:
            _unpack_entry(handle, entry, target)
    except OSError as error:
        raise PackageError(
            f"the package cannot be unpacked into {shown(str(target))}: "
            f"{error.strerror or error}. Check the space on that disk and the permissions, or "
            "choose another folder for temporary files (TMPDIR)."
        ) from error


def _unpack_entry(handle: BinaryIO, entry: Entry, target: Path) -> None:
    parts = entry.parts
    if entry.special or any(part == ".." or ":" in part or "\0" in part for part in parts):
        raise PackageError(f"entry {shown(entry.name)} would leave the package. Do not use it.")
    path = target.joinpath(*parts)
    if entry.is_folder:
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "xb") as file:
        for piece in unpack(handle, entry):
            file.write(piece)
