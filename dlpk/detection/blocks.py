"""One block: what is read for it, the call of the function, and what it finds on the map."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import shapely

from ..classification.block_call import add_reasons, make_request
from ..classification.session import Session
from ..errors import ContractError, DlpkError
from ..harness.features import TEXT, WHOLE, Feature, Field, vectorize
from ..raster.grid import Block

Place = tuple[float, float]


class Found(NamedTuple):
    """An object in map coordinates, with the values of the output's fields in their order."""

    shape: shapely.Geometry
    values: list[Any]


def find_in_block(
    session: Session, block: Block, geometry: int, fields: Sequence[Field]
) -> list[Found]:
    """Have the objects of a block found; a block without any data is not asked for.

    Parameters
    ----------
    geometry : int
        See `dlpk.harness.features.GEOMETRY_TYPES`.

    Raises
    ------
    DlpkError
        The function failed or answered wrongly; names the block.
    """
    read = session.read(block)
    if not read.valid.any():
        return []
    try:
        request = make_request(session, block, read)
        features = vectorize(session.function, request.blocks, geometry)
        _warn_of_undeclared(session, features, fields)
        return [
            Found(_shape(session, block, feature, geometry), _values(session, feature, fields))
            for feature in features
            if _is_inside(session, block, feature)
        ]
    except DlpkError as error:
        add_reasons(error, session, block)
        arguments = ", ".join(f"{name}={value!r}" for name, value in session.scalars.items())
        error.add_lines(
            f"in the block at column {block.column}, row {block.row} of {session.raster.path}",
            f"with the arguments {arguments or '(none)'}",
        )
        raise


def _is_inside(session: Session, block: Block, feature: Feature) -> bool:
    """Whether an object lies in the raster, not only in what a block holds beyond its edge."""
    xs, ys = zip(*(place for part in feature.parts for place in part))
    across = max(xs) + block.column >= 0 and min(xs) + block.column <= session.raster.width
    down = max(ys) + block.row >= 0 and min(ys) + block.row <= session.raster.height
    return bool(across and down)


def _shape(session: Session, block: Block, feature: Feature, geometry: int) -> shapely.Geometry:
    def placed(part: Sequence[Place]) -> list[Place]:
        return [session.raster.corner(block.column + x, block.row + y) for x, y in part]

    parts = [placed(part) for part in feature.parts]
    makers: dict[int, Callable[[], shapely.Geometry]] = {
        1: lambda: shapely.Point(parts[0][0]),
        2: lambda: shapely.MultiPoint(parts[0]),
        3: lambda: shapely.MultiLineString(parts),
    }
    return makers[geometry]() if geometry in makers else _polygons(parts, feature.parts)


def _polygons(rings: list[list[Place]], in_pixels: list[list[Place]]) -> shapely.MultiPolygon:
    """Put rings together: one that lies in another is its hole if it turns the other way."""
    outer: list[list[Place]] = []
    holes: list[list[Place]] = []
    turns = [shapely.LinearRing(ring).is_ccw for ring in in_pixels]
    for ring, turn in zip(rings, turns):
        (outer if turn == turns[0] else holes).append(ring)
    made = []
    for ring in outer:
        shell = shapely.make_valid(shapely.Polygon(ring))
        inside = [hole for hole in holes if shell.covers(shapely.Point(hole[0]))]
        made.append(shapely.Polygon(ring, inside))
    return shapely.MultiPolygon(made)


def _values(session: Session, feature: Feature, fields: Sequence[Field]) -> list[Any]:
    given = {str(name).casefold(): value for name, value in feature.values.items()}
    return [_value(session, field, given.get(field.name.casefold())) for field in fields]


def _value(session: Session, field: Field, value: Any) -> Any:
    if value is None:
        return None
    if field.kind == TEXT:
        return value if isinstance(value, str) else str(value)
    try:
        number = float(value)
        if field.kind != WHOLE:
            return number
        if number.is_integer():
            return int(number)
    except (TypeError, ValueError, OverflowError):
        pass
    raise ContractError(
        f"{session.function.name}.vectorize returned {value!r} for the field {field.name!r}, which "
        f"getFields declares as a {field.kind}"
    )


def _warn_of_undeclared(
    session: Session, features: Sequence[Feature], fields: Sequence[Field]
) -> None:
    known = {field.name.casefold() for field in fields} | {"oid", "fid", "objectid", "shape"}
    found = {str(name) for feature in features for name in feature.values}
    extra = sorted(name for name in found if name.casefold() not in known)
    if extra:
        warnings.warn(
            f"{session.function.name}.vectorize returns attributes that getFields does not "
            f"declare, and that are left out: {', '.join(extra)}",
            stacklevel=2,
        )
