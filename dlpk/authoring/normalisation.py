"""What the network sees of a pixel's value: in the EMD a mean and a deviation per band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import AuthoringError
from .original import Original

EIGHT_BIT = (0.0, 255.0)


@dataclass(frozen=True)
class Normalisation:
    """Numbers in the units of pixels; the network sees (value - mean) / std."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    data_range: tuple[float, float] | None
    """What ArcGIS stretches a raster's values to first."""
    assumed: bool = False
    """Nobody has said it."""


def choose(
    original: Original,
    bands: int,
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    scale: float | None = None,
    ranges: Sequence[Sequence[float]] | None = None,
    data_range: Sequence[float] | None = None,
) -> Normalisation:
    """Find out how values were normalised when the model was trained.

    Parameters
    ----------
    original : Original
    bands : int
    mean, std : sequence of float, optional
        Per band, or one for all, after division by `scale`; by default the model's own.
    scale : float, optional
        What values are divided by first; 255 by default.
    ranges : sequence of (float, float), optional
        Lowest and highest value per band, or for all, that become 0 and 1; instead of the others.
    data_range : (float, float), optional
        What ArcGIS is to stretch rasters to; (0, 255) by default where values are divided by 255,
        else nothing.

    Raises
    ------
    AuthoringError
        Numbers are missing or impossible.
    """
    if ranges is not None:
        if not (mean is None and std is None and scale is None):
            raise AuthoringError("say either ranges, or mean, std and scale")
        pairs = _per_band("ranges", [tuple(pair) for pair in ranges], bands)
        if any(len(pair) != 2 or not pair[0] < pair[1] for pair in pairs):
            raise AuthoringError("ranges are pairs of the lowest and the highest value: 0:3000")
        low = tuple(float(pair[0]) for pair in pairs)
        spans = tuple(float(pair[1]) - float(pair[0]) for pair in pairs)
        return Normalisation(low, spans, _pair(data_range))
    assumed = all(value is None for value in (mean, std, scale, original.mean, original.std))
    factor = 255.0 if scale is None else float(scale)
    if not factor > 0:
        raise AuthoringError(f"scale is {factor:g}; it must be above 0")
    means = _per_band("mean", mean if mean is not None else original.mean or [0.0], bands)
    stds = _per_band("std", std if std is not None else original.std or [1.0], bands)
    if not all(value > 0 for value in stds):
        raise AuthoringError(f"std is {list(stds)}; every number must be above 0")
    if data_range is None and factor == EIGHT_BIT[1]:
        data_range = EIGHT_BIT
    return Normalisation(
        tuple(round(value * factor, 6) for value in means),
        tuple(round(value * factor, 6) for value in stds),
        _pair(data_range),
        assumed,
    )


def _per_band(name: str, values: Sequence[object], bands: int) -> tuple:  # type: ignore[type-arg]
    if len(values) not in (1, bands):
        raise AuthoringError(f"{name} has {len(values)} entries for {bands} bands: give {bands}")
    return tuple(values) * (bands if len(values) == 1 else 1)


def _pair(values: Sequence[float] | None) -> tuple[float, float] | None:
    if values is None:
        return None
    if len(values) != 2 or not values[0] < values[1]:
        raise AuthoringError("the data range is a lowest and a highest value: 0,255")
    return float(values[0]), float(values[1])
