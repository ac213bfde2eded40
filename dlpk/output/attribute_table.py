"""A legend in the forms that programs look for: colour table, categories, attribute tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal, ogr

from .legend import LegendEntry

BACKGROUND = (0, 0, 0)
MOST_CATEGORIES = 65536
# Bytes of a dBASE text field.
TEXT_BYTES = 254


def write_colors(band: Any, dtype: np.dtype[Any], legend: Sequence[LegendEntry]) -> None:
    """Give a band the legend's colours and names, as far as a TIFF of its type holds them.

    Parameters
    ----------
    band : gdal.Band
    dtype : dtype
        Of the pixels.
    legend : sequence of LegendEntry
    """
    values = [entry.value for entry in legend]
    if dtype in (np.uint8, np.uint16) and max(values) <= np.iinfo(dtype).max:
        colors = gdal.ColorTable()
        colors.SetColorEntry(0, (*BACKGROUND, 255))
        for entry in legend:
            if entry.value >= 0:
                colors.SetColorEntry(entry.value, (*entry.color, 255))
        band.SetRasterColorTable(colors)
    if min(values) >= 0 and max(values) < MOST_CATEGORIES:
        names = ["background"] + [""] * max(values)
        for entry in legend:
            names[entry.value] = entry.name
        band.SetCategoryNames(names)


def attribute_table(legend: Sequence[LegendEntry], counts: Mapping[int, int]) -> Any:
    """GDAL's attribute table, which becomes part of the ``.aux.xml`` file."""
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


def write_vat(
    folder: Path, name: str, legend: Sequence[LegendEntry], counts: Mapping[int, int]
) -> None:
    """Write the attribute table as ArcGIS keeps it, a dBASE file beside the raster.

    Parameters
    ----------
    folder : Path
    name : str
        File name of the raster.
    legend : sequence of LegendEntry
    counts : mapping
        Pixels per value.
    """
    ogr.UseExceptions()
    driver = ogr.GetDriverByName("ESRI Shapefile")
    source = driver.CreateDataSource(str(folder / f"{name}.vat.dbf"))
    layer = source.CreateLayer(f"{name}.vat", None, ogr.wkbNone, ["ENCODING=UTF-8"])
    for field, kind, width in (
        ("Value", ogr.OFTInteger, 10),
        ("Count", ogr.OFTReal, 18),
        ("Class", ogr.OFTString, TEXT_BYTES),
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
        feature.SetField("Class", shortened(entry.name, TEXT_BYTES))
        for field, part in zip(("Red", "Green", "Blue"), entry.color):
            feature.SetField(field, part)
        layer.CreateFeature(feature)


def shortened(text: str, size: int) -> str:
    """The beginning of a text that fits into so many bytes of UTF-8."""
    return text.encode("utf-8", "backslashreplace")[:size].decode("utf-8", "ignore")
