"""Judging the arguments that a raster function declares: names, types, defaults, domains."""

from __future__ import annotations

import re
from typing import Any, Final

from schemas.emd.rules import Rule
from schemas.findings import Report, Severity

from .collector import Collector
from .parameters import MISSING, UNKNOWN, Parameter, Parameters

__all__ = ["BOOLEAN_TEXTS", "RULES", "check_arguments", "is_flag"]

_E, _W, _N = Severity.ERROR, Severity.WARNING, Severity.NOTE
_REFERENCE = "Esri/raster-functions: Reference.py, getParameterInfo"
_GUIDE = "Esri/raster-deep-learning: guide to custom inference functions"
_SERVER = "how ArcGIS writes arguments down: name value;name value"

RULES: dict[str, Rule] = {
    "arguments/entry": Rule(_E, "Each parameter is a dictionary.", _REFERENCE),
    "arguments/key-missing": Rule(_E, "A parameter needs a name and a dataType.", _REFERENCE),
    "arguments/no-raster": Rule(
        _E, "Without a raster parameter no pixels are delivered.", "field notes on ArcGIS Pro 3.6"
    ),
    "arguments/no-model": Rule(
        _W, "Raster and model are the first two parameters, both mandatory.", _GUIDE
    ),
    "arguments/order": Rule(_N, "Raster and model are documented to come first.", _GUIDE),
    "arguments/data-type": Rule(_W, "ArcGIS is not known to have this dataType.", _REFERENCE),
    "arguments/data-type-undocumented": Rule(
        _N, "The dataType is in use and not documented.", _REFERENCE
    ),
    "arguments/name-form": Rule(_W, "Blanks and semicolons separate arguments.", _SERVER),
    "arguments/name-repeated": Rule(_W, "Two parameters of one name cannot be told apart.", _GUIDE),
    "arguments/required-text": Rule(
        _W, "Python takes any text, even False in quotes, for true.", _REFERENCE
    ),
    "arguments/domain": Rule(_W, "A domain is a list or tuple of the values allowed.", _REFERENCE),
    "arguments/default-outside-domain": Rule(
        _W, "The value that the dialog starts with is not allowed.", _REFERENCE
    ),
    "arguments/default-type": Rule(_W, "The default does not fit the dataType.", _REFERENCE),
}

_DOCUMENTED: Final = {"numeric", "string", "raster", "rasters", "boolean"}
# Written by arcgis.learn, so that they work.
_LEARN: Final = {"GPLong", "GPDouble", "GPString", "GPStringKeyword"}
_SEEN: Final = {"float", "GPBoolean"}
_NUMERIC: Final = {"numeric", "GPLong", "GPDouble", "float"}
_PIXELS: Final = re.compile(r"(?!output_)\w+_pixels")
_GIVEN: Final = ("raster", "rasters", "model", "device")
BOOLEAN_TEXTS: Final = {"true", "false"}


def check_arguments(parameters: Parameters) -> Report:
    """Judge the parameters that are in plain sight.

    Parameters
    ----------
    parameters : Parameters
        From `dlpk.lint.parameters.declared`.
    """
    findings = Collector(RULES)
    for stray in parameters.strays:
        findings.at(
            parameters.source,
            stray,
            "arguments/entry",
            "the list of getParameterInfo holds something that is no dictionary",
            "Write {'name': …, 'dataType': …, 'value': …, 'required': …} for each parameter.",
        )
    for entry in parameters.entries:
        _check_keys(parameters, entry, findings)
        _check_type(parameters, entry, findings)
        _check_domain(parameters, entry, findings)
        _check_default(parameters, entry, findings)
    _check_names(parameters, findings)
    if parameters.closed and not parameters.strays:
        _check_first(parameters, findings)
    return findings.report()


def is_flag(entry: Parameter) -> bool:
    """Whether a parameter is a choice between true and false, usually as text."""
    if entry.get("dataType") == "boolean":
        return True
    domain = entry.get("domain")
    if isinstance(domain, (list, tuple)) and domain:
        return {str(value).lower() for value in domain} == BOOLEAN_TEXTS
    return str(entry.get("value")).lower() in BOOLEAN_TEXTS


def _called(entry: Parameter) -> str:
    return f"the parameter {entry.name!r}" if entry.name is not None else "a parameter"


def _check_keys(parameters: Parameters, entry: Parameter, findings: Collector) -> None:
    for key in ("name", "dataType"):
        value = entry.get(key)
        if value is MISSING or value is None:
            findings.at(
                parameters.source,
                entry.node,
                "arguments/key-missing",
                f"{_called(entry)} has no {key!r}",
                f"Add {key!r}.",
            )
    if isinstance(entry.get("required"), str):
        findings.at(
            parameters.source,
            entry.node,
            "arguments/required-text",
            f"{_called(entry)} has the text {entry.get('required')!r} as 'required'",
            "Write True or False without quotes.",
        )


