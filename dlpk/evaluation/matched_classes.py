"""Which values of a result and of its truth are which classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from osgeo import gdal

from ..errors import TruthError
from .grids import class_names, values_of
from .labels import label_names
from .measures.counts import MOST_CLASSES


def match_classes(
    prediction: str | Path,
    predicted: Any,
    truth: str | Path,
    labels: Any,
    given: Mapping[str, tuple[int, int]] | None,
    field: str | None,
) -> tuple[tuple[str, ...], dict[int, int], dict[int, int] | None]:
    """Names of the classes; prediction value (or band) to class; truth value to class.

    Parameters
    ----------
    prediction, truth : path
    predicted, labels : gdal.Dataset
        What these hold.
    given, field
        As `dlpk.evaluation.rasters.Options` has them.

    Raises
    ------
    TruthError
        It cannot be told which values are which classes.
    """
    if pairs := given:
        _check_legend(prediction, predicted, {name: ours for name, (ours, _) in pairs.items()})
        if labels.RasterCount:
            _check_legend(truth, labels, {name: theirs for name, (_, theirs) in pairs.items()})
        return (
            tuple(pairs),
            {ours: number for number, (ours, _) in enumerate(pairs.values(), 1)},
            {theirs: number for number, (_, theirs) in enumerate(pairs.values(), 1)},
        )
    if predicted.GetRasterBand(1).DataType in (gdal.GDT_Float32, gdal.GDT_Float64):
        bands = range(1, predicted.RasterCount + 1)
        ours = {i: str(predicted.GetRasterBand(i).GetDescription()) for i in bands}
        if not all(ours.values()):
            raise TruthError(f"{prediction} does not name the classes of its bands")
    else:
        ours = class_names(predicted)
    if ours:
        names = tuple(ours.values())
        numbers = {value: number for number, value in enumerate(ours, 1)}
        theirs_named = label_names(truth, field)
        known = {name.casefold() for name in names}
        more = [name for name in theirs_named if name.casefold() not in known]
        if labels.RasterCount and not theirs_named:
            return names, numbers, numbers if predicted.RasterCount == 1 else None
        if more and len(more) < len(theirs_named):
            # Classes that were not looked for are background; see `open_truth` for polygons.
            return names, numbers, _by_name(labels, names)
        return names, numbers, None
    theirs = class_names(labels) if labels.RasterCount else {}
    if theirs:
        numbers = {value: number for number, value in enumerate(theirs, 1)}
        return tuple(theirs.values()), numbers, numbers
    if not labels.RasterCount:
        raise TruthError(
            f"{prediction} does not name its classes, and {truth} has names: say which value is "
            "which with --classes water=1,road=2"
        )
    values = sorted({*values_of(predicted), *values_of(labels)} - {0})
    if not 0 < len(values) <= MOST_CLASSES:
        raise TruthError(
            f"{prediction} and {truth} hold {len(values)} values: say which are classes with "
            "--classes water=1,road=2"
        )
    numbers = {value: number for number, value in enumerate(values, 1)}
    return tuple(f"class {value}" for value in values), numbers, numbers


def _check_legend(path: str | Path, source: Any, given: Mapping[str, int]) -> None:
    """Refuse values under the names that a legend gives to others."""
    legend = {name.casefold(): value for value, name in class_names(source).items()}
    for name, value in given.items():
        known = legend.get(name.casefold(), value)
        if known != value:
            raise TruthError(f"--classes says {name}={value}, and in {path} {name} is {known}")


def _by_name(labels: Any, names: Sequence[str]) -> dict[int, int] | None:
    if not labels.RasterCount:
        return None
    known = {name.casefold(): number for number, name in enumerate(names, 1)}
    return {
        value: known[name.casefold()]
        for value, name in class_names(labels).items()
        if name.casefold() in known
    }
