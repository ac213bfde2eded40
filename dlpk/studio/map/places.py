"""Places in other coordinate systems as pixels of a raster."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from osgeo import gdal, osr

from ...errors import DlpkError
from ...raster.dataset import Raster
from .pyramid import TILE, Tile

WORLD = 20037508.342789244  # half a side of Web Mercator's square, in metres


class PlaceError(DlpkError):
    """A raster cannot be laid on a map."""


def transformed(points: np.ndarray, source: Any, target: Any) -> np.ndarray:
    """Bring points from one coordinate system into another.

    Parameters
    ----------
    points : ndarray
        Shape (points, 2): x (or longitude) and y.
    source, target : osr.SpatialReference

    Returns
    -------
    ndarray
        The same shape; NaN for what the target does not reach.

    Raises
    ------
    PlaceError
        There is no way from one to the other.
    """
    options = ["SRC_METHOD=NO_GEOTRANSFORM", "DST_METHOD=NO_GEOTRANSFORM"]
    for name, system in (("SRC", source), ("DST", target)):
        options.append(f"{name}_SRS={system.ExportToWkt(['FORMAT=WKT2_2018'])}")
    # What is out of reach it says on standard error, too, time and again.
    gdal.PushErrorHandler("CPLQuietErrorHandler")
    try:
        change = gdal.Transformer(None, None, options)
        placed, reached = change.TransformPoints(0, [(x, y, 0.0) for x, y in points.tolist()])
    except RuntimeError as error:
        raise PlaceError(f"coordinates cannot be transformed: {error}") from error
    finally:
        gdal.PopErrorHandler()
    found = np.array(placed, np.float64).reshape(-1, 3)[:, :2]
    found[(np.array(reached) == 0) | ~np.isfinite(found).all(axis=1)] = np.nan
    return found


def pixels_of(raster: Raster, points: np.ndarray) -> np.ndarray:
    """Map coordinates as columns and rows, shape (points, 2)."""
    t = raster.transform
    inverse = np.linalg.inv(np.array([[t[1], t[2]], [t[4], t[5]]]))
    return np.asarray((points - (t[0], t[3])) @ inverse.T)


class Places(NamedTuple):
    """Which pixel of the raster each pixel of a Web Mercator tile shows.

    Parameters
    ----------
    level : int
        The level of the pyramid to take them from.
    rows, columns : ndarray
        int, shape (256, 256).
    inside : ndarray
        bool, the same shape: whether there is such a pixel.
    """

    level: int
    rows: np.ndarray
    columns: np.ndarray
    inside: np.ndarray

    def tiles(self) -> list[tuple[Tile, np.ndarray]]:
        """Tiles of the raster that are needed, and which pixels each gives."""
        side = TILE << self.level
        down, across = self.rows // side, self.columns // side
        pairs = np.unique(np.stack([down[self.inside], across[self.inside]], axis=1), axis=0)
        return [
            (
                Tile(self.level, int(column), int(row)),
                self.inside & (down == row) & (across == column),
            )
            for row, column in pairs
        ]


def places_of(raster: Raster, z: int, x: int, y: int, most: int) -> Places | None:
    """Where the pixels of a Web Mercator tile lie in a raster.

    Parameters
    ----------
    most : int
        The highest level that there is.

    Returns
    -------
    Places or None
        None where the tile misses the raster, or shows too much of it at once.

    Raises
    ------
    PlaceError
        The raster has no coordinate system.
    """
    system = raster.dataset.GetSpatialRef()
    if system is None or not raster.is_referenced:
        raise PlaceError(f"{raster.path} has no coordinate system: it cannot be laid on a map")
    size = 2 * WORLD / (1 << z)
    centres = (np.arange(TILE) + 0.5) / TILE
    east, south = np.meshgrid(-WORLD + (x + centres) * size, WORLD - (y + centres) * size)
    mercator = osr.SpatialReference()
    mercator.ImportFromEPSG(3857)
    points = transformed(np.stack([east.ravel(), south.ravel()], axis=1), mercator, system)
    found = pixels_of(raster, points)
    found = np.where(np.isfinite(found), found, -1.0).clip(-1, 2**31)
    columns, rows = (np.floor(found[:, axis]).astype(int).reshape(TILE, TILE) for axis in (0, 1))
    inside = (columns >= 0) & (columns < raster.width) & (rows >= 0) & (rows < raster.height)
    if not inside.any():
        return None
    spread = max(
        float(np.abs(np.diff(side.astype(float), axis=axis)[_both(inside, axis)]).max(initial=0))
        for side, axis in ((columns, 1), (rows, 0), (columns, 0), (rows, 1))
    )
    level = max(0, math.floor(math.log2(max(spread, 1.0))))
    if level > most + 1:
        return None
    return Places(min(level, most), rows, columns, inside)


def _both(inside: np.ndarray, axis: int) -> np.ndarray:
    """Where a pixel and the next one lie inside."""
    if axis == 0:
        return np.asarray(inside[1:] & inside[:-1])
    return np.asarray(inside[:, 1:] & inside[:, :-1])
