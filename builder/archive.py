"""Zip files that come out the same everywhere.

Nothing is compressed: what a deflater writes depends on its version and make, and weights in half
precision hardly shrink. Names are sorted, times fixed, permissions plain.
"""

from __future__ import annotations

import os
import shutil
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path

from .errors import BuildError

# The zip format knows no earlier time.
EARLIEST = (1980, 1, 1, 0, 0, 0)
LATEST = (2107, 12, 31, 23, 59, 58)
COPY_BYTES = 1 << 20


def timestamp() -> tuple[int, int, int, int, int, int]:
    """Time to write into every entry: ``SOURCE_DATE_EPOCH`` in UTC if set, else 1980.

    Raises
    ------
    BuildError
        ``SOURCE_DATE_EPOCH`` is not a number of seconds.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "").strip()
    if not epoch:
        return EARLIEST
    try:
        moment = time.gmtime(int(epoch))[:6]
    except (ValueError, OverflowError, OSError) as error:
        raise BuildError(
            f"SOURCE_DATE_EPOCH is {epoch!r}: it must be seconds since 1970"
        ) from error
    return min(max(moment, EARLIEST), LATEST)


def files_below(folder: Path) -> dict[str, Path]:
    """All files below a folder, by their path with forward slashes; what Python cached is not."""
    return {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def write_zip(files: Mapping[str, Path], target: Path) -> None:
    """Write a zip.

    Parameters
    ----------
    files : mapping
        Name in the zip to file.
    target : Path
        File to write.

    Raises
    ------
    BuildError
        See `timestamp`.
    """
    moment = timestamp()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, path in sorted(files.items()):
            entry = zipfile.ZipInfo(name, moment)
            entry.create_system = 3  # Unix, on whatever system this runs
            entry.external_attr = 0o100644 << 16
            entry.file_size = path.stat().st_size
            with path.open("rb") as source, archive.open(entry, "w") as destination:
                shutil.copyfileobj(source, destination, COPY_BYTES)
