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
    name : str
    color : (int, int, int)
        Red, green, blue.
    """

    value: int
    name: str
    color: tuple[int, int, int]


NAME_FIELDS = ("class", "classname", "class_name", "name", "label")
VALUE_FIELDS = ("value", "classvalue")


def read_attribute_table(text: str) -> list[LegendEntry]:
    """Read the attribute table that a function hands to ``updateRasterInfo`` as JSON.

    Parameters
    ----------
    text : str
        A feature set with Value, Class (or the like), Red, Green and Blue.

    Returns
    -------
    list of LegendEntry

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
    fields = {key.lower(): value for key, value in attributes.items()}
    value = next((fields[name] for name in VALUE_FIELDS if name in fields), None)
    if value is None:
        raise ValueError(f"feature {index} has no 'Value'")
    name = next((fields[name] for name in NAME_FIELDS if fields.get(name) is not None), value)
    color = tuple(min(255, max(0, int(fields.get(part, 0)))) for part in ("red", "green", "blue"))
    return LegendEntry(int(value), str(name), (color[0], color[1], color[2]))


def emd_classes(emd: Mapping[str, Any]) -> list[LegendEntry]:
    """The classes of a model definition, for functions that return no attribute table."""
    entries = []
    for entry in emd.get("Classes") or []:
        if isinstance(entry, dict) and isinstance(entry.get("Value"), int):
            color = [int(part) for part in (entry.get("Color") or (128, 128, 128))][:3]
            name = str(entry.get("Name", entry["Value"]))
            entries.append(LegendEntry(entry["Value"], name, (color[0], color[1], color[2])))
    return entries
