"""Arguments of a function: what it declares, what the user gives, what it gets."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import ArgumentsError

# "All the parameters (except raster, model and device) … will be populated in the tool".
HIDDEN = ("raster", "rasters", "model", "device")


def shown_parameters(parameters: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The parameters that appear in the tool's Arguments table."""
    return [parameter for parameter in parameters if parameter.get("name") not in HIDDEN]


def argument_scalars(
    parameters: Sequence[Mapping[str, Any]],
    given: Mapping[str, Any],
    *,
    written_as: str = "text",
) -> dict[str, Any]:
    """The scalars that a function gets.

    Values that the user gives arrive as text, as from the tool's table; the declared default of
    every other parameter is passed as the function wrote it.

    Parameters
    ----------
    parameters : sequence of mapping
        Answer of ``getParameterInfo``.
    given : mapping
        What the user gave.
    written_as : str
        See ``arguments_as`` in `dlpk.settings.Settings`.

    Returns
    -------
    dict

    Raises
    ------
    ArgumentsError
        A name is unknown (the nearest is suggested), or a required value is missing.
    """
    shown = shown_parameters(parameters)
    names = [str(parameter["name"]) for parameter in shown]
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(str(name), names, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            known = ", ".join(names) or "none"
            raise ArgumentsError(
                f"the package has no argument {name!r}{hint}. Its arguments are: {known}"
            )
    scalars: dict[str, Any] = {}
    for parameter in shown:
        name = str(parameter["name"])
        if name in given:
            scalars[name] = given[name] if written_as == "typed" else str(given[name])
        elif parameter.get("value") not in (None, ""):
            scalars[name] = parameter["value"]
        elif parameter.get("required"):
            label = parameter.get("displayName") or name
            raise ArgumentsError(
                f"the argument {name!r} ({label}) needs a value, and the package has no default "
                "for it"
            )
        elif "value" in parameter and parameter["value"] is not None:
            scalars[name] = parameter["value"]
    return through_server(scalars) if written_as == "server" else scalars


def through_server(scalars: Mapping[str, Any]) -> dict[str, str]:
    """Pass arguments through the line that ArcGIS Server makes of them.

    Its script joins ``name value`` with semicolons and quotes nothing, so a value is cut at its
    first space or semicolon (contract, section 5).

    Parameters
    ----------
    scalars : mapping

    Returns
    -------
    dict
        What is left of the values.
    """
    line = ";".join(f"{name} {value}" for name, value in scalars.items())
    parts = (part.split() for part in line.split(";"))
    return {part[0]: part[1] for part in parts if len(part) > 1 and part[0] in scalars}


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
                f"{assignment!r} is not an argument: write name=value, for example threshold=0.4"
            )
        if name in given:
            raise ArgumentsError(f"the argument {name!r} is given twice")
        given[name] = value
    return given
