"""The result: a GeoTIFF with legend, overviews and provenance, written beside and renamed."""

from __future__ import annotations

import os
import shutil
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal

from builder.scratch import one_at_a_time, scratch_folder
from builder.target import check_targets

from ..errors import OutputError
from ..raster.dataset import Raster
from ..raster.gdal_config import threads
from ..raster.gdal_files import collecting_failures
from .attribute_table import attribute_table, write_colors, write_vat
from .cog import rearrange
from .legend import LegendEntry
from .tile_writer import TileWriter

GDAL_TYPES = {
    "u1": gdal.GDT_Byte,
    "u2": gdal.GDT_UInt16,
    "u4": gdal.GDT_UInt32,
    # GDAL before 3.7 has no signed bytes; the next larger type holds them.
    "i1": gdal.GDT_Int16,
    "i2": gdal.GDT_Int16,
    "i4": gdal.GDT_Int32,
    "f4": gdal.GDT_Float32,
    "f8": gdal.GDT_Float64,
}
# Tiles of a TIFF have sides that are multiples of 16.
TIFF_UNIT = 16
SMALLEST_TILE = 64
LARGEST_TILE = 512
DEFAULT_TILE = 256
SMALLEST_OVERVIEW = 256
# What describes a GeoTIFF, beside it.
SIDECARS = (".aux.xml", ".vat.dbf", ".vat.cpg", ".ovr", ".msk")
GEOTIFF = ("tif", "tiff")
# Pixels: to be counted, they are turned into the widest integers.
COUNTED_AT_ONCE = 1 << 20


