"""Rasters brought onto one grid, read as classes, in blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from osgeo import gdal, osr

from ..errors import TruthError
from ..output.attribute_table import read_names
from ..raster.gdal_files import is_referenced, listening
from ..raster.grid import BlockGrid
from .measures.counts import IGNORED

# Names of what is none of the classes.
NOTHING = ("background", "other", "nothing", "none", "")
Window = tuple[int, int, int, int]  # column, row, width, height


@dataclass(frozen=True)
class Grid:
    """Size and place of a raster.

    Parameters
    ----------
    width, height : int
    transform : tuple of float
        GDAL's six numbers.
    projection : str
        WKT, empty if not known.
    referenced : bool
        Whether it has a place on a map.
    """

    width: int
    height: int
    transform: tuple[float, ...]
    projection: str
    referenced: bool

    @classmethod
    def of(cls, dataset: Any) -> Grid:
        """The grid of a GDAL dataset."""
        return cls(
            dataset.RasterXSize,
            dataset.RasterYSize,
            tuple(dataset.GetGeoTransform()),
            str(dataset.GetProjection() or ""),
            is_referenced(dataset),
        )

    def is_like(self, other: Grid) -> bool:
        """Whether pixels of two grids lie upon each other, to a hundredth of a pixel."""
        if (self.width, self.height) != (other.width, other.height):
            return False
        if not (self.referenced and other.referenced):
            return True  # of the same size, and nothing says otherwise
        size = max(abs(self.transform[1]), abs(self.transform[5]), 1e-12)
        near = np.allclose(self.transform, other.transform, rtol=0, atol=size / 100)
        return near and _same_system(self.projection, other.projection)

    def blocks(self, side: int) -> Iterator[Window]:
        """Squares that cover the grid, row by row; the last of each row and column smaller."""
        grid = BlockGrid(self.width, self.height, side, side, fixed=False)
        return (block[:4] for block in grid.blocks())


def _same_system(first: str, second: str) -> bool:
    if not first or not second or first == second:
        return True
    systems = [osr.SpatialReference(text) for text in (first, second)]
    return bool(systems[0].IsSame(systems[1]))


def on_grid(dataset: Any, grid: Grid, name: str, resampling: str) -> Any:
    """A raster on another grid, resampled while it is read.

    Parameters
    ----------
    dataset : gdal.Dataset
    grid : Grid
    name : str
        What the raster is called in messages.
    resampling : str
        ``near`` for classes, ``bilinear`` for probabilities. Where the grid has much larger
        pixels that is one of the raster's pixels, not a vote of all.

    Raises
    ------
    TruthError
        It has no place on a map that the grid could be found by.
    """
    own = Grid.of(dataset)
    if own.is_like(grid):
        return dataset
    if not (own.referenced and grid.referenced):
        raise TruthError(
            f"{name} has {own.width} by {own.height} pixels and is compared with "
            f"{grid.width} by {grid.height}: without a place on the map both need the same size"
        )
    t = grid.transform
    if t[2] or t[4]:
        raise TruthError(f"{name} is compared on a rotated grid: warp the other one first")
    right, bottom = t[0] + grid.width * t[1], t[3] + grid.height * t[5]
    options: dict[str, Any] = {"srcSRS": grid.projection} if not own.projection else {}
    try:
        with listening():
            made = gdal.Warp(
                "",
                dataset,
                format="VRT",
                outputBounds=(t[0], bottom, right, t[3]),
                width=grid.width,
                height=grid.height,
                dstSRS=grid.projection or own.projection,
                resampleAlg=resampling,
                dstAlpha=dataset.GetRasterBand(1).GetNoDataValue() is None,
                **options,
            )
    except RuntimeError as error:
        raise TruthError(f"{name} cannot be brought onto the other grid: {error}") from error
    return made


def stretched(dataset: Any, grid: Grid, name: str, resampling: str) -> Any:
    """A raster of the same extent in as many pixels as a grid has, resampled while it is read."""
    if (dataset.RasterXSize, dataset.RasterYSize) == (grid.width, grid.height):
        return dataset
    options = {"format": "VRT", "width": grid.width, "height": grid.height}
    return gdal.Translate("", dataset, resampleAlg=resampling, **options)


def class_names(dataset: Any) -> dict[int, str]:
    """Names that a raster itself gives its values; none for what is no class."""
    return {
        value: name for value, name in read_names(dataset).items() if name.casefold() not in NOTHING
    }


@dataclass(frozen=True)
class ClassRaster:
    """A band of values read as classes: 0 background, 1, 2, …, 255 not known.

    Parameters
    ----------
    dataset : gdal.Dataset
    values : mapping
        Pixel value to class; other values are background.
    about : mapping
        How the classes were told from each other, for reports.
    """

    dataset: Any
    values: Mapping[int, int]
    about: Mapping[str, str] = field(default_factory=dict)

    def read(self, window: Window) -> np.ndarray:
        """Classes of a window, uint8, shape (rows, columns)."""
        band = self.dataset.GetRasterBand(1)
        pixels = band.ReadAsArray(*window)
        if pixels.dtype == np.uint8:
            table = np.zeros(256, np.uint8)
            for value, number in self.values.items():
                if 0 <= value < 256:
                    table[value] = number
            classes = table[pixels]
        else:
            classes = np.zeros(pixels.shape, np.uint8)
            for value, number in self.values.items():
                classes[pixels == value] = number
        if not band.GetMaskFlags() & gdal.GMF_ALL_VALID:
            classes[band.GetMaskBand().ReadAsArray(*window) == 0] = IGNORED
        return np.asarray(classes)


def values_of(dataset: Any) -> list[int]:
    """Every value of a band but NoData, in order; reads all of it."""
    grid, band = Grid.of(dataset), dataset.GetRasterBand(1)
    found: set[int] = set()
    for window in grid.blocks(1024):
        pixels = band.ReadAsArray(*window)
        mask = band.GetMaskBand().ReadAsArray(*window) > 0
        found.update(int(value) for value in np.unique(pixels[mask]))
        if len(found) > 256:
            break
    return sorted(found)
