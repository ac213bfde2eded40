"""The numbers in a model definition: sizes, bands, ranges, margins, versions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..collector import Collector, child, quoted
from .model import is_imagery, number

__all__ = ["check_numbers"]

SMALLEST_TILE, LARGEST_TILE = 16, 8192

_LEARN_VERSIONS = ("1.8.4", "1.9.1", "2.0.0", "2.0.1")
"""The versions that arcgis.learn's functions compare ArcGISLearnVersion with."""


def check_numbers(emd: Mapping[str, Any], collector: Collector) -> None:
    """Check sizes, bands, ranges and versions."""
    _check_size(emd, collector)
    _check_bands(emd, collector)
    _check_range(emd, collector)
    _check_margins(emd, collector)
    _check_version(emd, collector)
    _check_space(emd, collector)
    for key in ("NormalizationStats", "NormalizationStats_b", "NormalizationStats_c"):
        _check_stats(emd, key, collector)


def _check_size(emd: Mapping[str, Any], collector: Collector) -> None:
    imagery = is_imagery(emd)
    for key in ("ImageHeight", "ImageWidth"):
        size, pointer = emd.get(key), child("", key)
        if size is None:
            if imagery:
                collector.add(
                    "emd/image-size-missing",
                    f"{key} is {'null' if key in emd else 'missing'}",
                    f'Add the tile size in pixels, for example "{key}": 256.',
                    pointer if key in emd else "",
                    subject=pointer,
                )
        elif isinstance(size, str) or (isinstance(size, float) and not size.is_integer()):
            collector.add(
                "emd/image-size-type",
                f"{key} is {quoted(size)}, not a whole number",
                "Write the tile size in pixels without quotes, for example 256.",
                pointer,
            )
        elif number(size) and not SMALLEST_TILE <= size <= LARGEST_TILE:
            collector.add(
                "emd/image-size-unusual",
                f"{key} is {quoted(size)} pixels",
                f"Usual tiles have {SMALLEST_TILE} to {LARGEST_TILE} pixels; check the number.",
                pointer,
            )
    height, width = emd.get("ImageHeight"), emd.get("ImageWidth")
    if number(height) and number(width) and height != width:
        collector.add(
            "emd/image-size-not-square",
            f"tiles of {quoted(width)} by {quoted(height)} pixels are not square",
            "Make sure that the function reads both numbers.",
            "/ImageWidth",
        )


def _check_bands(emd: Mapping[str, Any], collector: Collector) -> None:
    pointer = "/ExtractBands"
    if not is_imagery(emd):
        return
    if "ExtractBands" not in emd:
        collector.add(
            "emd/extract-bands-missing",
            "ExtractBands is missing, so which bands the model gets is left to the function",
            'Add the 0-based bands in the order of the training, for example "ExtractBands":'
            " [0, 1, 2].",
            subject=pointer,
        )
        return
    bands = emd["ExtractBands"]
    if not isinstance(bands, list) or not bands:
        collector.add(
            "emd/extract-bands-type",
            f"ExtractBands is {quoted(bands)}",
            "Write a list of 0-based indexes or names, for example [0, 1, 2], or remove the key.",
            pointer,
        )
        return
    if {int, str} <= {type(band) for band in bands}:
        collector.add(
            "emd/extract-bands-type",
            "ExtractBands mixes indexes and names",
            "Write either indexes or names.",
            pointer,
        )
    for index, band in enumerate(bands):
        if isinstance(band, int) and band < 0:
            collector.add(
                "emd/extract-bands-negative",
                f"ExtractBands[{index}] is {quoted(band)}",
                "Write the 0-based index of the band.",
                child(pointer, index),
            )
    plain = [band for band in bands[:1000] if isinstance(band, (int, str))]
    repeated = next((band for i, band in enumerate(plain) if band in plain[:i]), None)
    if repeated is not None:
        collector.add(
            "emd/extract-bands-repeated",
            f"ExtractBands names {quoted(repeated)} more than once",
            "Leave it if the model wants one band in several places.",
            pointer,
        )
    if len(bands) >= 3 and bands == list(range(1, len(bands) + 1)):
        collector.add(
            "emd/extract-bands-from-one",
            f"ExtractBands begins at 1, which means the second to the {len(bands) + 1}th band",
            f"Write {list(range(len(bands)))[:8]} if the first bands are meant."
            if len(bands) <= 8
            else "Begin at 0 if the first bands are meant.",
            pointer,
        )