class OutputRaster:
    """A GeoTIFF that appears under its name when it is complete.

    Parameters
    ----------
    path : str or Path
        File to write; replaced if it exists.
    raster : Raster
        Size, transform and coordinate system are taken from it.
    pixel_type : str
        ``u1``, ``i2``, ``f4`` and so on.
    nodata : float or None
        Value of pixels without data; None: a mask tells them apart, and no value is taken from
        the function.
    legend : sequence of LegendEntry
        Classes; empty for continuous values.
    band_names : sequence of str
        One per band, may be empty.
    tile : (int, int)
        Width and height of the blocks that will be written.
    cog : bool
        Arrange the finished file as a Cloud Optimized GeoTIFF.

    Raises
    ------
    OutputError
        The folder is missing or read-only.
    """

    def __init__(
        self,
        path: str | Path,
        raster: Raster,
        *,
        bands: int,
        pixel_type: str,
        nodata: float | None,
        legend: Sequence[LegendEntry],
        band_names: Sequence[str],
        tile: tuple[int, int],
        cog: bool = False,
    ) -> None:
        self.path = Path(path)
        check_targets(result_files(path))
        self.cog = cog
        self.dtype = np.dtype(pixel_type)
        self.nodata = nodata
        self.legend = legend
        self.counts: dict[int, int] = {}
        self._collisions = 0
        self._dataset: Any = None
        self._tiles: Any = None
        self._mask: Any = None
        self._scratch = ExitStack()
        try:
            self._folder = self._scratch.enter_context(scratch_folder(self.path.parent))
        except OSError as error:
            raise OutputError(
                f"the folder {self.path.parent} cannot be written to: {error.strerror}"
            ) from error
        self._file = self._folder / self.path.name
        width, height = (tiff_tile(side) for side in tile)
        options = [
            "TILED=YES",
            f"BLOCKXSIZE={width}",
            f"BLOCKYSIZE={height}",
            "COMPRESS=DEFLATE",
            f"PREDICTOR={3 if pixel_type.startswith('f') else 2}",
            "INTERLEAVE=BAND",
            "BIGTIFF=IF_SAFER",
        ]
        try:
            driver = gdal.GetDriverByName("GTiff")
            self._dataset = driver.Create(
                str(self._file), raster.width, raster.height, bands, GDAL_TYPES[pixel_type], options
            )
            self._describe(raster, nodata, band_names)
            self._tiles = TileWriter(self._dataset, width, height)
        except (RuntimeError, UnicodeError) as error:
            self._discard()
            raise OutputError(f"{self.path} cannot be written: {error}") from error
        except BaseException:
            self._discard()
            raise

    def _describe(
        self,
        raster: Raster,
        nodata: float | None,
        band_names: Sequence[str],
    ) -> None:
        if raster.is_referenced:
            self._dataset.SetGeoTransform(raster.transform)
        if raster.projection:
            self._dataset.SetProjection(raster.projection)
        for index in range(self._dataset.RasterCount):
            band = self._dataset.GetRasterBand(index + 1)
            if nodata is not None:
                band.SetNoDataValue(nodata)
            if index < len(band_names) and band_names[index]:
                band.SetDescription(band_names[index])
        if self.legend:
            write_colors(self._dataset.GetRasterBand(1), self.dtype, self.legend)

    def write(self, column: int, row: int, pixels: np.ndarray, mask: np.ndarray) -> None:
        """Write a block.

        Parameters
        ----------
        column, row : int
            Top left pixel.
        pixels, mask : ndarray
            Shape (bands, rows, columns); where the mask is 0, there is no data.

        Raises
        ------
        OutputError
            For example when the disk is full.
        """
        valid = mask > 0
        empty = np.array(self.nodata or 0).astype(pixels.dtype)
        if self.nodata is not None:
            self._collisions += int(np.count_nonzero((pixels == empty) & valid))
        pixels = np.where(valid, pixels, empty)
        if self.dtype == np.int8:
            pixels = pixels.astype(np.int16)
        try:
            self._tiles.write(column, row, pixels)
            if self.nodata is None:
                self._hide(column, row, np.asarray(valid.any(axis=0)))
        except RuntimeError as error:
            raise self._failure(error) from error
        if self.legend:
            for value, count in _counted(pixels[0][valid[0]]):
                self.counts[value] = self.counts.get(value, 0) + count

    def _hide(self, column: int, row: int, valid: np.ndarray) -> None:
        """Mask pixels; the file has no mask until the first one."""
        if valid.all():
            return
        if self._mask is None:
            gdal.SetThreadLocalConfigOption("GDAL_TIFF_INTERNAL_MASK", "YES")
            self._dataset.CreateMaskBand(gdal.GMF_PER_DATASET)
            gdal.SetThreadLocalConfigOption("GDAL_TIFF_INTERNAL_MASK", None)
            self._mask = self._dataset.GetRasterBand(1).GetMaskBand()
            self._mask.Fill(255)
        self._mask.WriteArray(np.where(valid, 255, 0).astype(np.uint8), column, row)
        self._mask.FlushCache()  # into the file now, as tiles are

    def finish(self, tags: Mapping[str, str]) -> None:
        """Build overviews and give the file its name.

        Parameters
        ----------
        tags : mapping
            Provenance, stored as metadata.

        Raises
        ------
        OutputError
            For example when the disk is full.
        """
        if self._collisions:
            warnings.warn(
                f"{self._collisions} valid pixels of {self.path.name} have the value "
                f"{self.nodata:g}, which also marks NoData there: have the function declare a "
                "noData value in updateRasterInfo that it never returns",
                stacklevel=2,
            )
        classes = {entry.value for entry in self.legend} | {0, self.nodata}
        strange = sorted(value for value in self.counts if value not in classes)
        if strange:
            listed = ", ".join(map(str, strange[:10])) + (", …" if strange[10:] else "")
            warnings.warn(
                f"{sum(self.counts[value] for value in strange):,} pixels of {self.path.name} have "
                f"values that are in no class: {listed}",
                stacklevel=2,
            )
        try:
            if self.legend:
                table = attribute_table(self.legend, self.counts)
                self._dataset.GetRasterBand(1).SetDefaultRAT(table)
            self._dataset.SetMetadata({key: value for key, value in tags.items() if value})
            self._dataset.FlushCache()
            levels = _overview_levels(self._dataset.RasterXSize, self._dataset.RasterYSize)
            if levels:
                # Internal overviews are compressed like the image. Several threads would lay
                # their tiles in another order.
                with threads(1):
                    self._dataset.BuildOverviews(
                        "AVERAGE" if self.dtype.kind == "f" else "NEAREST", levels
                    )
                self._dataset.FlushCache()
            problems = self._close()
            if problems:
                raise OSError(problems[0])
            if self.cog:
                rearrange(self._file, floating=self.dtype.kind == "f")
            _check_complete(self._file)
            if self.legend:
                with collecting_failures() as problems:
                    write_vat(self._folder, self._file.name, self.legend, self.counts)
                empty = [file for file in self._folder.iterdir() if not file.stat().st_size]
                if problems or empty:
                    raise OSError(problems[0] if problems else f"{empty[0].name} came out empty")
            self._publish()
        except (RuntimeError, OSError) as error:
            raise self._failure(error) from error
        finally:
            self._discard()

    def _failure(self, error: Exception) -> OutputError:
        # Frames of the failed call hold the dataset, which could not be closed then.
        traceback.clear_frames(error.__traceback__)
        reason = str(error)
        with suppress(OSError):
            left = shutil.disk_usage(self._folder).free
            if left < 1 << 20:  # what GDAL says of it may be anything
                reason = (
                    f"the disk is full ({left:,} bytes are free): make room or choose another "
                    f"folder ({error})"
                )
        return OutputError(f"{self.path} cannot be written: {reason}")

    def _close(self) -> list[str]:
        """Close the file; returns what went wrong."""
        with collecting_failures() as problems:
            self._mask = self._dataset = self._tiles = None
        return problems

    def _publish(self) -> None:
        """Put the files in place, the picture last: whoever sees it sees its legend too."""
        made = sorted(self._folder.iterdir(), key=lambda file: file == self._file)
        with one_at_a_time(self.path.parent):  # or two runs' files would mix
            for stale in result_files(self.path)[1:]:  # describes the file that is being replaced
                if stale.name not in {file.name for file in made}:
                    stale.unlink(missing_ok=True)
            for file in made:
                os.replace(file, self.path.parent / file.name)

    def _discard(self) -> None:
        # Frames of what was interrupted hold the dataset, which would be closed in no folder.
        traceback.clear_frames(sys.exc_info()[2])
        self._close()
        self._scratch.close()

    def __enter__(self) -> OutputRaster:
        """Use as ``with``: what is not finished is removed."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Remove what is not finished."""
        self._discard()


