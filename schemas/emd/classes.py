"""The classes of a model definition: values, names and colours."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from typing import Any

from ..collector import Collector, child, quoted
from .facts import BACKGROUND_NAMES
from .model import filled, is_imagery, is_pixels, number, whole

LONGEST_NAME = 160
"""Longest name of a domain in a file geodatabase, in characters."""

# What the geodatabase refuses in a domain name is not documented. These are characters that its
# expressions and value tables give a meaning to; '/' and '-' stand in names of Esri's own samples.
_RISKY = re.compile(r"[\x00-\x1f\x7f\"'`\\%;|<>*?]")
_MEMBERS = ("Value", "Name", "Color")
_EXAMPLE = '{"Value": 1, "Name": "Water", "Color": [0, 112, 255]}'


def check_classes(emd: Mapping[str, Any], collector: Collector) -> None:
    """Check the list of classes, each class, and the classes against each other."""
    classes = emd.get("Classes")
    if not isinstance(classes, list):
        framework = emd.get("Framework")
        generated = isinstance(framework, str) and framework.startswith("arcgis.learn")
        # What arcgis.learn writes without Classes (time series, climate) has a function for that.
        if is_pixels(emd) and not generated and not filled(emd.get("Class_mapping")):
            remedy = f'Add "Classes": [{_EXAMPLE}], unless the function takes them from elsewhere.'
            collector.add("emd/classes-missing", "Classes is missing", remedy, subject="/Classes")
        return
    if not classes and is_imagery(emd):
        remedy = f"Add one object per class: {_EXAMPLE}."
        collector.add("emd/classes-empty", "Classes is empty", remedy, "/Classes")
    table = [(i, entry) for i, entry in enumerate(classes) if isinstance(entry, dict)]
    old = next((i for i, entry in table if "ClassValue" in entry and "Value" not in entry), None)
    if old is not None:
        collector.add(
            "emd/class-keys-old",
            "the classes have the old keys ClassValue and ClassName",
            "Rename them to Value and Name.",
            child("", "Classes", old),
        )
    # Classes of point clouds or texts need no colour; type NULL may be a pixel classifier.
    drawn = emd.get("ModelType") is None or is_imagery(emd)
    for index, entry in table:
        pointer, where = child("", "Classes", index), f"Classes[{index}]"
        _check_member_names(pointer, where, entry, collector)
        if "ClassValue" not in entry:
            _check_value(pointer, where, entry, collector)
            _check_name(pointer, where, entry, collector)
        _check_color(pointer, where, entry, drawn, collector)
    for member in ("Value", "Name"):
        _report_repeated(table, member, collector)


def _check_member_names(
    pointer: str, where: str, entry: Mapping[str, Any], collector: Collector
) -> None:
    for key in list(entry)[:20]:
        member = key.strip().lower().replace("colour", "color").capitalize()
        if member in _MEMBERS and member not in entry:
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
        remedy = 'Add the pixel value, for example "Value": 1.'
        collector.add(
            "emd/class-value-missing", f"{where} has no Value", remedy, pointer, subject=place
        )
        return
    value = entry["Value"]
    if not whole(value) or abs(value) >= 2**31:
        collector.add(
            "emd/class-value-type",
            f"{where}.Value is {quoted(value)}, not a whole number of at most 32 bits",
            "Write the pixel value as a number without quotes, for example 1.",
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
    place, name = child(pointer, "Name"), entry.get("Name")
    if name is None or (isinstance(name, str) and not name.strip()):
        collector.add(
            "emd/class-name-missing",
            f"{where} has no Name" if name is None else f"{where}.Name is empty",
            'Add the name for the legend, for example "Name": "Water".',
            pointer if name is None else place,
            subject=place,
        )
    elif isinstance(name, str):  # numbers pass: Esri's own packages have them
        found = _RISKY.search(name)
        if found:
            what = f"holds {quoted(found.group())}"
        elif len(name) > LONGEST_NAME:
            what = f"has more than {LONGEST_NAME} characters"
        elif name != name.strip():
            what = "begins or ends with a blank"
        else:
            return
        collector.add(
            "emd/class-name-characters",
            f"{where}.Name {quoted(name)} {what}, which a geodatabase may refuse",
            "Use letters, digits, blanks inside, '-', '_' and '/'.",
            place,
        )


def _check_color(
    pointer: str, where: str, entry: Mapping[str, Any], drawn: bool, collector: Collector
) -> None:
    place, color = child(pointer, "Color"), entry.get("Color")
    if color is None:
        if drawn:
            remedy = 'Add red, green and blue, for example "Color": [0, 112, 255].'
            collector.add(
                "emd/class-color-missing", f"{where} has no Color", remedy, pointer, subject=place
            )
    elif not (
        isinstance(color, list)
        and len(color) == 3
        and all(whole(part) and 0 <= part <= 255 for part in color)
    ):
        shown = ", ".join(quoted(part) for part in color[:5]) if isinstance(color, list) else ""
        collector.add(
            "emd/class-color-form",
            f"{where}.Color is {f'[{shown}]' if shown else quoted(color)},"
            " not three whole numbers from 0 to 255",
            "Write red, green and blue, for example [0, 112, 255].",
            place,
        )


def _report_repeated(
    table: list[tuple[int, dict[str, Any]]], member: str, collector: Collector
) -> None:
    first: dict[Hashable, int] = {}
    for index, entry in table:
        value = entry.get(member)
        # "Water " and "water" are different names for a program, but not in a legend.
        key = value.strip().casefold() if isinstance(value, str) else value
        if key in ("", None) or not (isinstance(key, str) or number(key)):
            continue
        if first.setdefault(key, index) != index:
            collector.add(
                f"emd/class-{member.lower()}-duplicate",
                f"Classes[{index}] has the same {member} as Classes[{first[key]}]",
                "Give each its own.",
                child("", "Classes", index, member),
            )
