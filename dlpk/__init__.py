"""Build, check and run ArcGIS deep learning packages, without ArcGIS.

The functions have the names of the commands: `dlpk.build`, `dlpk.new`, `dlpk.pack`,
`dlpk.validate`, `dlpk.inspect`, `dlpk.classify`, `dlpk.detect`, `dlpk.test`, `dlpk.calibrate`,
`dlpk.finetune`, `dlpk.polygonize`, and `dlpk.evaluate_raster` and `dlpk.evaluate_package`;
`dlpk.open` keeps a package loaded.
Each imports what it needs when it is first used. `docs/python.md` shows them all.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import DlpkError
from .installation import check_neighbours, missing_part, own_version

if TYPE_CHECKING:
    from builder import build
    from schemas.findings import Finding, Report

    from .authoring.new import Made, new
    from .classification.api import classify
    from .classification.model import Model
    from .classification.model import Model as open
    from .classification.result import Classified, Prediction
    from .detection.detect import Detected, detect
    from .evaluation.calibration.calibrate import calibrate
    from .evaluation.packages import evaluate_package
    from .evaluation.rasters import evaluate_raster
    from .finetuning.api import finetune
    from .harness.settings import Settings
    from .package.inspect import Inspection, inspect
    from .packing.pack import pack
    from .polygons.polygonize import Polygonized, polygonize
    from .raster.extent import Extent
    from .testing.golden_test import golden_test as test
    from .validation.validate import validate

    __version__: str

__all__ = [
    "__version__",
    "Classified",
    "Detected",
    "DlpkError",
    "Extent",
    "Finding",
    "Inspection",
    "Made",
    "Model",
    "Polygonized",
    "Prediction",
    "Report",
    "Settings",
    "build",
    "calibrate",
    "classify",
    "detect",
    "evaluate_package",
    "evaluate_raster",
    "finetune",
    "inspect",
    "new",
    "open",
    "pack",
    "polygonize",
    "test",
    "validate",
]
_HOMES = {
    "Classified": ("dlpk.classification.result", "Classified"),
    "Detected": ("dlpk.detection.detect", "Detected"),
    "Extent": ("dlpk.raster.extent", "Extent"),
    "Finding": ("schemas.findings", "Finding"),
    "Inspection": ("dlpk.package.inspect", "Inspection"),
    "Made": ("dlpk.authoring.new", "Made"),
    "Model": ("dlpk.classification.model", "Model"),
    "Polygonized": ("dlpk.polygons.polygonize", "Polygonized"),
    "Prediction": ("dlpk.classification.result", "Prediction"),
    "Report": ("schemas.findings", "Report"),
    "Settings": ("dlpk.harness.settings", "Settings"),
    "build": ("builder", "build"),
    "calibrate": ("dlpk.evaluation.calibration.calibrate", "calibrate"),
    "classify": ("dlpk.classification.api", "classify"),
    "detect": ("dlpk.detection.detect", "detect"),
    "evaluate_package": ("dlpk.evaluation.packages", "evaluate_package"),
    "evaluate_raster": ("dlpk.evaluation.rasters", "evaluate_raster"),
    "finetune": ("dlpk.finetuning.api", "finetune"),
    "inspect": ("dlpk.package.inspect", "inspect"),
    "new": ("dlpk.authoring.new", "new"),
    "open": ("dlpk.classification.model", "Model"),
    "pack": ("dlpk.packing.pack", "pack"),
    "polygonize": ("dlpk.polygons.polygonize", "polygonize"),
    "test": ("dlpk.testing.golden_test", "golden_test"),
    "validate": ("dlpk.validation.validate", "validate"),
}


def __getattr__(name: str) -> Any:
    """Import a function of the package when it is asked for."""
    if name == "__version__":
        return own_version()
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
