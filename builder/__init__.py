"""Weights, code and model definition into a .dlpk that ArcGIS opens. Part of dlpk."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import BuildError
from .pack import Built

if TYPE_CHECKING:
    from .clipseg.build import build

__all__ = ["BuildError", "Built", "build"]


def __getattr__(name: str) -> Any:
    """Import `build` when it is asked for: it needs numpy, which packing does not."""
    if name == "build":
        return import_module(".clipseg.build", __name__).build
    raise AttributeError(f"module 'builder' has no attribute {name!r}")
