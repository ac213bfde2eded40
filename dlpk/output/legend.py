"""Class names and colours of a result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class LegendEntry:
    """One class.

    Parameters
    ----------
    value : int
        Pixel value.
    color : (int, int, int)
        Red, green, blue.
    """

    value: int
    name: str
    color: tuple[int, int, int]


NAME_FIELDS = ("class", "classname", "class_name", "name", "label")
VALUE_FIELDS = ("value", "classvalue")
GREY = (128, 128, 128)


def read_attribute_table(text: str) -> list[LegendEntry]:
    """Read the attribute table that a function hands to ``updateRasterInfo`` as JSON.

    Parameters
    ----------
    text : str
        A feature set with Value, Class (or the like), Red, Green and Blue.

    Raises
    ------
    ValueError
        It is not such a table.
    """
    table = json.loads(text)
    features = table.get("features") if isinstance(table, dict) else None
    if not isinstance(features, list):
        raise ValueError("it has no list 'features'")
    return [_entry(feature.get("attributes", {}), index) for index, feature in enumerate(features)]


def _entry(attributes: Mapping[str, Any], index: int) -> LegendEntry:
    fields = {str(key).lower(): value for key, value in attributes.items()}
    value = next((fields[name] for name in VALUE_FIELDS if name in fields), None)
    if value is None:
        raise ValueError(f"feature {index} has no 'Value'")
    if int(value) != float(value):
        raise ValueError(f"feature {index} has the 'Value' {value!r}, which is no whole number")
    name = next((fields[name] for name in NAME_FIELDS if fields.get(name) is not None), value)
    color = tuple(min(255, max(0, int(fields.get(part) or 0))) for part in ("red", "green", "blue"))
    return LegendEntry(int(value), _one_line(name), (color[0], color[1], color[2]))


def _one_line(name: Any) -> str:
    """A name without control characters, which no table can hold."""
    return "".join(char if char.isprintable() else " " for char in str(name)).strip()


def emd_classes(emd: Mapping[str, Any]) -> list[LegendEntry]:
    """The classes of a model definition, for functions that return no attribute table.

    What is no class is left out, and what is no colour becomes grey: validation is for that.
    """
    entries: dict[int, LegendEntry] = {}
    classes = emd.get("Classes")
    for entry in classes if isinstance(classes, list) else []:
        value = entry.get("Value") if isinstance(entry, dict) else None
        if isinstance(value, int) and not isinstance(value, bool):
            name = _one_line(entry.get("Name", value))
            entries.setdefault(value, LegendEntry(value, name, _color(entry.get("Color"))))
    return list(entries.values())


def _color(parts: Any) -> tuple[int, int, int]:
    try:
        red, green, blue = (min(255, max(0, int(part))) for part in parts[:3])
    except (TypeError, ValueError, OverflowError):
        return GREY
    return red, green, blue
