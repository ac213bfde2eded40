"""What figures rest on."""

from __future__ import annotations

import importlib.metadata
import platform


def versions() -> dict[str, str]:
    """Versions of what has a say in figures."""
    found = {"python": platform.python_version()}
    for name in ("dlpk", "gdal", "numpy", "torch"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {f"version of {name}": version for name, version in found.items()}
