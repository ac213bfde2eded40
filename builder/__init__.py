"""Weights, code and model definition into a .dlpk that ArcGIS opens."""

from __future__ import annotations

from .errors import BuildError
from .package import Built, build

__all__ = ["BuildError", "Built", "build"]
