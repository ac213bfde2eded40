"""Polygons of what a run has written."""

from __future__ import annotations

import re
from pathlib import Path

from ...errors import ArgumentsError
from ...polygons.polygonize import check_choices, polygonize
from ..runs import RESULT, Runs, UnknownRunError

# Files of one run that are kept.
MOST_FILES = 4
FORMATS = ("gpkg", "geojson", "fgb")
NAME = re.compile(rf"polygons[\w.+-]*\.({'|'.join(FORMATS)})", re.ASCII)


def make_polygons(
    runs: Runs,
    run: str,
    kind: str,
    *,
    minimum_area: float,
    smoothing: int,
    probability: str | None,
) -> str:
    """Make polygons of a run's classes, unless they are there; see `dlpk.polygonize`.

    Parameters
    ----------
    run : str
        Its name.
    kind : str
        One of `FORMATS`.
    probability : str, optional
        Name of a run of the same prompts over the same raster that has written probabilities.

    Returns
    -------
    str
        Name of the file, for `polygons_file`.

    Raises
    ------
    DlpkError
        A run is not there, or has not finished, or an option is out of range.
    """
    if kind not in FORMATS:
        raise ArgumentsError(f"polygons come as {', '.join(FORMATS)}, not as {kind!r}")
    check_choices(minimum_area, smoothing)
    result = runs.file(run, RESULT)
    chances = None if probability is None else runs.file(probability, RESULT)
    name = f"polygons-{smoothing}-{minimum_area:g}{'' if chances is None else '-p'}.{kind}"
    if not (result.parent / name).exists():
        _forget(result.parent)
        polygonize(
            result,
            result.parent / name,
            probability=chances,
            minimum_area=minimum_area,
            smoothing=smoothing,
        )
    return name


def _forget(folder: Path) -> None:
    """Remove the oldest files, so that there is room for one more."""
    made = [path for path in folder.iterdir() if NAME.fullmatch(path.name)]
    made.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for old in made[MOST_FILES - 1 :]:
        old.unlink(missing_ok=True)


def polygons_file(runs: Runs, run: str, name: str) -> Path:
    """A file that `make_polygons` has made.

    Raises
    ------
    UnknownRunError
        There is none.
    """
    path = runs.get(run).folder / name
    if not NAME.fullmatch(name) or not path.is_file():
        raise UnknownRunError(f"the run has no polygons {name[:40]!r}")
    return path
