"""Smoother outlines: whatever two areas share stays shared, and nothing crosses.

Corners of pixels where more than two areas meet stay where they are, and are points of all of their
outlines. Between them a smoothed outline runs through the middles of pixel edges. Each middle moves
towards its neighbours along the outline, by the same arithmetic from either side, so that the
outlines of two areas remain equal to the last bit. It never leaves the diamond around it that
reaches half a pixel far; such diamonds do not overlap, so outlines cannot cross themselves or
others, however often they are smoothed.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import shapely

from ..raster.extent import apply_transform
from .source import OUTSIDE, ClassSource

# How far a point may move, in pixels along the rows plus along the columns: under a half.
REACH = 0.49
# Pixels are looked at in squares of this side; so many are kept.
SIDE, KEPT = 512, 64
STRAIGHT = 1e-12
# Points that are looked at together, unless one ring has more.
POINTS = 200_000


class Rings(NamedTuple):
    """Rings one after the other, none of which repeats its first point.

    Parameters
    ----------
    points : ndarray
        Column and row, shape (n, 2).
    starts : ndarray
        Where each ring starts, and the end of the last.
    """

    points: np.ndarray
    starts: np.ndarray

    def neighbours(self) -> tuple[np.ndarray, np.ndarray]:
        """Index of the point before each point of a ring, and of the one after it."""
        numbers = np.arange(len(self.points))
        before, after = numbers - 1, numbers + 1
        before[self.starts[:-1]] = self.starts[1:] - 1
        after[self.starts[1:] - 1] = self.starts[:-1]
        return before, after

    def chosen(self, kept: np.ndarray) -> Rings:
        """Only some of the points."""
        counts = np.concatenate([[0], np.cumsum(kept)])
        return Rings(self.points[kept], counts[self.starts])

    def in_parts(self) -> Iterator[Rings]:
        """A few rings at a time, so that what is computed for each point takes little memory."""
        first = 0
        while first < len(self.starts) - 1:
            end = int(np.searchsorted(self.starts, self.starts[first] + POINTS, "right")) - 1
            last = max(first + 1, end)
            start = self.starts[first]
            yield Rings(
                self.points[start : self.starts[last]], self.starts[first : last + 1] - start
            )
            first = last

    def areas(self) -> np.ndarray:
        """Area that each ring surrounds, in pixels."""
        _, after = self.neighbours()
        (x, y), (next_x, next_y) = self.points.T, self.points[after].T
        sums = np.concatenate([[0.0], np.cumsum(x * next_y - next_x * y)])
        return np.asarray(np.abs(np.diff(sums[self.starts])) / 2)


def opened(coordinates: np.ndarray, offsets: np.ndarray) -> Rings:
    """Rings as shapely has them, each with its first point repeated."""
    kept = np.ones(len(coordinates), bool)
    kept[offsets[1:] - 1] = False
    return Rings(coordinates[kept], offsets - np.arange(len(offsets)))


def closed(rings: Rings) -> tuple[np.ndarray, np.ndarray]:
    """Rings as shapely wants them: coordinates and offsets."""
    numbers = np.insert(np.arange(len(rings.points)), rings.starts[1:], rings.starts[:-1])
    return rings.points[numbers], rings.starts + np.arange(len(rings.starts))


def without_straight(rings: Rings, fixed: np.ndarray) -> Rings:
    """Leave out points on a straight line between their neighbours, unless they are fixed."""
    before, after = rings.neighbours()
    (x, y), (x0, y0), (x1, y1) = (rings.points[i].T for i in (slice(None), before, after))
    bends = np.abs((x - x0) * (y1 - y) - (y - y0) * (x1 - x)) > STRAIGHT
    return rings.chosen(bends | fixed)


class Smoother:
    """Makes outlines of one raster's areas: along the edges of pixels, or smooth.

    Parameters
    ----------
    source : ClassSource
        What tells where more than two areas meet.
    rounds : int
        How often every point moves; 0: outlines run along the edges of pixels.
    """

    def __init__(self, source: ClassSource, rounds: int) -> None:
        self._source = source
        self._transform = source.dataset.GetGeoTransform()
        self._rounds = rounds
        self._corners = lru_cache(KEPT)(self._read_corners)

    def smooth(self, rings: Rings) -> Rings:
        """Smooth outlines that run along the edges of pixels, and bring them onto the map."""
        made = [self._on_map(self._smooth(part)) for part in rings.in_parts()]
        ends = np.cumsum([0, *(len(part.points) for part in made)])
        starts = [part.starts[:-1] + end for part, end in zip(made, ends)]
        return Rings(
            np.concatenate([part.points for part in made]), np.concatenate([*starts, ends[-1:]])
        )

    def _on_map(self, rings: Rings) -> Rings:
        placed = apply_transform(self._transform, *rings.points.T)
        return Rings(np.stack(placed, axis=1), rings.starts)

    def _smooth(self, rings: Rings) -> Rings:
        corners, starts = _every_corner(rings)
        fixed = self._are_fixed(corners)
        if not self._rounds:
            return without_straight(Rings(corners, starts), fixed)
        _, after = Rings(corners, starts).neighbours()
        middles = (corners + corners[after]) / 2
        # After every fixed corner comes the middle of the edge that follows it, as after others.
        numbers = np.repeat(np.arange(len(corners)), 1 + fixed)
        is_corner = np.zeros(len(numbers), bool)
        is_corner[(np.cumsum(1 + fixed) - 1 - fixed)[fixed]] = True
        points = np.where(is_corner[:, None], corners[numbers], middles[numbers])
        starts = np.concatenate([[0], np.cumsum(1 + fixed)])[starts]
        made = Rings(self._moved(Rings(points, starts), is_corner), starts)
        return without_straight(made, is_corner)

    def _moved(self, rings: Rings, fixed: np.ndarray) -> np.ndarray:
        before, after = rings.neighbours()
        points = rings.points
        for _ in range(self._rounds):
            # The sum of both neighbours first: it is the same from either side.
            moved = ((points[before] + points[after]) + 2 * points) / 4 - rings.points
            far = np.abs(moved).sum(axis=1)
            shrink = np.minimum(1, REACH / np.maximum(far, REACH))
            shrink[fixed] = 0
            points = rings.points + moved * shrink[:, None]
        return points

    def _are_fixed(self, corners: np.ndarray) -> np.ndarray:
        columns, rows = corners.astype(np.int64).T
        across = self._source.width // SIDE + 1
        squares = (rows // SIDE) * across + columns // SIDE
        order = np.argsort(squares, kind="stable")
        found = np.zeros(len(corners), bool)
        numbers, firsts = np.unique(squares[order], return_index=True)
        for number, here in zip(numbers.tolist(), np.split(order, firsts[1:])):
            top, left = number // across * SIDE, number % across * SIDE
            found[here] = self._corners(left, top)[rows[here] - top, columns[here] - left]
        return found

    def _read_corners(self, left: int, top: int) -> np.ndarray:
        """Which corners of pixels stay where they are, in a square of them."""
        values = self._source.read(left - 1, top - 1, SIDE + 1, SIDE + 1)
        a, b, c, d = values[:-1, :-1], values[:-1, 1:], values[1:, :-1], values[1:, 1:]
        edges = ((a != b).astype(np.int8) + (c != d)) + ((a != c).astype(np.int8) + (b != d))
        outside = sum((part == OUTSIDE).astype(np.int8) for part in (a, b, c, d))
        return np.asarray((edges > 2) | (outside == 3))  # the raster's own corners stay, too


def _every_corner(rings: Rings) -> tuple[np.ndarray, np.ndarray]:
    """Every corner of a pixel that rings along pixel edges pass."""
    _, after = rings.neighbours()
    steps = rings.points[after] - rings.points
    lengths = np.abs(steps).sum(axis=1).astype(np.int64)
    ends = np.cumsum(lengths)
    numbers = np.repeat(np.arange(len(lengths)), lengths)
    gone = np.arange(len(numbers)) - (ends - lengths)[numbers]
    corners = rings.points[numbers] + np.sign(steps)[numbers] * gone[:, None]
    return corners, np.concatenate([[0], ends])[rings.starts]


def outlined(polygons: Any, smoother: Smoother, smallest_hole: float, hole_area: Any) -> Any:
    """Polygons on the map, without small holes and points on straight lines, smooth if asked to.

    One polygon may hold most of a raster: arrays are let go as soon as they can be.

    Parameters
    ----------
    polygons : ndarray of Polygon
        Along the edges of pixels.
    smoother : Smoother
    smallest_hole : float
        Holes with less area are closed.
    hole_area : callable
        Takes the middles of rings, and their areas in pixels; returns areas.
    """
    _, coordinates, (offsets, first_rings) = shapely.to_ragged_array(polygons)
    rings = opened(coordinates, np.asarray(offsets, np.int64))
    del coordinates
    first_rings = np.asarray(first_rings, np.int64)
    if smallest_hole > 0:
        sums = np.add.reduceat(rings.points, rings.starts[:-1])
        middles = sums / np.diff(rings.starts)[:, None]
        kept = hole_area(middles, rings.areas()) >= smallest_hole
        kept[first_rings[:-1]] = True
        lengths = np.diff(rings.starts)
        points = rings.points[np.repeat(kept, lengths)]
        rings = Rings(points, np.concatenate([[0], np.cumsum(lengths[kept])]))
        first_rings = np.concatenate([[0], np.cumsum(kept)])[first_rings]
    rings = smoother.smooth(rings)
    coordinates, offsets = closed(rings)
    del rings
    return shapely.from_ragged_array(
        shapely.GeometryType.POLYGON, coordinates, (offsets, first_rings)
    )
