"""The input raster: any file GDAL opens, read in windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal, osr

from .errors import RasterError
from .stretch import Stretch, find_range

gdal.UseExceptions()
osr.UseExceptions()

# Pixels per side of the reduced image that the stretch is taken from.
SAMPLE_SIDE = 2048
# Without overviews a reduced read decodes the whole raster; beyond this size windows are read.
WHOLE_SAMPLE_PIXELS = 64_000_000
SAMPLE_WINDOWS = 20
SAMPLE_WINDOW = 128
PIXEL_TYPES = {
    gdal.GDT_Byte: "u1",
    gdal.GDT_UInt16: "u2",
    gdal.GDT_Int16: "i2",
    gdal.GDT_UInt32: "u4",
    gdal.GDT_Int32: "i4",
    gdal.GDT_Float32: "f4",
    gdal.GDT_Float64: "f8",
}
UNREFERENCED = (0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Extent:
    """A rectangle in the raster's coordinate system.

    Parameters
    ----------
    xmin, ymin, xmax, ymax : float
        In map units; in pixels from the top left corner for a raster without georeference.
    """

    xmin: float
    ymin: float
    xmax: float
    ymax: float


class Raster:
    """A raster that is open for reading.

    Parameters
    ----------
    path : str
        Anything GDAL opens.
    extent : Extent, optional
        Part to use; widened to whole pixels.
    cell_size : float, optional
        Side of a pixel in map units to resample to (bilinear, as a tool's cell size does).

    Raises
    ------
    RasterError
        It cannot be opened, has no bands, or the extent lies outside.
    """

    def __init__(
        self, path: str | Path, *, extent: Extent | None = None, cell_size: float | None = None
    ) -> None:
        self.path = str(path)
        self._sources: list[Any] = []
        dataset = _open(self.path)
        dataset = self._unpaletted(dataset)
        if extent is not None:
            dataset = self._cropped(dataset, extent)
        if cell_size is not None:
            dataset = self._resampled(dataset, cell_size)
        self.dataset = dataset
        self.width: int = dataset.RasterXSize
        self.height: int = dataset.RasterYSize
        self.count: int = dataset.RasterCount
        kinds = {dataset.GetRasterBand(i + 1).DataType for i in range(self.count)}
        unknown = kinds - set(PIXEL_TYPES)
        if unknown:
            names = ", ".join(gdal.GetDataTypeName(kind) for kind in unknown)
            raise RasterError(f"{self.path} has pixels of type {names}, which no model reads")
        self.dtype = np.result_type(*(np.dtype(PIXEL_TYPES[kind]) for kind in kinds))

    # What is between the file and the pixels ------------------------------------------------

    def _unpaletted(self, dataset: Any) -> Any:
        """Turn an image with a colour table into red, green and blue."""
        band = dataset.GetRasterBand(1)
        if dataset.RasterCount != 1 or band.GetColorTable() is None:
            return dataset
        return self._virtual(gdal.Translate, dataset, rgbExpand="rgb")

    def _cropped(self, dataset: Any, extent: Extent) -> Any:
        transform = dataset.GetGeoTransform()
        if transform[2] or transform[4]:
            raise RasterError(
                f"{self.path} is rotated, and an extent needs a raster that is not: warp it first "
                "(gdalwarp)"
            )
        if not (extent.xmin < extent.xmax and extent.ymin < extent.ymax):
            raise RasterError(
                f"the extent {_listed(extent)} is empty: give xmin,ymin,xmax,ymax with xmin < xmax "
                "and ymin < ymax"
            )
        columns = sorted((x - transform[0]) / transform[1] for x in (extent.xmin, extent.xmax))
        rows = sorted((y - transform[3]) / transform[5] for y in (extent.ymin, extent.ymax))
        # A millionth of a pixel is rounding, not a wish for one more pixel.
        left, top = (int(np.floor(max(0.0, low + 1e-6))) for low in (columns[0], rows[0]))
        right = int(np.ceil(min(float(dataset.RasterXSize), columns[1] - 1e-6)))
        bottom = int(np.ceil(min(float(dataset.RasterYSize), rows[1] - 1e-6)))
        if left >= right or top >= bottom:
            whole = extent_of(transform, dataset.RasterXSize, dataset.RasterYSize)
            raise RasterError(
                f"the extent {_listed(extent)} lies outside of {self.path}, which covers "
                f"{_listed(whole)} in its own coordinate system"
            )
        window = [left, top, right - left, bottom - top]
        return self._virtual(gdal.Translate, dataset, srcWin=window)

    def _resampled(self, dataset: Any, cell_size: float) -> Any:
        if not cell_size > 0 or not np.isfinite(cell_size):
            raise RasterError(f"the cell size is {cell_size:g}; it must be above 0")
        if not _is_referenced(dataset):
            # Warping wants rows to run down; without georeference they are counted that way.
            width, height = dataset.RasterXSize, dataset.RasterYSize
            dataset = self._virtual(gdal.Translate, dataset, outputBounds=[0, 0, width, -height])
        transform = dataset.GetGeoTransform()
        whole = extent_of(transform, dataset.RasterXSize, dataset.RasterYSize)
        size = ((whole.xmax - whole.xmin) / cell_size, (whole.ymax - whole.ymin) / cell_size)
        if max(size) > 2**31 - 1 or min(size) < 0.5:
            raise RasterError(
                f"a cell size of {cell_size:g} would make {size[0]:.3g} by {size[1]:.3g} pixels of "
                f"{self.path}: it is in units of the coordinate system"
            )
        return self._virtual(
            gdal.Warp, dataset, xRes=cell_size, yRes=cell_size, resampleAlg="bilinear"
        )

    def _virtual(self, tool: Any, dataset: Any, **options: Any) -> Any:
        self._sources.append(dataset)  # a virtual dataset does not keep its source alive
        try:
            return tool("", dataset, format="VRT", **options)
        except RuntimeError as error:
            raise RasterError(f"{self.path} cannot be resampled: {error}") from error

    # Where it lies -----------------------------------------------------------------------------

    @property
    def is_referenced(self) -> bool:
        """Whether the raster has a place on a map."""
        return _is_referenced(self.dataset)

    @property
    def transform(self) -> tuple[float, ...]:
        """GDAL's six numbers from pixel to map coordinates."""
        return tuple(self.dataset.GetGeoTransform())

    @property
    def projection(self) -> str:
        """Coordinate system as WKT, empty if there is none."""
        return str(self.dataset.GetProjection() or "")

    @property
    def epsg(self) -> int:
        """EPSG code of the coordinate system, 0 if it has none."""
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
        t = self.transform
        return t[0] + column * t[1] + row * t[2], t[3] + column * t[4] + row * t[5]

    # What is in it -----------------------------------------------------------------------------

    @property
    def nodata(self) -> list[float | None]:
        """NoData value per band."""
        bands = (self.dataset.GetRasterBand(i + 1) for i in range(self.count))
        return [band.GetNoDataValue() for band in bands]

    @property
    def band_names(self) -> list[str]:
        """Description per band, empty where there is none."""
        bands = (self.dataset.GetRasterBand(i + 1) for i in range(self.count))
        return [str(band.GetDescription() or "") for band in bands]

    def read(
        self,
        bands: Sequence[int],
        column: int,
        row: int,
        width: int,
        height: int,
        *,
        beyond: str = "zero",
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
        beyond : str
            What pixels beyond the raster hold: see ``beyond_edge`` in `dlpk.settings.Settings`.

        Returns
        -------
        pixels : ndarray
            Shape (bands, height, width), in the raster's type.
        mask : ndarray
            uint8, the same shape: 1 where there is data, 0 for NoData and beyond the raster.

        Raises
        ------
        RasterError
            The file cannot be read there.
        """
        pixels = np.zeros((len(bands), height, width), self.dtype)
        mask = np.zeros((len(bands), height, width), np.uint8)
        if beyond == "nodata":
            for index, band in enumerate(bands):
                value = self.nodata[band]
                pixels[index] = 0 if value is None else value
        left, top = max(column, 0), max(row, 0)
        right, bottom = min(column + width, self.width), min(row + height, self.height)
        if left < right and top < bottom:
            inside = (
                slice(None),
                slice(top - row, bottom - row),
                slice(left - column, right - column),
            )
            window = (left, top, right - left, bottom - top)
            pixels[inside], mask[inside] = self._read(bands, window)
            if beyond in ("nearest", "reflect"):
                mode = "edge" if beyond == "nearest" else "symmetric"
                around = (
                    (0, 0),
                    (top - row, row + height - bottom),
                    (left - column, column + width - right),
                )
                pixels = np.pad(pixels[inside], around, mode=mode)  # type: ignore[call-overload]
        return pixels, mask

    def _read(
        self,
        bands: Sequence[int],
        window: tuple[int, int, int, int],
        shape: tuple[int, int] | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        rows, columns = shape or (window[3], window[2])
        size = {"buf_xsize": columns, "buf_ysize": rows}
        try:
            numbers = [band + 1 for band in bands]
            pixels = self.dataset.ReadAsArray(*window, band_list=numbers, **size)
            pixels = pixels.reshape(len(bands), rows, columns)
            mask = np.ones(pixels.shape, np.uint8)
            shared: np.ndarray | None = None
            for index, number in enumerate(numbers):
                band = self.dataset.GetRasterBand(number)
                flags = band.GetMaskFlags()
                if flags & gdal.GMF_ALL_VALID:
                    continue
                if flags & gdal.GMF_PER_DATASET:
                    if shared is None:
                        shared = band.GetMaskBand().ReadAsArray(*window, **size) > 0
                    mask[index] = shared
                else:
                    mask[index] = band.GetMaskBand().ReadAsArray(*window, **size) > 0
        except RuntimeError as error:
            raise RasterError(
                f"{self.path} cannot be read at column {window[0]}, row {window[1]} "
                f"({window[2]} by {window[3]} pixels): {error}"
            ) from error
        if pixels.dtype.kind == "f":
            mask &= np.isfinite(pixels)
        return pixels, mask

    def find_stretch(
        self, bands: Sequence[int], data_range: tuple[float, float], method: str
    ) -> Stretch | None:
        """The stretch that brings the raster to a range; None if it needs none.

        8-bit rasters are used as they are for the range 0 to 255, and their whole range 0 to 255
        counts as actual for any other, so that pictures keep their brightness.

        Parameters
        ----------
        bands : sequence of int
            0-based.
        data_range : (float, float)
            Range to reach.
        method : str
            One of `dlpk.stretch.STRETCHES`.

        Returns
        -------
        Stretch or None
        """
        if method == "none" or (self.dtype == np.uint8 and data_range == (0.0, 255.0)):
            return None
        if self.dtype == np.uint8:
            ends = np.zeros(len(bands)), np.full(len(bands), 255.0)
            return Stretch(*ends, data_range)
        pixels, mask = self._sample(bands)
        ranges = [find_range(p[m > 0], method) for p, m in zip(pixels, mask)]
        low, high = (np.array(values, np.float64) for values in zip(*ranges))
        return Stretch(low, high, data_range)

    def _sample(self, bands: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """A few million pixels from everywhere, with their mask."""
        overviews = self.dataset.GetRasterBand(bands[0] + 1).GetOverviewCount()
        if overviews or self.width * self.height <= WHOLE_SAMPLE_PIXELS:
            shape = (min(self.height, SAMPLE_SIDE), min(self.width, SAMPLE_SIDE))
            return self._read(bands, (0, 0, self.width, self.height), shape)
        columns = np.linspace(0, self.width - SAMPLE_WINDOW, SAMPLE_WINDOWS).astype(int)
        rows = np.linspace(0, self.height - SAMPLE_WINDOW, SAMPLE_WINDOWS).astype(int)
        parts = [
            self.read(bands, int(column), int(row), SAMPLE_WINDOW, SAMPLE_WINDOW)
            for row in rows
            for column in columns
        ]
        return (
            np.concatenate([pixels for pixels, _ in parts], axis=1),
            np.concatenate([mask for _, mask in parts], axis=1),
        )


def extent_of(transform: Sequence[float], width: int, height: int) -> Extent:
    """Bounding rectangle of a raster of this size and transform."""
    t = transform
    corners = [
        (t[0] + c * t[1] + r * t[2], t[3] + c * t[4] + r * t[5])
        for c in (0, width)
        for r in (0, height)
    ]
    xs, ys = zip(*corners)
    return Extent(min(xs), min(ys), max(xs), max(ys))


def _is_referenced(dataset: Any) -> bool:
    return tuple(dataset.GetGeoTransform()) != UNREFERENCED


def _open(path: str) -> Any:
    if not path.strip():
        raise RasterError("no raster was named")
    try:
        dataset = gdal.OpenEx(path, gdal.OF_RASTER | gdal.OF_VERBOSE_ERROR)
    except RuntimeError as error:
        exists = Path(path).exists() or "://" in path or path.startswith("/vsi") or ":" in path
        reason = str(error) if exists else "there is no such file"
        raise RasterError(f"the raster {path} cannot be opened: {reason}") from error
    if dataset.RasterCount == 0:
        subdatasets = [name for name, _ in dataset.GetSubDatasets()]
        hint = f": choose one of {', '.join(subdatasets[:5])}" if subdatasets else ""
        raise RasterError(f"the raster {path} has no bands{hint}")
    if dataset.RasterXSize == 0 or dataset.RasterYSize == 0:
        raise RasterError(f"the raster {path} is empty")
    return dataset


def _listed(extent: Extent) -> str:
    return f"{extent.xmin:.10g},{extent.ymin:.10g},{extent.xmax:.10g},{extent.ymax:.10g}"
