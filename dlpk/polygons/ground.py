"""How much ground a pixel covers, on the ellipsoid."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from osgeo import osr

from ..raster.extent import apply_transform
from ..raster.gdal_files import is_referenced

# Pixels between the places where the area is computed; between them it is interpolated.
MOST_STEP = 32
# Metres between them at most: the earth curves.
LONGEST_STEP = 100_000


class GroundAreas:
    """Areas of a raster's pixels in square metres of ground.

    A projection stretches areas, Web Mercator by four at 60 degrees; so the sides of pixels are
    measured along the ellipsoid.

    Parameters
    ----------
    dataset : gdal.Dataset
        Has to have a coordinate system that is one of a planet's.
    """

    def __init__(self, dataset: Any) -> None:
        t = self._transform = dataset.GetGeoTransform()
        system = dataset.GetSpatialRef().Clone()
        degrees = system.CloneGeogCS()
        for each in (system, degrees):
            each.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
        self._to_degrees = osr.CoordinateTransformation(system, degrees)
        self._radians = degrees.GetAngularUnits()
        self._major = degrees.GetSemiMajor()
        flattening = 1 / degrees.GetInvFlattening() if degrees.GetInvFlattening() else 0.0
        self._squared = flattening * (2 - flattening)  # of the eccentricity
        # What pixels have that lie beyond the edge of the planet.
        self._planar = abs(t[1] * t[5] - t[2] * t[4]) * system.GetLinearUnits() ** 2
        middle = self.at(np.array([[dataset.RasterXSize / 2, dataset.RasterYSize / 2]]))[0]
        self._step = int(np.clip(LONGEST_STEP / max(math.sqrt(middle), 1e-6), 1, MOST_STEP))

    def _placed(self, places: np.ndarray) -> np.ndarray:
        """Longitude and latitude in radians; NaN beyond the edge of the planet."""
        points = np.stack(apply_transform(self._transform, *places.T), axis=1).tolist()
        try:
            found = self._to_degrees.TransformPoints(points)
        except RuntimeError:
            found = [self._one(point) for point in points]
        placed: np.ndarray = np.array(found)[:, :2] * self._radians
        placed[~np.isfinite(placed).all(axis=1)] = np.nan
        return placed

    def _one(self, point: list[float]) -> tuple[float, ...]:
        try:
            return tuple(self._to_degrees.TransformPoint(*point))
        except RuntimeError:
            return (math.nan,) * 3

    def at(self, places: np.ndarray) -> np.ndarray:
        """Area of the pixels whose middles are given.

        Parameters
        ----------
        places : ndarray
            Column and row, shape (n, 2).
        """
        shifts = ((0.0, 0.0), (-0.5, 0.0), (0.5, 0.0), (0.0, -0.5), (0.0, 0.5))
        around = self._placed(np.concatenate([places + shift for shift in shifts]))
        middle, left, right, top, bottom = around.reshape(5, -1, 2)
        latitude = middle[:, 1]
        curved = 1 - self._squared * np.sin(latitude) ** 2
        north = self._major * (1 - self._squared) / curved**1.5
        east = self._major / np.sqrt(curved) * np.cos(latitude)
        across, along = right - left, bottom - top
        for side in (across, along):  # the shorter way around
            side[:, 0] = (side[:, 0] + math.pi) % (2 * math.pi) - math.pi
        found = np.abs(across[:, 0] * along[:, 1] - across[:, 1] * along[:, 0]) * north * east
        return np.asarray(np.where(np.isfinite(found), found, self._planar))

    def of(self, column: int, row: int, width: int, height: int) -> np.ndarray:
        """Area of every pixel of a window, shape (height, width)."""
        across, along = self._nodes(width), self._nodes(height)
        rows, columns = np.meshgrid(along, across, indexing="ij")
        places = np.stack([columns.ravel() + column, rows.ravel() + row], axis=1)
        return np.asarray(
            _weights(along, height)
            @ self.at(places).reshape(rows.shape)
            @ _weights(across, width).T
        )

    def _nodes(self, length: int) -> np.ndarray:
        return np.linspace(0.5, length - 0.5, -(-length // self._step) + 1)


def ground_areas(dataset: Any) -> GroundAreas | None:
    """Areas of a raster's pixels; None where nothing says how large they are on the ground."""
    system = dataset.GetSpatialRef()
    if system is None or not is_referenced(dataset) or system.CloneGeogCS() is None:
        return None
    return GroundAreas(dataset)


def _weights(nodes: np.ndarray, length: int) -> np.ndarray:
    """How much each node counts for each pixel: linear between two."""
    places = np.arange(length) + 0.5
    return np.stack([np.interp(places, nodes, unit) for unit in np.eye(len(nodes))], axis=1)
