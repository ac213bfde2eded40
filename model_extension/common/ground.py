"""How large a pixel is on the ground."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any

METRES_PER_DEGREE = 111_320.0
# Where codes of systems in degrees of latitude and longitude lie: those of EPSG, then Esri's own.
# Codes of projected systems lie between them, but their coordinates are no latitudes.
GEOGRAPHIC = (
    range(3819, 3825),
    range(3888, 3907),
    range(4001, 10000),
    range(20033, 20042),
    range(37001, 37261),
    range(104000, 105000),
)


def pixel_metres(props: Mapping[str, Any]) -> float:
    """Side of a pixel in metres, from what ArcGIS says of a block (contract, section 8).

    A pixel that is not square counts as the square of the same area. Inside ArcGIS the coordinate
    system's unit is known. Elsewhere map units count as metres, unless the code of the coordinate
    system and the extent are those of degrees.

    Parameters
    ----------
    props : mapping
        ``cellSize``, ``spatialReference`` (EPSG code) and ``extent``.

    Returns
    -------
    float
        1 where nothing is known, so that metres are pixels.
    """
    try:
        across, down = (abs(float(side)) for side in props["cellSize"])
    except (KeyError, TypeError, ValueError):
        return 1.0
    side = math.sqrt(across * down)
    if not 0.0 < side < math.inf:
        return 1.0
    code, latitude = _code(props), _latitude(props)
    unit = _unit(code)
    if unit is None:
        geographic = latitude is not None and any(code in codes for codes in GEOGRAPHIC)
        unit = 0.0 if geographic else 1.0
    if unit:
        return side * unit
    # A degree of longitude shortens towards the poles.
    shortened = math.cos(math.radians(latitude or 0.0))
    return side * METRES_PER_DEGREE * math.sqrt(max(shortened, 1e-3))


def _code(props: Mapping[str, Any]) -> int:
    try:
        return int(props.get("spatialReference") or 0)
    except (TypeError, ValueError, OverflowError):
        return 0


def _latitude(props: Mapping[str, Any]) -> float | None:
    """Latitude of the block's middle; None if the extent cannot be one in degrees."""
    try:
        extent = props.get("extent")
        left, bottom, right, top = (0, 0, 0, 0) if extent is None else map(float, extent)
    except (TypeError, ValueError):
        return 0.0
    inside = max(abs(left), abs(right)) <= 540 and max(abs(bottom), abs(top)) <= 100
    return min(max((bottom + top) / 2, -90.0), 90.0) if inside else None


def _unit(code: int) -> float | None:
    """Metres per map unit as ArcGIS knows it: 0 for degrees, None where there is no telling."""
    arcpy = sys.modules.get("arcpy")
    if not code or not hasattr(arcpy, "SpatialReference"):
        return None
    try:
        system = arcpy.SpatialReference(code)  # type: ignore[union-attr]
        if system.type == "Geographic":
            return 0.0
        unit = float(system.metersPerUnit)
    except Exception:  # whatever ArcGIS raises on a code that it does not know
        return None
    return unit if 0.0 < unit < math.inf else None
