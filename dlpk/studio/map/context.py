"""What lies around a raster: outlines of countries and a graticule, in the raster's own pixels.

The browser then needs no projections. Outlines are those of Natural Earth at 1:50 million, from
the npm package world-atlas (public domain); they are context, and no border is exact at the
scale of a raster.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import osr

from ...raster.dataset import Raster
from .places import PlaceError, pixels_of, transformed

osr.UseExceptions()

OUTLINES = Path(__file__).parent / "countries-50m.json"
# Lines of the graticule across a raster, about.
LINES = 5
STEPS = (1, 2, 5, 10, 15, 30)
POINTS = 33
# Outlines are shown so many times the raster's size around it.
AROUND = 2.0


def context(raster: Raster) -> dict[str, Any]:
    """Outlines and graticule as GeoJSON.

    Returns
    -------
    dict
        A feature collection of lines whose coordinates are column and row of the raster; features
        have the property ``kind``: ``outline`` or ``graticule`` (then also ``label``). Empty where
        the raster has no georeference.
    """
    system = raster.dataset.GetSpatialRef()
    features: list[dict[str, Any]] = []
    if system is not None and raster.is_referenced:
        try:
            features = _graticule(raster, system) + _outlines(raster, system)
        except PlaceError:  # some systems have no way to degrees
            features = []
    return {"type": "FeatureCollection", "features": features}


def _degrees() -> Any:
    degrees = osr.SpatialReference()
    degrees.ImportFromEPSG(4326)
    return degrees


def _to_pixels(raster: Raster, system: Any, points: np.ndarray) -> np.ndarray:
    """Longitudes and latitudes as columns and rows; NaN for what the system does not reach."""
    return pixels_of(raster, transformed(points, _degrees(), system))


def _degree_bounds(raster: Raster, system: Any) -> tuple[float, float, float, float]:
    shares = np.linspace(0, 1, 9)
    edge = [
        raster.corner(x * raster.width, y * raster.height)
        for x in shares
        for y in shares
        if x in (0, 1) or y in (0, 1)
    ]
    placed = transformed(np.array(edge), system, _degrees())
    placed = placed[np.isfinite(placed).all(axis=1)]
    if not len(placed):
        raise PlaceError(f"{raster.path} lies outside of what its coordinate system covers")
    west, south = placed.min(axis=0)
    east, north = placed.max(axis=0)
    return float(west), float(south), float(east), float(north)


def _graticule(raster: Raster, system: Any) -> list[dict[str, Any]]:
    west, south, east, north = _degree_bounds(raster, system)
    step = _step(max(east - west, north - south) / LINES)
    found = []
    for low, high, meridian in ((west, east, True), (south, north, False)):
        for number in range(math.ceil(low / step), math.floor(high / step) + 1):
            value = number * step
            along = np.linspace(*((south, north) if meridian else (west, east)), POINTS)
            same = np.full(POINTS, value)
            points = np.stack([same, along] if meridian else [along, same], axis=1)
            line = _to_pixels(raster, system, points)
            letters = ("E", "W") if meridian else ("N", "S")
            label = f"{_angle(abs(value))}{letters[value < 0] if value else ''}"
            found += [_feature(part, kind="graticule", label=label) for part in _finite(line)]
    return found


def _step(wanted: float) -> float:
    """A round number of degrees, minutes or seconds near one."""
    for unit in (1.0, 1 / 60, 1 / 3600):
        fitting = [unit * step for step in STEPS if unit * step <= wanted]
        if fitting:
            return fitting[-1]
    return float(10.0 ** math.floor(math.log10(max(wanted, 1e-12))))


def _angle(value: float) -> str:
    seconds = round(value * 3600, 3)
    degrees, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    text = f"{degrees:.0f}°"
    if minutes or rest:
        text += f"{minutes:02.0f}′"
    return text + (f"{rest:02g}″" if rest else "")


def _outlines(raster: Raster, system: Any) -> list[dict[str, Any]]:
    low, high = np.reshape(_degree_bounds(raster, system), (2, 2))
    margin = AROUND * max(*(high - low), 0.01)
    found = []
    for arc in _arcs():
        inside = ((arc > low - margin) & (arc < high + margin)).all(axis=1)
        kept = inside.copy()  # and the points next to those inside
        kept[1:] |= inside[:-1]
        kept[:-1] |= inside[1:]
        line = np.full(arc.shape, np.nan)
        if not kept.any():
            continue
        line[kept] = _to_pixels(raster, system, arc[kept])
        found += [_feature(part, kind="outline") for part in _finite(line)]
    return found


@cache
def _arcs() -> list[np.ndarray]:
    """Lines of the topology, which neighbours share, as longitudes and latitudes."""
    topology = json.loads(OUTLINES.read_text(encoding="utf-8"))
    scale, shift = (np.array(topology["transform"][name]) for name in ("scale", "translate"))
    return [np.cumsum(np.array(arc), axis=0) * scale + shift for arc in topology["arcs"]]


def _finite(line: np.ndarray) -> list[np.ndarray]:
    """Runs of a line that are all numbers."""
    good = np.isfinite(line).all(axis=1)
    breaks = np.flatnonzero(np.diff(good.astype(np.int8))) + 1
    parts = np.split(line, breaks)
    return [part for part in parts if len(part) > 1 and np.isfinite(part[0]).all()]


def _feature(line: Sequence[Any] | np.ndarray, **properties: str) -> dict[str, Any]:
    coordinates = np.round(np.asarray(line), 3).tolist()
    geometry = {"type": "LineString", "coordinates": coordinates}
    return {"type": "Feature", "properties": properties, "geometry": geometry}