def _check_type(parameters: Parameters, entry: Parameter, findings: Collector) -> None:
    kind = entry.get("dataType")
    if kind in (MISSING, UNKNOWN, None):
        return
    word = kind if isinstance(kind, str) else ""
    if word in _DOCUMENTED | _LEARN:
        return
    rule = "arguments/data-type-undocumented" if word in _SEEN else "arguments/data-type"
    findings.at(
        parameters.source,
        entry.node,
        rule,
        f"{_called(entry)} has the dataType {kind!r}",
        f"Write one of {', '.join(sorted(_DOCUMENTED))}.",
    )


def _check_domain(parameters: Parameters, entry: Parameter, findings: Collector) -> None:
    domain, value = entry.get("domain"), entry.get("value")
    if domain in (MISSING, UNKNOWN, None):
        return
    if not isinstance(domain, (list, tuple)) or not domain:
        findings.at(
            parameters.source,
            entry.node,
            "arguments/domain",
            f"{_called(entry)} has the domain {domain!r}, which allows nothing",
            "Write a list of the values, or leave the domain out.",
        )
        return
    if value in (MISSING, UNKNOWN, None, "") or not parameters.settled:
        return
    if not _allows(domain, value):
        findings.at(
            parameters.source,
            entry.node,
            "arguments/default-outside-domain",
            f"{_called(entry)} has the default {value!r}, which is not in its domain",
            f"Choose one of {', '.join(map(str, domain))}.",
        )


def _allows(domain: list[Any] | tuple[Any, ...], value: object) -> bool:
    if str(value) in {str(choice) for choice in domain}:
        return True
    number, ends = _number(value), [_number(choice) for choice in domain]
    if number is not None and len(ends) == 2 and None not in ends:
        # Two numbers are a range in arcgis.learn.
        low, high = ends
        return low is not None and high is not None and low <= number <= high
    return False


def _number(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(str(value).replace(",", "."))
    except ValueError:
        return None


def _check_default(parameters: Parameters, entry: Parameter, findings: Collector) -> None:
    value, kind = entry.get("value"), entry.get("dataType")
    if (
        value in (MISSING, UNKNOWN, None, "")
        or entry.name in _GIVEN
        or not isinstance(kind, str)
        or not parameters.settled
    ):
        return
    wrong = ""
    if kind in _NUMERIC and (isinstance(value, (list, tuple, dict)) or _number(value) is None):
        wrong = "no number"
    elif kind == "boolean" and str(value).lower() not in BOOLEAN_TEXTS | {"0", "1"}:
        wrong = "neither true nor false"
    if wrong and not (kind in _NUMERIC and isinstance(value, bool)):
        findings.at(
            parameters.source,
            entry.node,
            "arguments/default-type",
            f"{_called(entry)} is of dataType {kind!r} and its default {value!r} is {wrong}",
            "Give it a default of its type, or another dataType.",
        )


def _check_names(parameters: Parameters, findings: Collector) -> None:
    seen: set[str] = set()
    for entry in parameters.entries:
        name = entry.name
        if name is None:
            continue
        if not name or any(char.isspace() or char == ";" for char in name):
            findings.at(
                parameters.source,
                entry.node,
                "arguments/name-form",
                f"the parameter's name {name!r} is empty or holds a blank or semicolon",
                "Name it with letters, digits and '_'; displayName is for people.",
            )
        if name in seen and entry.certain:
            findings.at(
                parameters.source,
                entry.node,
                "arguments/name-repeated",
                f"there are two parameters named {name!r}",
                "Rename or remove one.",
            )
        if entry.certain:
            seen.add(name)


def _check_first(parameters: Parameters, findings: Collector) -> None:
    entries = parameters.entries
    anchor = entries[0].node if entries else parameters.node
    kinds = [entry.get("dataType") for entry in entries]
    # Long ago types were numbers: what these mean is not known.
    without = all(isinstance(kind, str) and kind not in ("raster", "rasters") for kind in kinds)
    if without and any(_PIXELS.fullmatch(text) for text in parameters.source.constants):
        findings.at(
            parameters.source,
            anchor,
            "arguments/no-raster",
            "getParameterInfo declares no parameter of dataType 'raster'",
            "Begin the list with {'name': 'raster', 'dataType': 'raster', 'required': True}.",
        )
        return
    names = [entry.name for entry in entries]
    if None in names:
        return
    if "model" not in names:
        findings.at(
            parameters.source,
            anchor,
            "arguments/no-model",
            "getParameterInfo declares no parameter 'model', which hands over the model definition",
            "Add {'name': 'model', 'dataType': 'string', 'required': True} as the second one.",
        )
    elif parameters.settled and (
        kinds[0] not in ("raster", "rasters", UNKNOWN) or names[1] != "model"
    ):
        findings.at(
            parameters.source,
            anchor,
            "arguments/order",
            f"the parameters begin with {', '.join(map(repr, names[:2]))}",
            "Begin with raster and model.",
        )
