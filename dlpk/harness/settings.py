"""Where ArcGIS's behaviour is not documented, a choice with a name.

`docs/fidelity.md` says for each what is documented, what is inferred and why the default is what
it is.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from ..errors import ArgumentsError

CHOICES: dict[str, tuple[str, ...]] = {
    "stretch": ("percent-clip", "minmax", "none"),
    "statistics": ("estimated", "file"),
    "block_order": ("rows", "columns", "shuffled"),
    "beyond_edge": ("zero", "nodata", "nearest", "reflect"),
    "corner_units": ("map", "pixels"),
    "arguments_as": ("text", "mixed", "typed", "server"),
    "initialize_with": ("model", "arguments"),
    "phases": ("separate", "shared"),
    "search_path": ("folder", "bare"),
    "single_band": ("3-d", "2-d"),
    "output_shape": ("2-d", "3-d"),
    "resampling": ("bilinear", "nearest", "cubic", "average"),
    "valid_pixels": ("any-band", "all-bands"),
    "nodata": ("free", "declared"),
    "empty_blocks": ("skip", "ask"),
}
RANGES: dict[str, tuple[int, int]] = {"default_block": (1, 1 << 15), "workers": (1, 64)}


@dataclass(frozen=True)
class Settings:
    """Choices that the harness makes in ArcGIS's place.

    Parameters
    ----------
    stretch : str
        How pixels reach the ``dataRange`` that a function asks for: ``percent-clip`` (half a
        percent of the pixels beyond each end), ``minmax`` or ``none``.
    statistics : str
        What ``<raster>_info`` says of statistics: those in the ``file``, or ``estimated`` ones
        where the file has none.
    block_order : str
        ``rows`` from the top left, ``columns``, or ``shuffled`` with a fixed seed.
    beyond_edge : str
        What blocks hold beyond the raster: ``zero``, ``nodata`` (the raster's NoData value),
        ``nearest`` or ``reflect``. The mask is 0 there in any case.
    corner_units : str
        Whether ``tlc`` is in ``map`` units or ``pixels``.
    arguments_as : str
        ``text``: every argument arrives as text, as from the table in the tool's dialog, untouched
        defaults too. ``mixed``: what the user gives as text, untouched defaults as the function
        wrote them. ``typed``: everything as written. ``server``: everything goes through ArcGIS
        Server's line ``name value;name value``, which cuts values at spaces and semicolons.
    initialize_with : str
        Whether ``initialize`` gets the ``model`` (and device) alone or the ``arguments`` too.
    phases : str
        Whether the dialog's phase and the run have an object each (``separate``) or one object
        goes through both (``shared``).
    search_path : str
        Whether modules beside the function are found although it does not add its folder to
        ``sys.path``: ``folder`` (after all others, with a warning) or ``bare`` (not at all).
    single_band : str
        Whether a single band is delivered with (``3-d``) or without (``2-d``) its band axis.
    output_shape : str
        Whether ``shape`` of a single output band is (rows, columns), ``2-d``, or (1, rows,
        columns), ``3-d``. Functions may return either.
    resampling : str
        How pixels are resampled to a cell size and in mosaics: ``bilinear``, ``nearest``,
        ``cubic`` or ``average``.
    valid_pixels : str
        Where a function returns no mask, a pixel of the result is valid if ``any-band`` of the
        input is valid there, or only if ``all-bands`` are.
    nodata : str
        The NoData value of the result: ``free`` takes the declared one unless a class has it,
        ``declared`` takes it in any case, so that a class may become NoData.
    empty_blocks : str
        Blocks that hold no data at all: ``skip`` makes them NoData without calling the function,
        where the result has a NoData value; ``ask`` calls it as for any other.
    default_block : int
        Side in pixels of blocks when a function gives no ``tx`` and ``ty``.
    workers : int
        Objects of the function that the blocks are dealt to in turn.
    """

    stretch: str = "percent-clip"
    statistics: str = "estimated"
    block_order: str = "rows"
    beyond_edge: str = "zero"
    corner_units: str = "map"
    arguments_as: str = "text"
    initialize_with: str = "model"
    phases: str = "separate"
    search_path: str = "folder"
    single_band: str = "3-d"
    output_shape: str = "2-d"
    resampling: str = "bilinear"
    valid_pixels: str = "any-band"
    nodata: str = "free"
    empty_blocks: str = "skip"
    default_block: int = 512
    workers: int = 1

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
                near = difflib.get_close_matches(str(value), choices, n=1)
                hint = f" (did you mean {near[0]!r}?)" if near else ""
                raise ArgumentsError(
                    f"the setting {name} is {value!r}{hint}; it must be one of {', '.join(choices)}"
                )
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ArgumentsError(
                    f"the setting {name} is {value}; it must be from {low} to {high}"
                )

    def changed(self) -> dict[str, Any]:
        """The settings that differ from the defaults."""
        usual = asdict(Settings())
        return {name: value for name, value in asdict(self).items() if value != usual[name]}


def parse_settings(given: Mapping[str, str]) -> Settings:
    """Read settings from text.

    Raises
    ------
    ArgumentsError
        A name is unknown (the nearest is suggested), or a value is not among the choices.
    """
    names = [field.name for field in fields(Settings)]
    values: dict[str, str | int] = {}
    for name, text in given.items():
        plain, value = name.replace("-", "_"), text.strip()
        if plain not in names:
            near = difflib.get_close_matches(plain, names, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ArgumentsError(f"there is no setting {name!r}{hint}: {', '.join(names)}")
        if plain not in RANGES:
            values[plain] = value
        elif value.isascii() and value.isdigit() and len(value) < 10:
            values[plain] = int(value)
        else:
            raise ArgumentsError(f"the setting {plain} is {text!r}: not a whole number")
    return replace(Settings(), **values)  # type: ignore[arg-type]
