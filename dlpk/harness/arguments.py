"""Arguments of a function: what it declares, what the user gives, what it gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from schemas.suggest import did_you_mean

from ..errors import ArgumentsError

# "All the parameters (except raster, model and device) … will be populated in the tool".
HIDDEN = ("raster", "rasters", "model", "device")
RASTER_TYPES = ("raster", "rasters")


def is_raster(parameter: Mapping[str, Any]) -> bool:
    """Whether a parameter takes rasters, whatever its name."""
    return str(parameter.get("dataType", "")).lower() in RASTER_TYPES


def shown_parameters(parameters: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The parameters that appear in the tool's Arguments table."""
    return [
        parameter
        for parameter in parameters
        if parameter.get("name") not in HIDDEN and not is_raster(parameter)
    ]


def argument_scalars(
    parameters: Sequence[Mapping[str, Any]],
    given: Mapping[str, Any],
    *,
    written_as: str = "text",
) -> dict[str, Any]:
    """The scalars that a function gets: what the user gives, and declared defaults for the rest.

    A parameter without a default that the user does not give is left out.

    Parameters
    ----------
    parameters : sequence of mapping
        Answer of ``getParameterInfo``.
    given : mapping
        What the user gave.
    written_as : str
        See ``arguments_as`` in `dlpk.harness.settings.Settings`.

    Raises
    ------
    ArgumentsError
        A name is unknown (the nearest is suggested), or a required value is missing.
    """
    shown = shown_parameters(parameters)
    names = [str(parameter["name"]) for parameter in shown]
    for name in given:
        if name not in names:
            hint, known = did_you_mean(str(name), names), ", ".join(names) or "none"
            raise ArgumentsError(
                f"the package has no argument {name!r}{hint}. Its arguments are: {known}"
            )
    scalars: dict[str, Any] = {}
    for parameter in shown:
        name = str(parameter["name"])
        default = parameter.get("value")
        if name in given or not _is_nothing(default):
            value = given.get(name, default)
            scalars[name] = value if written_as == "typed" else as_text(value)
        elif parameter.get("required"):
            label = parameter.get("displayName") or name
            raise ArgumentsError(
                f"the argument {name!r} ({label}) needs a value, and the package has no default "
                f"for it: give --arg {name}=VALUE"
            )
        elif default is not None:
            scalars[name] = default
    return scalars


def merged_arguments(prompt: str | None, arguments: Mapping[str, Any] | None) -> dict[str, Any]:
    """Arguments with the prompt among them.

    Raises
    ------
    ArgumentsError
        The prompt is no text, or is given twice.
    """
    merged = dict(arguments or {})
    if prompt is not None:
        if not isinstance(prompt, str):
            raise ArgumentsError(f"the prompt is {prompt!r}; it must be text, as in 'water, trees'")
        if "text_prompt" in merged:
            raise ArgumentsError("the prompt is given twice: as prompt and as text_prompt")
        merged["text_prompt"] = prompt
    return merged


def _is_nothing(default: Any) -> bool:
    return default is None or (isinstance(default, str) and default == "")


def as_text(value: Any) -> str:
    """A value as it stands in the tool's table: 56.0 is written 56 there."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    return str(value)


def parse_assignments(assignments: Sequence[str]) -> dict[str, str]:
    """Read ``name=value`` pairs of the command line.

    Raises
    ------
    ArgumentsError
        One has no ``=``, or a name comes twice.
    """
    given: dict[str, str] = {}
    for assignment in assignments:
        name, separator, value = assignment.partition("=")
        name = name.strip()
        if not separator or not name:
            raise ArgumentsError(
                f"{assignment!r} is no choice: write name=value, for example threshold=0.4"
            )
        if name in given:
            raise ArgumentsError(f"the argument {name!r} is given twice")
        given[name] = value
    return given
