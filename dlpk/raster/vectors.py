"""Polygons of vector files, in the coordinate system of a raster."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from osgeo import ogr

from ..errors import RasterError

POLYGONS = (ogr.wkbPolygon, ogr.wkbMultiPolygon)
# Fields that are likely to name a class.
LIKELY_FIELDS = ("class", "classname", "class_name", "label", "name", "type", "prompt")


def field_names(layer: Any) -> list[str]:
    """Names of a layer's fields."""
    definition = layer.GetLayerDefn()
    return [definition.GetFieldDefn(i).GetName() for i in range(definition.GetFieldCount())]


def likely_field(names: list[str]) -> str | None:
    """The field that is called like a class, if there is one."""
    likely = (name for word in LIKELY_FIELDS for name in names if name.casefold() == word)
    return next(likely, None)


def placed(
    layer: Any, system: Any, kinds: Collection[int] | None = None
) -> Iterator[tuple[Any, Any]]:
    """Features that have a geometry, each with a copy of it in another coordinate system.

    Parameters
    ----------
    system : osr.SpatialReference or None
        Where the geometries go; as they are if that, or the layer's own, is not known.
    kinds : collection of int, optional
        Types of geometry that are wanted (OGR's flat ones), none of them empty. Others may lie
        where the coordinate system does not reach.
    """
    own = layer.GetSpatialRef()
    if own is not None and str(own.GetName()).startswith("Undefined"):
        own = None  # how GeoPackages say that they have none
    for feature in layer:
        geometry = feature.GetGeometryRef()
        if geometry is None:
            continue
        kind = ogr.GT_Flatten(geometry.GetGeometryType())
        if kinds is not None and (kind not in kinds or geometry.IsEmpty()):
            continue
        geometry = geometry.Clone()
        if own is not None and system is not None and not own.IsSame(system):
            try:
                geometry.TransformTo(system)
            except RuntimeError as error:
                raise RasterError(
                    f"a geometry of {layer.GetName()} cannot be brought from {own.GetName()} into "
                    f"{system.GetName()}: {error}"
                ) from error
        yield feature, geometry
