"""Connected areas of one class: found tile by tile, joined where tiles meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from osgeo import gdal, ogr
from scipy.ndimage import find_objects, generate_binary_structure, label

from .ground import GroundAreas
from .source import LEFT_OUT, ClassSource

TILE = 1024


@dataclass
class Shape:
    """A connected area of one class, or the part of it that is known so far.

    Parameters
    ----------
    value : int
        Of the class.
    pixels : int
    area : float
        Square metres of ground; pixels for a raster without coordinate system.
    probability : float
        The sum over the pixels.
    parts : list of Geometry
        Polygons in pixels of the raster, of which parts of one tile each may lie side by side.
    """

    value: int
    pixels: int
    area: float
    probability: float
    parts: list[Any]
    numbers: list[int] = field(default_factory=list)  # of the pieces that are in it
    holes: list[Any] = field(default_factory=list)  # rings that no seam touches

    def joined(self) -> Any:
        """The area as one geometry, its seams dissolved."""
        whole = self.parts[0] if len(self.parts) == 1 else shapely.union_all(self.parts)
        if not self.holes:
            return whole
        outer, *inner = shapely.get_rings(whole)
        return shapely.polygons(outer, inner + self.holes)

    def set_holes_aside(self, left: int, top: int, right: int, bottom: int) -> None:
        """Keep holes inside a tile out of the joining: most points are in them."""
        outer, *inner = shapely.get_rings(self.parts[0])
        if inner:
            bounds = shapely.bounds(inner)
            inside = (bounds[:, :2] > (left, top)).all(axis=1)
            inside &= (bounds[:, 2:] < (right, bottom)).all(axis=1)
            self.holes = [ring for ring, aside in zip(inner, inside) if aside]
            left_in = [ring for ring, aside in zip(inner, inside) if not aside]
            self.parts = [shapely.polygons(outer, left_in or None)]


@dataclass(frozen=True)
class _Edge:
    """One side of a tile, or a whole row of tiles: class values, and numbers of pieces there."""

    values: np.ndarray
    numbers: np.ndarray


class _Open:
    """Pieces that reach the side of a tile where more of them may come: a union-find."""

    def __init__(self) -> None:
        self._above: dict[int, int] = {}
        self.shapes: dict[int, Shape] = {}

    def add(self, shape: Shape, number: int) -> None:
        shape.numbers.append(number)
        self.shapes[number] = shape
        self._above[number] = number

    def find(self, number: int) -> int:
        while (above := self._above[number]) != number:
            self._above[number] = number = self._above[above]
        return number

    def join(self, first: _Edge, second: _Edge, shifts: tuple[int, ...]) -> None:
        """Join pieces of one class that lie side by side (with `shifts`, also corner to corner)."""
        length = len(first.values)
        for shift in shifts:
            one = slice(max(0, -shift), length - max(0, shift))
            other = slice(max(0, shift), length - max(0, -shift))
            same = first.values[one] == second.values[other]
            same &= (first.numbers[one] > 0) & (second.numbers[other] > 0)
            pairs = np.stack([first.numbers[one][same], second.numbers[other][same]], axis=1)
            for a, b in np.unique(pairs, axis=0).tolist() if len(pairs) else ():
                self._union(a, b)

    def _union(self, first: int, second: int) -> None:
        into, gone = self.find(first), self.find(second)
        if into == gone:
            return
        if len(self.shapes[into].numbers) < len(self.shapes[gone].numbers):
            into, gone = gone, into
        whole, part = self.shapes[into], self.shapes.pop(gone)
        self._above[gone] = into
        whole.pixels += part.pixels
        whole.area += part.area
        whole.probability += part.probability
        whole.parts += part.parts
        whole.holes += part.holes
        whole.numbers += part.numbers

    def finished(self, edge: _Edge | None) -> Iterator[Shape]:
        """Take out what no longer reaches the edge."""
        reaching = set()
        if edge is not None:
            reaching = {self.find(number) for number in np.unique(edge.numbers).tolist() if number}
        for number in [number for number in self.shapes if number not in reaching]:
            shape = self.shapes.pop(number)
            for piece in shape.numbers:
                del self._above[piece]
            yield shape


def find_shapes(
    source: ClassSource,
    areas: GroundAreas | None,
    *,
    connectedness: int,
    after_tile: Callable[[int], None] = lambda pixels: None,
) -> Iterator[Shape]:
    """Find all connected areas of one class.

    What is held is a row of tiles' worth of outlines, and areas that go on below it.

    Parameters
    ----------
    areas : GroundAreas or None
        None: areas are counted in pixels.
    connectedness : int
        4 or 8 neighbours of a pixel.
    after_tile : callable
        Told how many pixels a finished tile has.

    Yields
    ------
    Shape
        In an order that only the raster decides.

    Raises
    ------
    RasterError
        The raster cannot be read.
    """
    tile = TILE
    shifts = (0,) if connectedness == 4 else (-1, 0, 1)
    open_pieces, count = _Open(), 0
    above: _Edge | None = None
    for row in range(0, source.height, tile):
        tops, bottoms, left = [], [], None
        for column in range(0, source.width, tile):
            size = min(tile, source.width - column), min(tile, source.height - row)
            values = source.read(column, row, *size)
            labels, shapes = _tile_shapes(source, areas, values, column, row, connectedness)
            numbers = np.zeros(len(shapes) + 1, np.int64)
            for number in _at_seams(labels, source, column, row):
                count += 1
                numbers[number] = count
                shape = shapes[number - 1]
                if connectedness == 4:  # which joins to one polygon that has them all
                    shape.set_holes_aside(column, row, column + size[0], row + size[1])
                open_pieces.add(shape, count)
            yield from (s for s, open_ in zip(shapes, numbers[1:].tolist()) if not open_)
            if left is not None:
                right = _Edge(values[:, 0], numbers[labels[:, 0]])
                open_pieces.join(left, right, shifts)
            left = _Edge(values[:, -1].copy(), numbers[labels[:, -1]])
            tops.append((values[0].copy(), numbers[labels[0]]))
            bottoms.append((values[-1].copy(), numbers[labels[-1]]))
            after_tile(values.size)
        if above is not None:
            open_pieces.join(above, _row(tops), shifts)
        above = _row(bottoms) if row + tile < source.height else None
        yield from open_pieces.finished(above)


def _row(parts: list[tuple[np.ndarray, np.ndarray]]) -> _Edge:
    return _Edge(*(np.concatenate(several) for several in zip(*parts)))


def _at_seams(labels: np.ndarray, source: ClassSource, column: int, row: int) -> list[int]:
    """Labels that reach a side of the tile beyond which the raster goes on."""
    height, width = labels.shape
    sides = [
        side
        for side, goes_on in (
            (labels[0], row > 0),
            (labels[-1], row + height < source.height),
            (labels[:, 0], column > 0),
            (labels[:, -1], column + width < source.width),
        )
        if goes_on
    ]
    return [n for n in np.unique(np.concatenate(sides)).tolist() if n] if sides else []


def _tile_shapes(
    source: ClassSource,
    areas: GroundAreas | None,
    values: np.ndarray,
    column: int,
    row: int,
    connectedness: int,
) -> tuple[np.ndarray, list[Shape]]:
    """Label the connected areas of a tile 1, 2, …, and trace them."""
    classes, ranks = np.unique(values, return_inverse=True)
    ranks = ranks.reshape(values.shape) + 1
    labels = np.zeros(values.shape, np.int32)
    of: list[int] = []
    structure = generate_binary_structure(2, 1 if connectedness == 4 else 2)
    for rank, place in enumerate(find_objects(ranks), 1):
        value = int(classes[rank - 1])
        if value == LEFT_OUT:
            continue
        found, count = label(ranks[place] == rank, structure)
        labels[place] += np.where(found > 0, found + len(of), 0)
        of += [value] * count
    if not of:
        return labels, []
    flat, size = labels.ravel(), len(of) + 1
    pixels: np.ndarray = np.bincount(flat, minlength=size)
    height, width = values.shape
    ground: np.ndarray = pixels.astype(float)
    if areas is not None:
        weights = areas.of(column, row, width, height).ravel()
        ground = np.bincount(flat, weights=weights, minlength=size)
    chances: np.ndarray = np.zeros(size)
    if source.has_probability:
        weights = source.read_probability(values, column, row).ravel()
        chances = np.bincount(flat, weights=weights, minlength=size)
    shapes = [
        Shape(value, int(pixels[n]), float(ground[n]), float(chances[n]), [])
        for n, value in enumerate(of, 1)
    ]
    for number, polygon in zip(*_traced(labels, column, row)):
        shapes[number - 1].parts.append(polygon)
    return labels, shapes


def _traced(labels: np.ndarray, column: int, row: int) -> tuple[list[int], Any]:
    """Outlines of labelled areas, in pixels of the raster: labels, and a polygon of each."""
    height, width = labels.shape
    image = gdal.GetDriverByName("MEM").Create("", width, height, 1, gdal.GDT_Int32)
    image.SetGeoTransform((column, 1, 0, row, 0, 1))
    image.WriteArray(labels)
    memory = ogr.GetDriverByName("Memory").CreateDataSource("")
    layer = memory.CreateLayer("", None, ogr.wkbPolygon)
    layer.CreateField(ogr.FieldDefn("label", ogr.OFTInteger))
    band = image.GetRasterBand(1)
    # Diagonal neighbours share a label but no polygon: outlines would touch themselves.
    gdal.Polygonize(band, band, layer, 0, [])
    numbers, outlines = [], []
    for feature in layer:
        numbers.append(feature.GetFieldAsInteger(0))
        outlines.append(bytes(feature.GetGeometryRef().ExportToWkb()))
    return numbers, shapely.from_wkb(outlines)
