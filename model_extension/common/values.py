"""Reading what ArcGIS hands over as text: numbers in any locale, yes and no in any spelling."""

from __future__ import annotations

import math
from typing import Any

from .errors import ArgumentError

TRUE = ("true", "1", "yes", "on")
FALSE = ("false", "0", "no", "off")


def number(name: str, value: Any) -> float:
    """Read a number that may be text with a decimal comma.

    Raises
    ------
    ArgumentError
        It is not a finite number.
    """
    try:
        result = float(value.strip().replace(",", ".") if isinstance(value, str) else value)
    except (TypeError, ValueError, OverflowError):
        result = math.nan
    if not math.isfinite(result):
        raise ArgumentError(f"{name} is {value!r}; it must be a number, for example 0.3")
    return result


def whole(name: str, value: Any) -> int:
    """Read a whole number; "88.0" is one.

    Raises
    ------
    ArgumentError
        It is not a whole number.
    """
    result = number(name, value)
    if result != int(result):
        raise ArgumentError(f"{name} is {value!r}; it must be a whole number")
    return int(result)


def boolean(name: str, value: Any) -> bool:
    """Read a yes or no in any of the spellings in use.

    Raises
    ------
    ArgumentError
        It is neither.
    """
    word = str(value).strip().lower()
    if word not in TRUE + FALSE:
        raise ArgumentError(f"{name} is {value!r}; it must be True or False")
    return word in TRUE
