"""The numbers in a model definition: sizes, bands, ranges, margins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..collector import Collector, child, quoted
from .model import is_imagery, number

SMALLEST_TILE, LARGEST_TILE = 16, 8192


def check_numbers(emd: Mapping[str, Any], collector: Collector) -> None:
    """Check sizes, bands, ranges and margins."""
    _check_size(emd, collector)
    if is_imagery(emd):
        _check_bands(emd, collector)
    _check_range(emd, collector)
    _check_margins(emd, collector)


def _check_size(emd: Mapping[str, Any], collector: Collector) -> None:
    for key in ("ImageHeight", "ImageWidth"):
        size, pointer = emd.get(key), child("", key)
        if size is None:
            if is_imagery(emd):
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
    pointer, bands = "/ExtractBands", emd.get("ExtractBands")
    if "ExtractBands" not in emd:
        collector.add(
            "emd/extract-bands-missing",
            "ExtractBands is missing, so which bands the model gets is left to the function",
            "Add the 0-based bands in the order of the training, for example"
            ' "ExtractBands": [0, 1, 2].',
            subject=pointer,
        )
    elif not isinstance(bands, list) or not bands or {int, str} <= {type(band) for band in bands}:
        mixed = isinstance(bands, list) and bool(bands)
        collector.add(
            "emd/extract-bands-type",
            "ExtractBands mixes indexes and names" if mixed else f"ExtractBands is {quoted(bands)}",
            "Write a list of 0-based indexes or names, for example [0, 1, 2], or remove the key.",
            pointer,
        )
    elif len(bands) >= 3 and bands == list(range(1, len(bands) + 1)):
        collector.add(
            "emd/extract-bands-from-one",
            f"ExtractBands begins at 1, which means the second to the {len(bands) + 1}th band",
            "Begin at 0 if the first bands are meant.",
            pointer,
        )
    else:
        for index, band in enumerate(bands):
            if isinstance(band, int) and band < 0:
                collector.add(
                    "emd/extract-bands-negative",
                    f"ExtractBands[{index}] is {quoted(band)}",
                    "Write the 0-based index of the band.",
                    child(pointer, index),
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
    threshold: Any = emd.get("Threshold")
    if number(threshold) and not 0 <= threshold <= 1:
        collector.add(
            "emd/threshold",
            f"Threshold is {quoted(threshold)}",
            "Write a number from 0 to 1, for example 0.5.",
            "/Threshold",
        )
