"""What figures rest on: versions, and the hash of a package."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
from pathlib import Path


def versions() -> dict[str, str]:
    """Versions of what has a say in figures."""
    found = {"python": platform.python_version()}
    for name in ("dlpk", "gdal", "numpy", "torch"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {f"version of {name}": version for name, version in found.items()}


def package_hash(package: str | Path) -> str:
    """SHA-256 of a .dlpk file; empty for a folder."""
    path = Path(package)
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while part := file.read(1 << 20):
            digest.update(part)
        return digest.hexdigest()
