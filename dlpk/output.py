"""The result: a GeoTIFF with legend, overviews and provenance, written beside and renamed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from osgeo import gdal, ogr

from .errors import OutputError
from .legend import LegendEntry
from .raster import Raster

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
LARGEST_TILE = 4096
DEFAULT_TILE = 256
SMALLEST_OVERVIEW = 256
BACKGROUND = (0, 0, 0)


class OutputRaster:
    """A GeoTIFF that appears under its name when it is complete.

    Parameters
    ----------
    path : str or Path
        File to write; replaced if it exists.
    raster : Raster
        Size, transform and coordinate system are taken from it.
    bands : int
    pixel_type : str
        ``u1``, ``i2``, ``f4`` and so on.
    nodata : float or None
    legend : sequence of LegendEntry
        Classes; empty for continuous values.
    band_names : sequence of str
        One per band, may be empty.
    tile : (int, int)
        Width and height of the blocks that will be written.
    tags : mapping
        Provenance, stored as metadata.

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
        tags: Mapping[str, str],
    ) -> None:
        self.path = check_output(path)
        self.dtype = np.dtype(pixel_type)
        self.legend = legend
        self.counts: dict[int, int] = {}
        self._folder = Path(tempfile.mkdtemp(prefix=f".{self.path.name}.", dir=self.path.parent))
        self._file = self._folder / self.path.name
        floating = pixel_type.startswith("f")
        options = [
            "TILED=YES",
            f"BLOCKXSIZE={tiff_tile(tile[0])}",
            f"BLOCKYSIZE={tiff_tile(tile[1])}",
            "COMPRESS=DEFLATE",
            f"PREDICTOR={3 if floating else 2}",
            "INTERLEAVE=BAND",
            "BIGTIFF=IF_SAFER",
        ]
        try:
            driver = gdal.GetDriverByName("GTiff")
            self._dataset = driver.Create(
                str(self._file), raster.width, raster.height, bands, GDAL_TYPES[pixel_type], options
            )
            self._describe(raster, nodata, band_names, tags)
        except RuntimeError as error:
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
        tags: Mapping[str, str],
    ) -> None:
        if raster.is_referenced:
            self._dataset.SetGeoTransform(raster.transform)
        if raster.projection:
            self._dataset.SetProjection(raster.projection)
        self._dataset.SetMetadata({key: value for key, value in tags.items() if value})
        for index in range(self._dataset.RasterCount):
            band = self._dataset.GetRasterBand(index + 1)
            if nodata is not None:
                band.SetNoDataValue(nodata)
            if index < len(band_names) and band_names[index]:
                band.SetDescription(band_names[index])
        if self.legend:
            self._write_colors(self._dataset.GetRasterBand(1))

    def _write_colors(self, band: Any) -> None:
        highest = max(entry.value for entry in self.legend)
        if self.dtype in (np.uint8, np.uint16) and highest <= np.iinfo(self.dtype).max:
            colors = gdal.ColorTable()
            colors.SetColorEntry(0, (*BACKGROUND, 255))
            for entry in self.legend:
                if entry.value >= 0:
                    colors.SetColorEntry(entry.value, (*entry.color, 255))
            band.SetRasterColorTable(colors)
        if min(entry.value for entry in self.legend) >= 0 and highest < 65536:
            names = ["background"] + [""] * highest
            for entry in self.legend:
                names[entry.value] = entry.name
            band.SetCategoryNames(names)

    def write(self, column: int, row: int, pixels: np.ndarray) -> None:
        """Write a block.

        Parameters
        ----------
        column, row : int
            Top left pixel.
        pixels : ndarray
            Shape (bands, rows, columns).

        Raises
        ------
        OutputError
            For example when the disk is full.
        """
        if self.dtype == np.int8:
            pixels = pixels.astype(np.int16)
        try:
            self._dataset.WriteArray(np.ascontiguousarray(pixels), column, row)
        except RuntimeError as error:
            raise OutputError(f"{self.path} cannot be written: {error}") from error
        if self.legend:
            for value, count in zip(*np.unique(pixels[0], return_counts=True)):
                self.counts[int(value)] = self.counts.get(int(value), 0) + int(count)

    def finish(self) -> None:
        """Build overviews and give the file its name.

        Raises
        ------
        OutputError
            For example when the disk is full.
        """
        try:
            if self.legend:
                table = _attribute_table(self.legend, self.counts)
                self._dataset.GetRasterBand(1).SetDefaultRAT(table)
            self._dataset.FlushCache()
            levels = _overview_levels(self._dataset.RasterXSize, self._dataset.RasterYSize)
            if levels:
                # Internal overviews are compressed like the image.
                self._dataset.BuildOverviews(
                    "AVERAGE" if self.dtype.kind == "f" else "NEAREST", levels
                )
                self._dataset.FlushCache()
            self._dataset = None
            _check_complete(self._file)
            if self.legend:
                _write_vat(self._folder, self._file.name, self.legend, self.counts)
            self._publish()
        except (RuntimeError, OSError) as error:
            raise OutputError(f"{self.path} cannot be written: {error}") from error
        finally:
            self._discard()

    def _publish(self) -> None:
        """Put the files in place, the picture last: whoever sees it sees its legend too."""
        made = sorted(self._folder.iterdir(), key=lambda file: file == self._file)
        for suffix in (".aux.xml", ".vat.dbf", ".vat.cpg", ".ovr", ".msk"):
            stale = Path(f"{self.path}{suffix}")  # describes the file that is being replaced
            if stale.name not in {file.name for file in made}:
                stale.unlink(missing_ok=True)
        for file in made:
            os.replace(file, self.path.parent / file.name)

    def _discard(self) -> None:
        self._dataset = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> OutputRaster:
        """Use as ``with``: what is not finished is removed."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove what is not finished."""
        if self._folder.exists():
            self._discard()


