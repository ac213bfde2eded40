"""What a function answers that finds objects (contract, section 12)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ContractError
from .calls import Function, Pixels

# Numbers that getGeometryType returns.
GEOMETRY_TYPES = {1: "points", 2: "multipoints", 3: "lines", 4: "polygons"}
TEXT, WHOLE, REAL = "text", "whole number", "number"
FIELD_TYPES = {
    "esrifieldtypestring": TEXT,
    "esrifieldtypeinteger": WHOLE,
    "esrifieldtypesmallinteger": WHOLE,
    "esrifieldtypebiginteger": WHOLE,
    "esrifieldtypedouble": REAL,
    "esrifieldtypesingle": REAL,
}
# Made by ArcGIS itself.
OWN_TYPES = ("esrifieldtypeoid", "esrifieldtypegeometry", "esrifieldtypeglobalid")
NOTHING = "Python Raster Function's .vectorize() method returned nothing."


@dataclass(frozen=True)
class Field:
    """A field of the output: `kind` is text, whole number or number."""

    name: str
    kind: str


@dataclass(frozen=True)
class Feature:
    """An object that was found.

    Parameters
    ----------
    values : mapping
        Attributes by name.
    parts : list of list of (float, float)
        Rings, lines or points, as columns and rows of pixels from the top left corner of the block
        without its padding.
    """

    values: Mapping[str, Any]
    parts: list[list[tuple[float, float]]]


def output_fields(function: Function) -> list[Field]:
    """Ask for the fields of the output, without those that ArcGIS makes itself.

    Raises
    ------
    FunctionError
        The method is missing or raised.
    ContractError
        It answers something else than fields as JSON text.
    """
    answer = function.call("getFields")
    described = _json(answer)
    entries = described.get("fields") if isinstance(described, dict) else None
    if not isinstance(answer, str) or not isinstance(entries, list):
        expected = "fields as JSON text, such as json.dumps({'fields': [...]})"
        raise function.answers.wrong("getFields", answer, expected)
    fields: list[Field] = []
    for entry in entries:
        name = entry.get("name") if isinstance(entry, dict) else None
        kind = str(entry.get("type", "")).lower() if isinstance(entry, dict) else ""
        if not isinstance(name, str) or not name or kind not in (*FIELD_TYPES, *OWN_TYPES):
            raise function.answers.wrong("getFields", entry, "fields with a name and an Esri type")
        if name.casefold() in {field.name.casefold() for field in fields}:
            raise ContractError(f"{function.name}.getFields names the field {name!r} twice")
        if kind not in OWN_TYPES:
            fields.append(Field(name, FIELD_TYPES[kind]))
    return fields


def geometry_type(function: Function) -> int:
    """Ask for the kind of geometry, see `GEOMETRY_TYPES`.

    Raises
    ------
    FunctionError
        The method is missing or raised.
    ContractError
        It answers something else than such a number.
    """
    answer = function.call("getGeometryType")
    if isinstance(answer, bool) or not isinstance(answer, int) or answer not in GEOMETRY_TYPES:
        expected = "1 (points), 2 (multipoints), 3 (lines) or 4 (polygons)"
        raise function.answers.wrong("getGeometryType", answer, expected)
    return answer


def vectorize(function: Function, blocks: Mapping[str, Pixels], geometry: int) -> list[Feature]:
    """Have the objects of a block found.

    Parameters
    ----------
    blocks : mapping
        Pixel blocks and masks by name.
    geometry : int
        See `GEOMETRY_TYPES`.

    Raises
    ------
    FunctionError
        The method is missing or raised.
    ContractError
        It answers something else than features.
    """
    method = "vectorize"
    answer = function.call(method, **blocks)
    if answer is None:
        raise ContractError(f"{NOTHING} {function.name}.{method} has to return a dictionary")
    if not isinstance(answer, dict):
        raise function.answers.wrong(method, answer, "a dictionary with 'output_vectors'")
    text = answer.get("output_vectors")
    if text is None:
        keys = ", ".join(map(repr, answer)) or "nothing"
        raise ContractError(f"{NOTHING} {function.name}.{method} has no 'output_vectors': {keys}")
    described = _json(text)
    entries = described.get("features") if isinstance(described, dict) else None
    if not isinstance(text, str) or not isinstance(entries, list):
        expected = "a feature set as JSON text in 'output_vectors': json.dumps({'features': [...]})"
        raise function.answers.wrong(method, text, expected)
    features = []
    for number, entry in enumerate(entries):
        shape = entry.get("geometry") if isinstance(entry, dict) else None
        parts = _parts(shape, geometry) if isinstance(shape, dict) else None
        if parts is None:
            kind = GEOMETRY_TYPES[geometry]
            expected = f"{kind} in pixels of the block (see getGeometryType) as feature {number}"
            raise function.answers.wrong(method, shape if shape is not None else entry, expected)
        values = entry.get("attributes") or {}
        if not isinstance(values, dict):
            expected = f"a dictionary as 'attributes' of feature {number}"
            raise function.answers.wrong(method, values, expected)
        features.append(Feature(values, parts))
    return features


def _json(text: Any) -> Any:
    try:
        return json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None


def _parts(shape: Mapping[str, Any], geometry: int) -> list[list[tuple[float, float]]] | None:
    if geometry == 1:
        raw: Any = [[[shape.get("x"), shape.get("y")]]]
    elif geometry == 2:
        raw = [shape.get("points")]
    else:
        raw = shape.get("rings" if geometry == 4 else "paths")
    least = {1: 1, 2: 1, 3: 2, 4: 3}[geometry]
    try:
        parts = [[(float(place[0]), float(place[1])) for place in part] for part in raw]
    except (TypeError, ValueError, IndexError, KeyError, OverflowError):
        return None
    sound = parts and all(len(part) >= least for part in parts)
    known = all(math.isfinite(number) for part in parts for place in part for number in place)
    return parts if sound and known else None
