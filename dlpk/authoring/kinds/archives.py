"""The zip archives that torch writes."""

from __future__ import annotations

import zipfile
from pathlib import Path


def holds(path: Path, *endings: str) -> bool:
    """Tell whether a file is an archive in which a name ends like this."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(endings) for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False
