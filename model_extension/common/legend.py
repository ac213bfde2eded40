"""The table of classes that a layer in ArcGIS is drawn by."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence


def attribute_table(classes: Iterable[tuple[int, str, Sequence[int]]]) -> str:
    """Raster attribute table for ``updateRasterInfo`` (contract, section 7).

    Parameters
    ----------
    classes : iterable of (int, str, (int, int, int))
        Value, name and colour (red, green, blue, 0 to 255) of each class.

    Returns
    -------
    str
        A feature set as JSON: OID, Value, Class, Red, Green, Blue.
    """
    kinds = (
        ("OID", "esriFieldTypeOID"),
        ("Value", "esriFieldTypeInteger"),
        ("Class", "esriFieldTypeString"),
        ("Red", "esriFieldTypeInteger"),
        ("Green", "esriFieldTypeInteger"),
        ("Blue", "esriFieldTypeInteger"),
    )
    fields = [{"name": name, "type": kind, "alias": name} for name, kind in kinds]
    fields[2]["length"] = 1024  # type: ignore[assignment]
    features = [
        {
            "attributes": {
                "OID": number,
                "Value": value,
                "Class": name,
                "Red": color[0],
                "Green": color[1],
                "Blue": color[2],
            }
        }
        for number, (value, name, color) in enumerate(classes, 1)
    ]
    return json.dumps(
        {
            "displayFieldName": "",
            "fieldAliases": {name: name for name, _ in kinds},
            "fields": fields,
            "features": features,
        }
    )