def check_output(path: str | Path) -> Path:
    """Check that a file can be written, before anything is computed.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Path

    Raises
    ------
    OutputError
        Says what is in the way.
    """
    path = Path(path)
    if path.is_dir():
        raise OutputError(f"{path} is a folder; name a file")
    if not path.parent.is_dir():
        raise OutputError(f"the folder {path.parent} does not exist: make it first")
    if not os.access(path.parent, os.W_OK):
        raise OutputError(f"the folder {path.parent} cannot be written to")
    return path


def tiff_tile(side: int) -> int:
    """Side of the TIFF's tiles for blocks of this side.

    Equal, where TIFF allows it, so that every tile is compressed and written once.
    """
    if side % TIFF_UNIT == 0 and SMALLEST_TILE <= side <= LARGEST_TILE:
        return side
    return DEFAULT_TILE


def _overview_levels(width: int, height: int) -> list[int]:
    levels: list[int] = []
    while max(width, height) / 2 ** len(levels) > SMALLEST_OVERVIEW:
        levels.append(2 ** (len(levels) + 1))
    return levels


def _attribute_table(legend: Sequence[LegendEntry], counts: Mapping[int, int]) -> Any:
    table = gdal.RasterAttributeTable()
    table.CreateColumn("Value", gdal.GFT_Integer, gdal.GFU_MinMax)
    table.CreateColumn("Count", gdal.GFT_Real, gdal.GFU_PixelCount)
    table.CreateColumn("Class", gdal.GFT_String, gdal.GFU_Name)
    for name, usage in (("Red", gdal.GFU_Red), ("Green", gdal.GFU_Green), ("Blue", gdal.GFU_Blue)):
        table.CreateColumn(name, gdal.GFT_Integer, usage)
    table.SetRowCount(len(legend))
    for row, entry in enumerate(legend):
        table.SetValueAsInt(row, 0, entry.value)
        table.SetValueAsDouble(row, 1, float(counts.get(entry.value, 0)))
        table.SetValueAsString(row, 2, entry.name)
        for column, part in enumerate(entry.color, 3):
            table.SetValueAsInt(row, column, part)
    return table


def _write_vat(
    folder: Path, name: str, legend: Sequence[LegendEntry], counts: Mapping[int, int]
) -> None:
    """Write the attribute table as ArcGIS keeps it, a dBASE file beside the raster."""
    driver = ogr.GetDriverByName("ESRI Shapefile")
    source = driver.CreateDataSource(str(folder / f"{name}.vat.dbf"))
    layer = source.CreateLayer(f"{name}.vat", None, ogr.wkbNone, ["ENCODING=UTF-8"])
    for field, kind, width in (
        ("Value", ogr.OFTInteger, 9),
        ("Count", ogr.OFTReal, 18),
        ("Class", ogr.OFTString, 254),
        ("Red", ogr.OFTInteger, 3),
        ("Green", ogr.OFTInteger, 3),
        ("Blue", ogr.OFTInteger, 3),
    ):
        definition = ogr.FieldDefn(field, kind)
        definition.SetWidth(width)
        layer.CreateField(definition)
    for entry in legend:
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetField("Value", entry.value)
        feature.SetField("Count", float(counts.get(entry.value, 0)))
        feature.SetField("Class", entry.name[:200])
        for field, part in zip(("Red", "Green", "Blue"), entry.color):
            feature.SetField(field, part)
        layer.CreateFeature(feature)


def _check_complete(path: Path) -> None:
    """Read the last block of every band and overview: a full disk may only show here."""
    dataset = gdal.Open(str(path))
    for number in range(1, dataset.RasterCount + 1):
        band = dataset.GetRasterBand(number)
        for part in [band, *(band.GetOverview(i) for i in range(band.GetOverviewCount()))]:
            part.ReadAsArray(part.XSize - 1, part.YSize - 1, 1, 1)
