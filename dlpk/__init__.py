"""Build, check and run ArcGIS deep learning packages, without ArcGIS.

The functions have the names of the commands: `dlpk.build`, `dlpk.validate`, `dlpk.inspect`,
`dlpk.classify`. Each imports what it needs when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from builder import build

    from .classify_pixels import classify
    from .inspection import inspect
    from .validation import validate

__all__ = ["build", "classify", "inspect", "validate"]
_HOMES = {
    "build": "builder",
    "classify": "dlpk.classify_pixels",
    "inspect": "dlpk.inspection",
    "validate": "dlpk.validation",
}


def __getattr__(name: str) -> Any:
    """Import a function of the package when it is asked for."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'dlpk' has no attribute {name!r}")
