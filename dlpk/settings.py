"""Where ArcGIS's behaviour is not documented, a choice with a name.

`docs/fidelity.md` says for each what is documented, what is inferred and why the default is what
it is.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from .errors import ArgumentsError

CHOICES: dict[str, tuple[str, ...]] = {
    "stretch": ("percent-clip", "minmax", "none"),
    "block_order": ("rows", "columns", "shuffled"),
    "beyond_edge": ("zero", "nodata", "nearest", "reflect"),
    "corner_units": ("map", "pixels"),
    "arguments_as": ("text", "typed", "server"),
    "single_band": ("3-d", "2-d"),
}


@dataclass(frozen=True)
class Settings:
    """Choices that the harness makes in ArcGIS's place.

    Parameters
    ----------
    stretch : str
        How pixels reach the ``dataRange`` that a function asks for: ``percent-clip`` (half a
        percent of the pixels beyond each end), ``minmax`` or ``none``.
    block_order : str
        ``rows`` from the top left, ``columns``, or ``shuffled`` with a fixed seed.
    beyond_edge : str
        What blocks hold beyond the raster: ``zero``, ``nodata`` (the raster's NoData value),
        ``nearest`` or ``reflect``. The mask is 0 there in any case.
    corner_units : str
        Whether ``tlc`` is in ``map`` units or ``pixels``.
    arguments_as : str
        ``text``: what the user gives arrives as text, untouched defaults as the function wrote
        them. ``typed``: everything as written. ``server``: everything goes through ArcGIS
        Server's line ``name value;name value``, which cuts values at spaces and semicolons.
    single_band : str
        Whether a single band is delivered with (``3-d``) or without (``2-d``) its band axis.
    default_block : int
        Side in pixels of blocks when a function gives no ``tx`` and ``ty``.
    """

    stretch: str = "percent-clip"
    block_order: str = "rows"
    beyond_edge: str = "zero"
    corner_units: str = "map"
    arguments_as: str = "text"
    single_band: str = "3-d"
    default_block: int = 512

    def __post_init__(self) -> None:
        """Check every choice.

        Raises
        ------
        ArgumentsError
            A value is not among the choices.
        """
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                raise ArgumentsError(
                    f"the setting {name} is {value!r}; it must be one of {', '.join(choices)}"
                )
        if not 1 <= self.default_block <= 1 << 15:
            raise ArgumentsError(
                f"the setting default_block is {self.default_block}; it must be from 1 to {1 << 15}"
            )


def parse_settings(given: Mapping[str, str]) -> Settings:
    """Read settings from text.

    Raises
    ------
    ArgumentsError
        A name is unknown (the nearest is suggested), or a value is not among the choices.
    """
    names = [field.name for field in fields(Settings)]
    values: dict[str, str | int] = {}
    for name, value in given.items():
        plain = name.replace("-", "_")
        if plain not in names:
            near = difflib.get_close_matches(plain, names, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ArgumentsError(f"there is no setting {name!r}{hint}: {', '.join(names)}")
        if plain == "default_block":
            if not value.strip().isdigit():
                raise ArgumentsError(f"the setting default_block is {value!r}: not a whole number")
            values[plain] = int(value)
        else:
            values[plain] = value
    return replace(Settings(), **values)  # type: ignore[arg-type]
