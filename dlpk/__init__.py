"""Build, check and run ArcGIS deep learning packages, without ArcGIS.

The functions have the names of the commands: `dlpk.build`, `dlpk.pack`, `dlpk.validate`,
`dlpk.inspect`, `dlpk.classify`, `dlpk.test`, `dlpk.calibrate`. Each imports what it needs when it
is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .installation import check_neighbours, missing_part

if TYPE_CHECKING:
    from builder import build

    from .classification.api import classify
    from .evaluation.calibration.calibrate import calibrate
    from .package.inspect import inspect
    from .packing.pack import pack
    from .testing.golden_test import golden_test as test
    from .validation.validate import validate

__all__ = ["build", "calibrate", "classify", "inspect", "pack", "test", "validate"]
_HOMES = {
    "build": ("builder", "build"),
    "calibrate": ("dlpk.evaluation.calibration.calibrate", "calibrate"),
    "classify": ("dlpk.classification.api", "classify"),
    "inspect": ("dlpk.package.inspect", "inspect"),
    "pack": ("dlpk.packing.pack", "pack"),
    "test": ("dlpk.testing.golden_test", "golden_test"),
    "validate": ("dlpk.validation.validate", "validate"),
}


def __getattr__(name: str) -> Any:
    """Import a function of the package when it is asked for."""
    if name in _HOMES:
        check_neighbours()
        home, function = _HOMES[name]
        try:
            return getattr(import_module(home), function)
        except ImportError as error:
            part = missing_part(error)
            if part is None:
                raise
            raise ImportError(f"dlpk.{name} needs {part}", name=error.name) from error
    raise AttributeError(f"module 'dlpk' has no attribute {name!r}")
