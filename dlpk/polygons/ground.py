"""How much ground a pixel covers, on the ellipsoid."""

from __future__ import annotations

from typing import Any

import numpy as np
from osgeo import osr

# Pixels between the places where the area is computed; between them it is interpolated.
STEP = 32


class GroundAreas:
    """Areas of a raster's pixels in square metres of ground.

    A projection stretches areas, Web Mercator by four at 60 degrees; so pixels are measured in an
    equal-area projection of the same ellipsoid.

    Parameters
    ----------
    dataset : gdal.Dataset
        Has to have a coordinate system.
    """

    def __init__(self, dataset: Any) -> None:
        self._transform = dataset.GetGeoTransform()
        system = dataset.GetSpatialRef().Clone()
        degrees, equal = system.CloneGeogCS(), osr.SpatialReference()
        for each in (system, degrees):
            each.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
        middle = self._corners(np.array([[dataset.RasterXSize / 2, dataset.RasterYSize / 2]]))
        longitude = osr.CoordinateTransformation(system, degrees).TransformPoint(*middle[0])[0]
        major, flat = system.GetSemiMajor(), system.GetInvFlattening()
        shape = f"+a={major!r} " + (f"+rf={flat!r}" if flat else f"+b={major!r}")
        equal.ImportFromProj4(f"+proj=cea +lon_0={longitude!r} {shape} +units=m +no_defs")
        self._to_equal = osr.CoordinateTransformation(system, equal)

    def _corners(self, places: np.ndarray) -> Any:
        t, (column, row) = self._transform, places.T
        x, y = t[0] + column * t[1] + row * t[2], t[3] + column * t[4] + row * t[5]
        return np.stack([x, y], axis=1).tolist()

    def at(self, places: np.ndarray) -> np.ndarray:
        """Area of the pixels whose middles are given.

        Parameters
        ----------
        places : ndarray
            Column and row, shape (n, 2).
        """
        around = [places + shift for shift in ((-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5))]
        points = self._to_equal.TransformPoints(self._corners(np.concatenate(around)))
        first, right, down = np.array(points)[:, :2].reshape(3, -1, 2)
        across, along = right - first, down - first
        return np.asarray(np.abs(across[:, 0] * along[:, 1] - across[:, 1] * along[:, 0]))

    def of(self, column: int, row: int, width: int, height: int) -> np.ndarray:
        """Area of every pixel of a window, shape (height, width)."""
        across, along = _nodes(width), _nodes(height)
        rows, columns = np.meshgrid(along, across, indexing="ij")
        places = np.stack([columns.ravel() + column, rows.ravel() + row], axis=1)
        return np.asarray(
            _weights(along, height)
            @ self.at(places).reshape(rows.shape)
            @ _weights(across, width).T
        )


def _nodes(length: int) -> np.ndarray:
    return np.linspace(0.5, length - 0.5, -(-length // STEP) + 1)


def _weights(nodes: np.ndarray, length: int) -> np.ndarray:
    """How much each node counts for each pixel: linear between two."""
    places = np.arange(length) + 0.5
    return np.stack([np.interp(places, nodes, unit) for unit in np.eye(len(nodes))], axis=1)
