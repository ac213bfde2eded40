"""Weights, code and model definition into a .dlpk that ArcGIS opens."""

from __future__ import annotations

from .clipseg.build import Built, build
from .errors import BuildError

__all__ = ["BuildError", "Built", "build"]