def result_files(path: str | Path) -> list[Path]:
    """A GeoTIFF and the files beside it, all of which are written or removed with it."""
    return [Path(path), *(Path(f"{path}{suffix}") for suffix in SIDECARS)]


def check_geotiff(path: str | Path) -> Path:
    """Check that a GeoTIFF can be written, and that its name is not that of another format.

    Raises
    ------
    OutputError
        Says what is in the way.
    """
    target = Path(path)
    check_targets(result_files(target))
    ending = target.suffix.lower().lstrip(".")
    if ending not in GEOTIFF and ending in _raster_endings():
        raise OutputError(
            f"the result is a GeoTIFF, and {target.name} is called like a file of another format: "
            f"call it {target.stem}.tif"
        )
    return target


def check_png(path: str | Path) -> Path:
    """Check that a picture can be written, and that it is called like one.

    Raises
    ------
    OutputError
        Says what is in the way.
    """
    target = Path(path)
    check_targets([target])
    if target.suffix.lower() != ".png":
        raise OutputError(f"the picture is a PNG: call it {target.stem}.png, not {target.name}")
    return target


def _counted(values: np.ndarray) -> Iterator[tuple[int, int]]:
    """Every value that occurs, and how often."""
    if values.dtype in (np.uint8, np.uint16):  # far quicker than sorting them
        counts = np.zeros(np.iinfo(values.dtype).max + 1, np.int64)
        for start in range(0, len(values), COUNTED_AT_ONCE):
            part = values[start : start + COUNTED_AT_ONCE]
            counts += np.bincount(part, minlength=len(counts))
        yield from ((int(value), int(counts[value])) for value in np.flatnonzero(counts))
    else:
        for value, count in zip(*np.unique(values, return_counts=True)):
            yield int(value), int(count)


def _raster_endings() -> set[str]:
    """What files of all formats end with that GDAL reads as rasters."""
    drivers = (gdal.GetDriver(index) for index in range(gdal.GetDriverCount()))
    rasters = (driver for driver in drivers if driver.GetMetadataItem("DCAP_RASTER"))
    endings = (str(driver.GetMetadataItem("DMD_EXTENSIONS") or "") for driver in rasters)
    return {ending.lower() for several in endings for ending in several.split()}


def tiff_tile(side: int) -> int:
    """Side of the TIFF's tiles for blocks of this side.

    A block is made of whole tiles where TIFF allows it, so that none has to wait for its
    neighbours.
    """
    sides = range(LARGEST_TILE, SMALLEST_TILE - 1, -TIFF_UNIT)
    return next((tile for tile in sides if side % tile == 0), DEFAULT_TILE)


def _overview_levels(width: int, height: int) -> list[int]:
    levels: list[int] = []
    while max(width, height) / 2 ** len(levels) > SMALLEST_OVERVIEW:
        levels.append(2 ** (len(levels) + 1))
    return levels


def _check_complete(path: Path) -> None:
    """Read the last block of every band and overview: a full disk may only show here."""
    dataset = gdal.Open(str(path))
    for number in range(1, dataset.RasterCount + 1):
        band = dataset.GetRasterBand(number)
        for part in [band, *(band.GetOverview(i) for i in range(band.GetOverviewCount()))]:
            part.ReadAsArray(part.XSize - 1, part.YSize - 1, 1, 1)
