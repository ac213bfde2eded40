"""A classified raster as polygons."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import numpy as np
import shapely

from ..errors import ArgumentsError, CancelledError
from ..raster.files import files_of
from ..raster.gdal_config import block_cache
from .ground import GroundAreas, ground_areas
from .layer import FIELDS, PolygonLayer, check_layer
from .shapes import Shape, find_shapes
from .smoothing import POINTS, Smoother, outlined
from .source import ClassSource

# Takes the pixels that are done and those of the whole raster; an answer of False stops the run.
Progress = Callable[[int, int], Optional[bool]]
MOST_ROUNDS = 100


@dataclass(frozen=True)
class Polygonized:
    """A file of polygons.

    Parameters
    ----------
    path : Path
    counts : dict
        Polygons per class, by name.
    hectares : dict or None
        Their ground area; None without a coordinate system.
    """

    path: Path
    counts: dict[str, int]
    hectares: dict[str, float] | None

    def to_text(self) -> str:
        """The result in a few lines for people."""
        lines = [f"{self.path}: {sum(self.counts.values()):,} polygon(s)"]
        for name, count in self.counts.items():
            area = "" if self.hectares is None else f", {self.hectares[name]:,.2f} ha"
            lines.append(f"  {name}: {count:,}{area}")
        return "\n".join(lines)


def polygonize(
    raster: str | Path,
    out: str | Path,
    *,
    probability: str | Path | None = None,
    background: bool = False,
    connectedness: int = 4,
    minimum_area: float = 0,
    smoothing: int = 0,
    progress: Progress | None = None,
) -> Polygonized:
    """Turn the classes of a raster into polygons.

    Every connected area of one class becomes a multipolygon with the fields ``value``, ``class``,
    ``pixels``, and, where the coordinate system is known, ``area_m2`` and ``area_ha``: the ground
    that its pixels cover on the ellipsoid, whatever the projection does to areas.

    Parameters
    ----------
    raster : path
        Anything GDAL opens: one band of whole numbers. Pixels without data are no polygons.
    out : path
        File to write: ``.gpkg``, ``.geojson``, ``.fgb`` or ``.shp``; replaced if it exists.
    probability : path, optional
        Probabilities on the same pixels, in one band or one per class: their mean becomes the
        field ``mean_prob``.
    background : bool
        Polygons of pixels of no class, too: of the value 0 (unless that is a class) and of what is
        called background.
    connectedness : int
        8: pixels that touch at a corner are one area; 4: at a side only.
    minimum_area : float
        Square metres (pixels, for a raster without coordinate system): smaller areas are left out,
        and holes as small are closed.
    smoothing : int
        Rounds of smoothing, 0 to 100. No outline moves further than half a pixel from the edges
        of pixels, and borders that areas share stay shared.
    progress : callable, optional
        Told how many pixels of how many are done; an answer of False, or an exception, stops the
        run and leaves nothing behind.

    Returns
    -------
    Polygonized

    Raises
    ------
    DlpkError
        Names what is wrong; nothing is left half-written.
    """
    if connectedness not in (4, 8):
        raise ArgumentsError(f"the connectedness is {connectedness!r}; it must be 4 or 8")
    check_choices(minimum_area, smoothing)
    read = [str(raster), *([] if probability is None else [str(probability)])]
    target = check_layer(out, list(files_of(read))).absolute()
    with block_cache():
        source = ClassSource(
            str(raster),
            probability=None if probability is None else str(probability),
            background=background,
        )
        system = source.dataset.GetSpatialRef()
        areas = ground_areas(source.dataset)
        fields = ["value", "class", "pixels"]
        fields += ["area_m2", "area_ha"] if areas else []
        fields += ["mean_prob"] if source.has_probability else []
        smoother = Smoother(source, smoothing)
        done, total = 0, source.width * source.height

        def after_tile(pixels: int) -> None:
            nonlocal done
            done += pixels
            if progress is not None and progress(done, total) is False:
                raise CancelledError(f"stopped; {target} is not written")

        # Polygons and ground of each class; several values may have one name.
        sums: dict[str, tuple[int, float]] = {}
        chosen = [field for field in FIELDS if field[0] in fields]
        with PolygonLayer(target, system, chosen) as layer:
            shapes = find_shapes(source, areas, connectedness=connectedness, after_tile=after_tile)
            large = (shape for shape in shapes if shape.area >= minimum_area)
            for batch in _batches(large):
                outlines = _outlines(batch, smoother, minimum_area, areas)
                for shape, wkb in zip(batch, outlines):
                    layer.add(wkb, _values(shape, source, fields))
                    name = source.name(shape.value)
                    count, ground = sums.get(name, (0, 0.0))
                    sums[name] = count + 1, ground + shape.area
            layer.finish()
    return Polygonized(
        target,
        {name: count for name, (count, _) in sums.items()},
        {name: ground / 1e4 for name, (_, ground) in sums.items()} if areas else None,
    )


def check_choices(minimum_area: float, smoothing: int) -> None:
    """Check choices of `polygonize` before anything is computed.

    Raises
    ------
    ArgumentsError
        One is out of range.
    """
    if not (minimum_area >= 0 and math.isfinite(minimum_area)):
        raise ArgumentsError(f"the minimum area is {minimum_area!r}; it must be a number from 0 on")
    if not 0 <= smoothing <= MOST_ROUNDS:
        raise ArgumentsError(
            f"smoothing is {smoothing!r}; it must be from 0 to {MOST_ROUNDS} rounds"
        )


def _batches(shapes: Iterator[Shape]) -> Iterator[list[Shape]]:
    batch, points = [], 0
    for shape in shapes:
        shape.parts, shape.holes = [shape.joined()], []
        batch.append(shape)
        points += int(shapely.get_num_coordinates(shape.parts[0]))
        if points > POINTS:
            yield batch
            batch, points = [], 0
    if batch:
        yield batch


def _outlines(
    batch: list[Shape],
    smoother: Smoother,
    minimum_area: float,
    areas: GroundAreas | None,
) -> Any:
    """Multipolygons on the map, as WKB."""
    polygons, owners = shapely.get_parts([s.parts[0] for s in batch], return_index=True)

    def hole_area(middles: np.ndarray, pixels: np.ndarray) -> np.ndarray:
        return pixels if areas is None else pixels * areas.at(middles)

    for shape in batch:
        shape.parts = []
    made = outlined(polygons, smoother, minimum_area, hole_area)
    return shapely.to_wkb(shapely.multipolygons(made, indices=owners))


def _values(shape: Shape, source: ClassSource, fields: list[str]) -> list[Any]:
    values = {
        "value": shape.value,
        "class": source.name(shape.value),
        "pixels": shape.pixels,
        "area_m2": shape.area,
        "area_ha": shape.area / 1e4,
        "mean_prob": shape.probability / shape.pixels,
    }
    return [values[name] for name in fields]
