"""Choices where ArcGIS's behaviour is not documented; `docs/fidelity.md` explains them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from schemas.suggest import did_you_mean

from ..errors import ArgumentsError

CHOICES: dict[str, tuple[str, ...]] = {
    "stretch": ("percent-clip", "minmax", "none"),
    "resampling": ("bilinear", "nearest", "cubic", "average"),
    "arguments_as": ("text", "typed"),
    "edge_blocks": ("part", "whole"),
}


@dataclass(frozen=True)
class Settings:
    """Choices that change a result.

    Parameters
    ----------
    stretch : str
        How pixels reach the ``dataRange`` that a function asks for: ``percent-clip`` (half a
        percent of the pixels beyond each end), ``minmax`` or ``none``.
    resampling : str
        How pixels are resampled to a cell size and in mosaics: ``bilinear``, ``nearest``,
        ``cubic`` or ``average``.
    arguments_as : str
        ``text``: every argument arrives as text, as from the table in the tool's dialog, untouched
        defaults too. ``typed``: everything as written.
    edge_blocks : str
        At the right and bottom edge, for functions that do not say ``fixedTileSize``: ``part`` of
        a block, or a ``whole`` one that reaches beyond the raster.

    Raises
    ------
    ArgumentsError
        A value is not among the choices.
    """

    stretch: str = "percent-clip"
    resampling: str = "bilinear"
    arguments_as: str = "text"
    edge_blocks: str = "part"

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                hint = did_you_mean(str(value), choices)
                raise ArgumentsError(
                    f"the setting {name} is {value!r}{hint}; it must be one of {', '.join(choices)}"
                )

    def changed(self) -> dict[str, Any]:
        """The settings that differ from the defaults."""
        usual = asdict(Settings())
        return {name: value for name, value in asdict(self).items() if value != usual[name]}


def parse_settings(texts: Mapping[str, str]) -> Settings:
    """Read settings from text.

    Raises
    ------
    ArgumentsError
        A name is unknown (the nearest is suggested), or a value is not among the choices.
    """
    values = {name.replace("-", "_"): text.strip() for name, text in texts.items()}
    for name in values:
        if name not in CHOICES:
            hint = did_you_mean(name, CHOICES)
            raise ArgumentsError(f"there is no setting {name!r}{hint}: {', '.join(CHOICES)}")
    return Settings(**values)
