"""The input raster: any file GDAL opens, read in windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal

from ..errors import RasterError
from .extent import Extent, apply_transform, extent_of, listed
from .gdal_files import (
    RESAMPLINGS,
    absolute,
    has_own_mask,
    is_referenced,
    is_turned,
    listening,
    open_raster,
    unpaletted,
    warped,
)

__all__ = ["DATA_TYPES", "PIXEL_TYPES", "Extent", "Raster"]

PIXEL_TYPES = {
    gdal.GDT_Byte: "u1",
    gdal.GDT_UInt16: "u2",
    gdal.GDT_Int16: "i2",
    gdal.GDT_UInt32: "u4",
    gdal.GDT_Int32: "i4",
    gdal.GDT_Float32: "f4",
    gdal.GDT_Float64: "f8",
    # Signed bytes are new in GDAL 3.7.
    getattr(gdal, "GDT_Int8", -1): "i1",
}
DATA_TYPES = {name: kind for kind, name in PIXEL_TYPES.items()}
# Part of a pixel by which an extent may miss a pixel's edge: rounding, not a wish for one more.
ROUNDING = 1e-6
LARGEST_SIDE = 2**31 - 1
# As many tiles of 512 pixels as a TIFF can count.
MOST_PIXELS = 2**31 * 512**2


class Raster:
    """A raster, or a part of it, that is open for reading.

    Rows and columns count from the top left pixel of the part. Windows may reach beyond it: they
    hold what the file has there, as the padding of a block does.

    Parameters
    ----------
    path : str or Path
        Anything GDAL opens.
    extent : Extent, optional
        Part to use; widened to whole pixels.
    cell_size : float, optional
        Side of a pixel in map units to resample to.
    resampling : str
        One of `dlpk.raster.gdal_files.RESAMPLINGS`.
    label : str, optional
        What it is called in messages instead of its path.
    colors : bool
        Whether an image with a colour table holds its colours; otherwise the numbers that stand
        for them, as masks mean it.

    Raises
    ------
    RasterError
        It cannot be opened, has no bands, or the extent lies outside.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        extent: Extent | None = None,
        cell_size: float | None = None,
        resampling: str = RESAMPLINGS[0],
        label: str | None = None,
        colors: bool = True,
    ) -> None:
        self.path = label or str(path)
        # What the stretch is taken from: all of the raster, as it is in the file.
        self.native = open_raster(absolute(str(path)))
        if colors:
            self.native = self._prepared(unpaletted, self.native)
        self.is_referenced = is_referenced(self.native)
        self.dataset = self.native
        self._transform: tuple[float, ...] = tuple(self.native.GetGeoTransform())
        if not np.isfinite(t := self._transform).all() or t[1] * t[5] == t[2] * t[4]:
            raise RasterError(f"{self.path} has pixels of no size: its georeference is {t}")
        if cell_size is not None:
            self.dataset = self._resampled(cell_size, resampling)
            self._transform = tuple(self.dataset.GetGeoTransform())
            if not self.is_referenced:
                self._transform = (0.0, cell_size, 0.0, 0.0, 0.0, cell_size)
        self.count: int = self.dataset.RasterCount
        kinds = {self.dataset.GetRasterBand(i + 1).DataType for i in range(self.count)}
        unknown = kinds - set(PIXEL_TYPES)
        if unknown:
            names = ", ".join(gdal.GetDataTypeName(kind) for kind in sorted(unknown))
            raise RasterError(f"{self.path} has pixels of type {names}, which no model reads")
        self.dtype = np.result_type(*(np.dtype(PIXEL_TYPES[kind]) for kind in kinds))
        self._left, self._top = 0, 0
        self.width: int = self.dataset.RasterXSize
        self.height: int = self.dataset.RasterYSize
        if extent is not None:
            self._crop(extent)

    # What is between the file and the pixels ------------------------------------------------

    def _prepared(self, tool: Any, *args: Any, **options: Any) -> Any:
        try:
            with listening():
                return tool(*args, **options)
        except RuntimeError as error:
            raise RasterError(f"{self.path} cannot be resampled: {error}") from error

    def _resampled(self, cell_size: float, resampling: str) -> Any:
        if not (cell_size > 0 and np.isfinite(cell_size)):
            raise RasterError(f"the cell size is {cell_size:g}; it must be a number above 0")
        dataset = self.native
        if not self.is_referenced:
            # Warping wants rows to run down; without georeference they are counted that way.
            bounds = [0, 0, dataset.RasterXSize, -dataset.RasterYSize]
            dataset = self._flipped = self._prepared(
                gdal.Translate, "", dataset, format="VRT", outputBounds=bounds
            )
        whole = extent_of(dataset.GetGeoTransform(), dataset.RasterXSize, dataset.RasterYSize)
        size = ((whole.xmax - whole.xmin) / cell_size, (whole.ymax - whole.ymin) / cell_size)
        if max(size) > LARGEST_SIDE or size[0] * size[1] > MOST_PIXELS or min(size) < 0.5:
            raise RasterError(
                f"a cell size of {cell_size:g} would make {size[0]:.3g} by {size[1]:.3g} pixels of "
                f"{self.path}: it is in units of the coordinate system"
            )
        return self._prepared(
            warped,
            dataset,
            masked=is_turned(dataset) or has_own_mask(dataset),
            xRes=cell_size,
            yRes=cell_size,
            resampleAlg=resampling.replace("nearest", "near"),
        )

    def _crop(self, extent: Extent) -> None:
        transform = self._transform
        if is_turned(self.dataset):
            raise RasterError(
                f"{self.path} is rotated, and an extent needs a raster that is not: warp it first "
                "(gdalwarp)"
            )
        if not (extent.xmin < extent.xmax and extent.ymin < extent.ymax):
            raise RasterError(
                f"the extent {listed(extent)} is empty: give xmin,ymin,xmax,ymax with xmin < xmax "
                "and ymin < ymax"
            )
        columns = sorted((x - transform[0]) / transform[1] for x in (extent.xmin, extent.xmax))
        rows = sorted((y - transform[3]) / transform[5] for y in (extent.ymin, extent.ymax))
        left, top = (int(np.floor(max(0.0, low + ROUNDING))) for low in (columns[0], rows[0]))
        right = int(np.ceil(min(float(self.width), columns[1] - ROUNDING)))
        bottom = int(np.ceil(min(float(self.height), rows[1] - ROUNDING)))
        if left >= right or top >= bottom:
            raise RasterError(
                f"the extent {listed(extent)} lies outside of {self.path}, which covers "
                f"{listed(self.extent)} in its own coordinate system"
            )
        self._left, self._top = left, top
        self.width, self.height = right - left, bottom - top

    # Where it lies -----------------------------------------------------------------------------

    @property
    def transform(self) -> tuple[float, ...]:
        """GDAL's six numbers from pixel to map coordinates."""
        t = self._transform
        x, y = apply_transform(t, self._left, self._top)
        return x, t[1], t[2], y, t[4], t[5]

    @property
    def projection(self) -> str:
        """Coordinate system as WKT, empty if there is none."""
        return str(self.dataset.GetProjection() or "")

    @cached_property
    def epsg(self) -> int:
        """EPSG code of the coordinate system, 0 if it has none; asked for with every block."""
        system = self.dataset.GetSpatialRef()
        code = system.GetAuthorityCode(None) if system is not None else None
        return int(code) if code and str(code).isdigit() else 0

    @property
    def extent(self) -> Extent:
        """Bounding rectangle in map units."""
        return extent_of(self.transform, self.width, self.height)

    @property
    def cell_size(self) -> tuple[float, float]:
        """Width and height of a pixel in map units."""
        t = self.transform
        return float(np.hypot(t[1], t[4])), float(np.hypot(t[2], t[5]))

    def corner(self, column: float, row: float) -> tuple[float, float]:
        """Map coordinates of a pixel's top left corner."""
        return apply_transform(self.transform, column, row)

    @property
    def whole_extent(self) -> Extent:
        """Bounding rectangle of all of the raster, whatever part of it is processed."""
        return extent_of(self._transform, self.dataset.RasterXSize, self.dataset.RasterYSize)

    # What is in it -----------------------------------------------------------------------------

    @property
    def nodata(self) -> list[float | None]:
        """NoData value per band."""
        return [band.GetNoDataValue() for band in self._bands()]

    @property
    def band_names(self) -> list[str]:
        """Description per band, empty where there is none."""
        return [str(band.GetDescription() or "") for band in self._bands()]

    @property
    def band_aliases(self) -> list[tuple[str, ...]]:
        """What each band may be called: its description, its number as ArcGIS writes it, colour."""
        aliases: list[tuple[str, ...]] = []
        for number, band in enumerate(self._bands(), 1):
            color = gdal.GetColorInterpretationName(band.GetColorInterpretation())
            aliases.append((str(band.GetDescription() or ""), f"Band_{number}", str(color)))
        return aliases

    @property
    def statistics(self) -> list[Mapping[str, float] | None]:
        """Per band what the file itself says of minimum, maximum, mean and standardDeviation."""
        found: list[Mapping[str, float] | None] = []
        keys = ("minimum", "maximum", "mean", "standardDeviation")
        for band in self._bands():
            texts = band.GetMetadata() or {}
            words = ("MINIMUM", "MAXIMUM", "MEAN", "STDDEV")
            try:
                values = [float(texts[f"STATISTICS_{word}"]) for word in words]
            except (KeyError, ValueError):
                found.append(None)
            else:
                found.append({**dict(zip(keys, values)), "skipFactorX": 1, "skipFactorY": 1})
        return found

    def _bands(self) -> list[Any]:
        return [self.dataset.GetRasterBand(i + 1) for i in range(self.count)]

    def fill_value(self, band: int) -> float:
        """What NoData pixels of a band hold: its NoData value if its type has it, else 0."""
        value = self.nodata[band]
        if value is None or (self.dtype.kind in "iu" and not _is_whole(value, self.dtype)):
            return 0
        return value

    def read(
        self,
        bands: Sequence[int],
        column: int,
        row: int,
        width: int,
        height: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Read a window that may reach beyond the raster.

        Parameters
        ----------
        bands : sequence of int
            0-based.
        column, row : int
            Top left pixel, may be negative.
        width, height : int
            Size in pixels.

        Returns
        -------
        pixels : ndarray
            Shape (bands, height, width), in the raster's type; 0 beyond the file.
        mask : ndarray
            uint8, the same shape: 1 where there is data, 0 for NoData and beyond the file.

        Raises
        ------
        RasterError
            The file cannot be read there.
        """
        column, row = column + self._left, row + self._top
        left, top = max(column, 0), max(row, 0)
        right = min(column + width, self.dataset.RasterXSize)
        bottom = min(row + height, self.dataset.RasterYSize)
        try:
            if (right - left, bottom - top) == (width, height):  # all inside, as most blocks are
                return self._read(self.dataset, bands, (left, top, width, height))
            pixels = np.zeros((len(bands), height, width), self.dtype)
            mask = np.zeros((len(bands), height, width), np.uint8)
        except (MemoryError, ValueError) as error:
            raise RasterError(
                f"a block of {width} by {height} pixels with {len(bands)} bands does not fit into "
                "memory: ask for smaller blocks"
            ) from error
        if left < right and top < bottom:
            inside = (
                slice(None),
                slice(top - row, bottom - row),
                slice(left - column, right - column),
            )
            window = (left, top, right - left, bottom - top)
            pixels[inside], mask[inside] = self._read(self.dataset, bands, window)
        return pixels, mask

    def read_reduced(
        self,
        bands: Sequence[int],
        rows: int,
        columns: int,
        *,
        average: bool = False,
        window: tuple[int, int, int, int] | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Read the raster, or a window of it, in fewer pixels, from overviews where it has them.

        Parameters
        ----------
        bands : sequence of int
            0-based.
        rows, columns : int
            Size in pixels to reduce to.
        average : bool
            Average pixels instead of picking some.
        window : (int, int, int, int), optional
            Left, top, width and height of a part that lies inside.

        Returns
        -------
        pixels, mask : ndarray
            As `read` gives.
        """
        left, top, width, height = window or (0, 0, self.width, self.height)
        part = (self._left + left, self._top + top, width, height)
        return self._read(self.dataset, bands, part, (rows, columns), average)

    def read_native(
        self, bands: Sequence[int], window: tuple[int, int, int, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Read a window (left, top, width, height) of the file at its own cell size."""
        return self._read(self.native, bands, window)

    def _read(
        self,
        dataset: Any,
        bands: Sequence[int],
        window: tuple[int, int, int, int],
        shape: tuple[int, int] | None = None,
        average: bool = False,
    ) -> tuple[np.ndarray, np.ndarray]:
        rows, columns = shape or (window[3], window[2])
        size = {"buf_xsize": columns, "buf_ysize": rows}
        mask = np.ones((len(bands), rows, columns), np.uint8)
        shared: np.ndarray | None = None
        try:
            with listening():
                pixels = dataset.ReadAsArray(
                    *window,
                    band_list=[band + 1 for band in bands],
                    buf_type=DATA_TYPES[f"{self.dtype.kind}{self.dtype.itemsize}"],
                    resample_alg=gdal.GRIORA_Average if average else gdal.GRIORA_NearestNeighbour,
                    **size,
                ).reshape(mask.shape)
                for index, number in enumerate(bands):
                    band = dataset.GetRasterBand(number + 1)
                    flags = band.GetMaskFlags()
                    if flags & gdal.GMF_ALL_VALID:
                        continue
                    if not flags & gdal.GMF_PER_DATASET:
                        mask[index] = band.GetMaskBand().ReadAsArray(*window, **size) > 0
                        continue
                    if shared is None:
                        shared = band.GetMaskBand().ReadAsArray(*window, **size) > 0
                    mask[index] = shared
        except RuntimeError as error:
            raise RasterError(
                f"{self.path} cannot be read at column {window[0]}, row {window[1]} "
                f"({window[2]} by {window[3]} pixels): {error}"
            ) from error
        if pixels.dtype.kind == "f":
            mask &= np.isfinite(pixels)
        return pixels, mask


def _is_whole(value: float, dtype: np.dtype[Any]) -> bool:
    limits = np.iinfo(dtype)
    return bool(np.isfinite(value) and value == int(value) and limits.min <= value <= limits.max)