def _check_range(emd: Mapping[str, Any], collector: Collector) -> None:
    if "DataRange" not in emd:
        return
    limits = emd["DataRange"]
    pair = isinstance(limits, list) and len(limits) == 2 and all(number(end) for end in limits)
    if pair and limits[0] < limits[1]:
        return
    problem = "whose first number is not the smaller one" if pair else "not two numbers"
    shown = f"[{quoted(limits[0])}, {quoted(limits[1])}]" if pair else quoted(limits)
    collector.add(
        "emd/data-range",
        f"DataRange is {shown}, {problem}",
        "Write the smallest and the largest value, for example [0, 255], or remove the key.",
        "/DataRange",
    )


def _check_margins(emd: Mapping[str, Any], collector: Collector) -> None:
    sizes = [emd[key] for key in ("ImageHeight", "ImageWidth") if number(emd.get(key))]
    for key in ("Padding", "ModelPadding"):
        padding: Any = emd.get(key)
        if not number(padding):
            continue
        if padding < 0 or (sizes and 2 * padding >= min(sizes)):
            collector.add(
                "emd/padding",
                f"{key} is {quoted(padding)}"
                + (f", which leaves nothing of a tile of {min(sizes)}" if padding > 0 else ""),
                "Write less than half of the tile size, 0 or more.",
                child("", key),
            )
    threshold = emd.get("Threshold")
    if number(threshold) and not 0 <= float(threshold or 0) <= 1:
        collector.add(
            "emd/threshold",
            f"Threshold is {quoted(threshold)}",
            "Write a number from 0 to 1, for example 0.5.",
            "/Threshold",
        )
    for key, rule, argument in (
        ("BatchSize", "emd/batch-size-fixed", "batch_size"),
        ("ModelPadding", "emd/model-padding-fixed", "padding"),
    ):
        if emd.get(key) is not None:
            collector.add(
                rule,
                f"{key} hides the {argument} argument in functions like Esri's built-in ones",
                f"Remove the key if users should choose {argument}.",
                child("", key),
                at_key=True,
            )


def _check_version(emd: Mapping[str, Any], collector: Collector) -> None:
    version = emd.get("ArcGISLearnVersion")
    if not isinstance(version, str):
        return
    parts = _version(version)
    for other in _LEARN_VERSIONS if parts else ():
        if (version < other) != (parts < _version(other)):
            collector.add(
                "emd/learn-version",
                f"ArcGISLearnVersion {quoted(version)} counts as"
                f" {'older' if version < other else 'newer'} than {other}, compared as text",
                "Nothing to do in the file; expect functions of arcgis.learn to take it for that.",
                "/ArcGISLearnVersion",
            )
            return


def _version(text: str) -> tuple[int, ...]:
    match = re.match(r"[0-9]{1,6}(?:\.[0-9]{1,6})*", text)
    return tuple(int(part) for part in match.group().split(".")) if match else ()


def _check_space(emd: Mapping[str, Any], collector: Collector) -> None:
    space = emd.get("ImageSpaceUsed")
    if space is not None and space not in ("MAP_SPACE", "PIXEL_SPACE"):
        collector.add(
            "emd/image-space",
            f"ImageSpaceUsed is {quoted(space)}",
            'Write "MAP_SPACE" for maps and satellite images, "PIXEL_SPACE" for oriented photos.',
            "/ImageSpaceUsed",
        )
    least: Any = emd.get("MinCellSize")
    most: Any = emd.get("MaxCellSize")
    size: Any
    for key, size in (("MinCellSize", least), ("MaxCellSize", most)):
        for axis in ("x", "y") if isinstance(size, dict) else ():
            if number(size.get(axis)) and size[axis] <= 0:
                collector.add(
                    "emd/cell-size",
                    f"{key}.{axis} is {quoted(size[axis])}",
                    "Write the cell's size in units of the spatial reference, or null.",
                    child("", key, axis),
                )
    if (
        isinstance(least, dict)
        and isinstance(most, dict)
        and least.get("spatialReference") == most.get("spatialReference")
        and number(least.get("x"))
        and number(most.get("x"))
        and least["x"] > most["x"]
    ):
        collector.add(
            "emd/cell-size",
            "MinCellSize is larger than MaxCellSize",
            "Swap the two.",
            "/MinCellSize",
        )


def _check_stats(emd: Mapping[str, Any], key: str, collector: Collector) -> None:
    stats = emd.get(key)
    if not isinstance(stats, dict):
        return
    lengths = {
        name: len(values)
        for name, values in stats.items()
        if name.startswith(("band_", "scaled_")) and isinstance(values, list)
    }
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{name} {count}" for name, count in list(lengths.items())[:8])
        collector.add(
            "emd/normalization-stats",
            f"the lists in {key} differ in length: {counts}",
            "Give each list one number per band.",
            child("", key),
        )
