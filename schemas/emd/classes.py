"""The classes of a model definition: values, names and colours."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from typing import Any

from ..collector import Collector, child, quoted
from .facts import BACKGROUND_NAMES
from .model import filled, is_imagery, is_pixels, number

__all__ = ["check_classes"]

LONGEST_NAME = 160
"""Longest name of a domain in a file geodatabase, in characters."""

LARGEST_VALUE = 2**31 - 1

# What the geodatabase refuses in a domain name is not documented. These are characters that its
# expressions and value tables give a meaning to; '/' and '-' stand in names of Esri's own samples.
_RISKY = re.compile(r"[\x00-\x1f\x7f\"'`\\%;|<>*?]")
_MEMBERS = ("Value", "Name", "Color")


def check_classes(emd: Mapping[str, Any], collector: Collector) -> None:
    """Check the list of classes, each class, and the classes against each other."""
    classes = emd.get("Classes")
    if not isinstance(classes, list):
        _check_absent(emd, collector)
        return
    if not classes and is_imagery(emd):
        collector.add(
            "emd/classes-empty",
            "Classes is empty",
            'Add one object per class: {"Value": 1, "Name": "Water", "Color": [0, 112, 255]}.',
            "/Classes",
        )
    table = [(i, entry) for i, entry in enumerate(classes) if isinstance(entry, dict)]
    old = [i for i, entry in table if "ClassValue" in entry and "Value" not in entry]
    if old:
        collector.add(
            "emd/class-keys-old",
            "the classes have the old keys ClassValue and ClassName",
            "Rename them to Value and Name.",
            child("", "Classes", old[0]),
        )
    # Classes of point clouds or texts need no colour; type NULL may be a pixel classifier.
    drawn = emd.get("ModelType") is None or is_imagery(emd)
    for index, entry in table:
        pointer = child("", "Classes", index)
        where = f"Classes[{index}]"
        _check_member_names(pointer, where, entry, collector)
        if "ClassValue" not in entry:
            _check_value(pointer, where, entry, collector)
            _check_name(pointer, where, entry, collector)
        _check_color(pointer, where, entry, drawn, collector)
    _check_against_each_other(table, collector)


def _check_absent(emd: Mapping[str, Any], collector: Collector) -> None:
    framework = emd.get("Framework")
    generated = isinstance(framework, str) and framework.startswith("arcgis.learn")
    # What arcgis.learn writes without Classes (time series, climate) has a function for that.
    if not is_pixels(emd) or generated or filled(emd.get("Class_mapping")):
        return
    collector.add(
        "emd/classes-missing",
        "Classes is missing",
        'Add "Classes": [{"Value": 1, "Name": "Water", "Color": [0, 112, 255]}], unless the'
        " function takes its classes from elsewhere.",
        subject="/Classes",
    )


def _check_member_names(
    pointer: str, where: str, entry: Mapping[str, Any], collector: Collector
) -> None:
    for key in list(entry)[:20]:
        for member in _MEMBERS:
            if member in entry or key in _MEMBERS:
                continue
            if key.strip().lower() in (member.lower(), "colour" if member == "Color" else ""):
                collector.add(
                    "emd/key-case",
                    f"{where} has the key {quoted(key)}, ArcGIS reads {quoted(member)}",
                    f"Rename it to {quoted(member)}.",
                    child(pointer, key),
                    at_key=True,
                )
                collector.settle(child(pointer, member))


def _check_value(pointer: str, where: str, entry: Mapping[str, Any], collector: Collector) -> None:
    place = child(pointer, "Value")
    if "Value" not in entry:
        collector.add(
            "emd/class-value-missing",
            f"{where} has no Value",
            'Add the pixel value, for example "Value": 1.',
            pointer,
            subject=place,
        )
        return
    value = entry["Value"]
    if not number(value) or value != int(value):
        collector.add(
            "emd/class-value-type",
            f"{where}.Value is {quoted(value)}, not a whole number",
            "Write the pixel value as a number without quotes, for example 1.",
            place,
        )
    elif abs(value) > LARGEST_VALUE:
        collector.add(
            "emd/class-value-large",
            f"{where}.Value is {quoted(value)}, which does not fit into 32 bits",
            f"Write a value up to {LARGEST_VALUE}, better up to 255.",
            place,
        )
    elif value < 0:
        collector.add(
            "emd/class-value-negative",
            f"{where}.Value is {quoted(value)}, so the output has to be signed",
            "Use values from 1 on unless the model gives negative ones.",
            place,
        )
    elif value == 0 and str(entry.get("Name", "")).strip().lower() not in BACKGROUND_NAMES:
        collector.add(
            "emd/class-value-zero",
            f"{where}.Value is 0, which usually means background",
            "Begin the values at 1 if the model allows it.",
            place,
        )


def _check_name(pointer: str, where: str, entry: Mapping[str, Any], collector: Collector) -> None:
    place = child(pointer, "Name")
    if entry.get("Name") is None:
        collector.add(
            "emd/class-name-missing",
            f"{where} has no Name",
            'Add the name for the legend, for example "Name": "Water".',
            pointer,
            subject=place,
        )
        return
    name = entry["Name"]
    if not isinstance(name, str):
        collector.add(
            "emd/class-name-type",
            f"{where}.Name is {quoted(name)}, not a text",
            f"Write it in double quotes: {quoted(str(name))}.",
            place,
        )
    elif not name.strip():
        collector.add(
            "emd/class-name-empty",
            f"{where}.Name is empty",
            "Write the name that the legend should show.",
            place,
        )
    elif len(name) > LONGEST_NAME:
        collector.add(
            "emd/class-name-long",
            f"{where}.Name has {len(name)} characters",
            f"Shorten it to {LONGEST_NAME} characters or less.",
            place,
        )
    elif name != name.strip() or _RISKY.search(name):
        found = _RISKY.search(name)
        what = f"holds {quoted(found.group())}" if found else "begins or ends with a blank"
        collector.add(
            "emd/class-name-characters",
            f"{where}.Name {quoted(name)} {what}, which a geodatabase may refuse",
            "Use letters, digits, blanks inside, '-', '_' and '/'.",
            place,
        )


def _check_color(
    pointer: str, where: str, entry: Mapping[str, Any], drawn: bool, collector: Collector
) -> None:
    place = child(pointer, "Color")
    if entry.get("Color") is None:
        if drawn:
            collector.add(
                "emd/class-color-missing",
                f"{where} has no Color",
                'Add red, green and blue, for example "Color": [0, 112, 255].',
                pointer,
                subject=place,
            )
        return
    color = entry["Color"]
    right = (
        isinstance(color, list)
        and len(color) == 3
        and all(number(part) and part == int(part) and 0 <= part <= 255 for part in color)
    )
    if not right:
        shown = ", ".join(quoted(part) for part in color[:5]) if isinstance(color, list) else ""
        collector.add(
            "emd/class-color-form",
            f"{where}.Color is {f'[{shown}]' if shown else quoted(color)},"
            " not three whole numbers from 0 to 255",
            "Write red, green and blue, for example [0, 112, 255].",
            place,
        )


def _check_against_each_other(
    table: list[tuple[int, dict[str, Any]]], collector: Collector
) -> None:
    _report_repeated(table, "Value", "emd/class-value-duplicate", "Give each its own.", collector)
    _report_repeated(table, "Name", "emd/class-name-duplicate", "Give each its own.", collector)
    _report_repeated(
        table, "Color", "emd/class-color-duplicate", "Give each a colour of its own.", collector
    )
    values = {
        int(entry["Value"])
        for _, entry in table
        if number(entry.get("Value")) and entry["Value"] == int(entry["Value"])
    }
    positive = {value for value in values if value > 0}
    if positive and (min(positive) != 1 or max(positive) != len(positive)):
        shown = ", ".join(str(value) for value in sorted(positive)[:8])
        collector.add(
            "emd/class-value-gap",
            f"the class values {shown}{', ...' if len(positive) > 8 else ''} do not run from 1"
            " without a gap",
            "Make sure that the function turns the network's answer into these values.",
            "/Classes",
        )


def _report_repeated(
    table: list[tuple[int, dict[str, Any]]],
    member: str,
    rule: str,
    remedy: str,
    collector: Collector,
) -> None:
    first: dict[Hashable, int] = {}
    for index, entry in table:
        key = _comparable(entry.get(member))
        if key is None:
            continue
        if key in first:
            collector.add(
                rule,
                f"Classes[{index}] has the same {member} as Classes[{first[key]}]",
                remedy,
                child("", "Classes", index, member),
            )
        else:
            first[key] = index


def _comparable(value: Any) -> Hashable | None:
    """Return what makes two values the same; None for what is not compared."""
    if isinstance(value, str):
        # "Water " and "water" are different names for a program, but not in a legend.
        return value.strip().casefold() or None
    if number(value):
        return float(value) if isinstance(value, float) else int(value)
    if isinstance(value, list) and value and len(value) <= 4 and all(number(v) for v in value):
        return tuple(value)
    return None
