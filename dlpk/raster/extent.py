"""Rectangles in a raster's coordinate system."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Extent:
    """A rectangle in the raster's coordinate system.

    Parameters
    ----------
    xmin, ymin, xmax, ymax : float
        In map units; in pixels from the top left corner for a raster without georeference.
    """

    xmin: float
    ymin: float
    xmax: float
    ymax: float


def apply_transform(transform: Sequence[float], column: Any, row: Any) -> tuple[Any, Any]:
    """Map coordinates of a pixel's top left corner, or of many, from GDAL's six numbers."""
    t = transform
    return t[0] + column * t[1] + row * t[2], t[3] + column * t[4] + row * t[5]


def extent_of(transform: Sequence[float], width: int, height: int) -> Extent:
    """Bounding rectangle of a raster of this size and transform."""
    corners = [
        apply_transform(transform, column, row) for column in (0, width) for row in (0, height)
    ]
    xs, ys = zip(*corners)
    return Extent(min(xs), min(ys), max(xs), max(ys))


def listed(extent: Extent) -> str:
    """The extent as the command line takes it."""
    return f"{extent.xmin:.10g},{extent.ymin:.10g},{extent.xmax:.10g},{extent.ymax:.10g}"
