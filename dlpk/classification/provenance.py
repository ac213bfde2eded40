"""What is said of a result beside its pixels: legend, names of bands, where it comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ContractError
from ..installation import own_version
from ..output.legend import LegendEntry, emd_classes, read_attribute_table
from .raster_info import input_metadata
from .session import Session


def result_legend(session: Session) -> list[LegendEntry]:
    """Classes of the result; none if it holds numbers that are no classes.

    Raises
    ------
    ContractError
        The attribute table cannot be read.
    """
    if session.info.pixel_type[0] not in "iu" or session.info.bands != 1:
        return []
    if session.info.attribute_table is None:
        return emd_classes(session.loaded.package.emd)
    try:
        return read_attribute_table(session.info.attribute_table)
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise ContractError(
            "updateRasterInfo returned a 'rasterAttributeTable' that cannot be read: "
            f"{error}. Expected a feature set as JSON with Value, Class, Red, Green, Blue"
        ) from error


def band_names(session: Session) -> list[str]:
    """Names that the function gives to the bands of the result, empty where it gives none."""
    names = []
    for band in range(session.info.bands):
        before = input_metadata(session.raster, session.bands, band, session.configuration)
        after = session.function.key_metadata(band, before)
        name = after.get("bandname")
        names.append("" if name is None or name == before.get("bandname") else str(name))
    return names


def result_tags(session: Session) -> dict[str, str]:
    """Provenance: the package, arguments, raster, stretch, settings."""
    whole = session.function.key_metadata(-1, {})
    tags = {
        "TIFFTAG_SOFTWARE": f"dlpk {own_version()}",
        "DLPK_PACKAGE": session.loaded.package.name,
        "DLPK_ARGUMENTS": _as_json(session.scalars),
        "DLPK_RASTER": Path(session.raster.path).name,
        "DLPK_STRETCH": _stretch_text(session),
        "DLPK_SETTINGS": _as_json(session.settings.changed()),
        "DataType": str(whole.get("datatype") or ""),
    }
    # Names of files may hold bytes that are no text.
    return {
        key: value.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "")
        for key, value in tags.items()
        if value
    }


def _stretch_text(session: Session) -> str:
    if session.stretch is None:
        return ""
    ends = {"low": session.stretch.low.tolist(), "high": session.stretch.high.tolist()}
    return json.dumps({**ends, "range": session.stretch.data_range})


def _as_json(values: Mapping[str, Any]) -> str:
    return json.dumps(dict(values), sort_keys=True, default=str) if values else ""
