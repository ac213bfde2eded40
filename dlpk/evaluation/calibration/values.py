"""What a package says at labelled pixels: computed once, for all thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal

from builder.scratch import scratch_folder

from ...classification.model import Model
from ...errors import TruthError
from ...raster.gdal_config import block_cache
from ...raster.gdal_files import open_raster
from ..grids import ClassRaster, Grid, on_grid, stretched
from ..labels import OUTSIDE, open_truth
from ..measures.counts import IGNORED
from .search import LEVELS, Pixels

# Labelled pixels that are looked at, drawn evenly from all.
MOST_PIXELS = 250_000
# Blocks along each side of a raster, where there are too few rasters to hold some of them out.
BLOCKS = 6
FEWEST_SCENES = 4
READ = 1024


@dataclass(frozen=True)
class Scene:
    """A raster with labels.

    Parameters
    ----------
    image, truth : path
    group : str
        Scenes of one group, neighbours for example, are held out together.
    cell_size : float, optional
        To look at this raster at.
    """

    image: str | Path
    truth: str | Path
    group: str = ""
    cell_size: float | None = None


@dataclass(frozen=True)
class Labels:
    """How labels are read.

    Parameters
    ----------
    field, outside
        See `dlpk.evaluation.labels.open_truth`.
    classes : mapping, optional
        Class name to its value in label rasters.
    """

    field: str | None = None
    outside: str = OUTSIDE[0]
    classes: Mapping[str, int] | None = None


def read_pixels(
    package: Any,
    scenes: Sequence[Scene],
    labels: Labels,
    *,
    competitors: int = 0,
    cell_size: float | None = None,
    device: str = "auto",
    **options: Any,
) -> tuple[Pixels, tuple[str, ...]]:
    """Run a package over scenes and keep what it says at labelled pixels.

    Parameters
    ----------
    package : path or Package
    scenes : sequence of Scene
    labels : Labels
    competitors : int
        How many of the last bands are no classes.
    cell_size : float, optional
        To look at the rasters at; labels are compared at the rasters' own.
    device : str
        ``auto``, ``cpu`` or ``cuda:N``.
    **options
        Of `dlpk.Model.classify`.

    Returns
    -------
    pixels : Pixels
    names : tuple of str
        Of the classes.

    Raises
    ------
    TruthError
        The labels do not fit the scenes or the classes.
    """
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    names: tuple[str, ...] = ()
    groups = _groups(scenes)
    with scratch_folder() as home, Model(package, device=device) as model:
        for number, scene in enumerate(scenes):
            folder = home / str(number)
            folder.mkdir()
            out = folder / "values.tif"
            size = scene.cell_size if cell_size is None else cell_size
            model.classify(scene.image, out, cell_size=size, **options)
            with block_cache():
                values = open_raster(str(out))
                bands = [values.GetRasterBand(i + 1) for i in range(values.RasterCount)]
                named = tuple(str(band.GetDescription()) for band in bands)
                if not all(named):
                    raise TruthError(f"the package {package} does not name its probabilities")
                names = named[: len(named) - competitors]
                grid = Grid.of(open_raster(str(scene.image)))
                place = on_grid if grid.referenced else stretched
                aligned = place(values, grid, str(out), "bilinear")
                truth = open_truth(
                    scene.truth,
                    grid,
                    names,
                    folder,
                    field=labels.field,
                    outside=labels.outside,
                    values=_values(labels, names),
                )
                found = _labelled(aligned, truth, grid, MOST_PIXELS // len(scenes))
            own = found[2] if groups is None else np.full(len(found[1]), groups[number])
            parts.append((found[0], found[1], own + (number * BLOCKS**2 if groups is None else 0)))
            del values, bands, aligned, truth
    columns = [np.concatenate(column, axis=-1) for column in zip(*parts)]
    if not columns[1].size:
        raise TruthError("no pixel of the rasters is labelled")
    return Pixels(columns[0], columns[1], columns[2], len(names)), names


def _groups(scenes: Sequence[Scene]) -> list[int] | None:
    """Number of each scene's group; None where blocks of the scenes are to be held out."""
    names = [scene.group or str(scene.image) for scene in scenes]
    known = list(dict.fromkeys(names))
    return [known.index(name) for name in names] if len(known) >= FEWEST_SCENES else None


def _values(labels: Labels, names: Sequence[str]) -> dict[int, int] | None:
    if labels.classes is None:
        return None
    known = {name.casefold(): value for name, value in labels.classes.items()}
    found = {
        known[name.casefold()]: number
        for number, name in enumerate(names, 1)
        if name.casefold() in known
    }
    if not found:
        raise TruthError(
            f"none of the classes {', '.join(names)} is among those of the labels: "
            f"{', '.join(labels.classes)}; give a class that name, as in 'building = roof|house'"
        )
    return found


def _labelled(
    aligned: Any, truth: ClassRaster, grid: Grid, most: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values, classes and blocks of at most so many labelled pixels."""
    total = sum(int((truth.read(window) != IGNORED).sum()) for window in grid.blocks(READ))
    generator = np.random.default_rng(0)
    share = min(1.0, most / max(total, 1))
    parts = []
    for column, row, width, height in grid.blocks(READ):
        window = (column, row, width, height)
        classes = truth.read(window)
        chosen = (classes != IGNORED) & (generator.random(classes.shape) < share)
        if not chosen.any():
            continue
        stack = []
        for number in range(1, aligned.RasterCount + 1):
            band = aligned.GetRasterBand(number)
            if band.GetColorInterpretation() == gdal.GCI_AlphaBand:
                continue
            chosen &= band.GetMaskBand().ReadAsArray(*window) > 0
            stack.append(band.ReadAsArray(*window))
        values = np.round(np.clip(np.nan_to_num(np.stack(stack)), 0, 1) * LEVELS).astype(np.uint8)
        rows, columns = np.nonzero(chosen)
        blocks = (rows + row) * BLOCKS // grid.height * BLOCKS
        blocks += (columns + column) * BLOCKS // grid.width
        parts.append((values[:, rows, columns], classes[rows, columns], blocks))
    if not parts:
        count = aligned.RasterCount
        return np.zeros((count, 0), np.uint8), np.zeros(0, np.uint8), np.zeros(0, np.int64)
    found = tuple(np.concatenate(column, axis=-1) for column in zip(*parts))
    return found[0], found[1], found[2]
