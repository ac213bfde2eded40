"""A legend in the forms that programs look for: colour table, categories, attribute tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal, ogr

from .legend import LegendEntry

# What has no class: to be drawn as nothing where a table can say so.
BACKGROUND = LegendEntry(0, "background", (0, 0, 0))
MOST_CATEGORIES = 65536
# Bytes of a dBASE text field.
TEXT_BYTES = 254


def write_colors(band: Any, dtype: np.dtype[Any], legend: Sequence[LegendEntry]) -> None:
    """Give a band the legend's colours and names, as far as a TIFF of its type holds them.

    Parameters
    ----------
    dtype : dtype
        Of the pixels.
    """
    values = [entry.value for entry in legend]
    if dtype in (np.uint8, np.uint16) and max(values) <= np.iinfo(dtype).max:
        colors = gdal.ColorTable()
        colors.SetColorEntry(0, (*BACKGROUND.color, 255))
        for entry in legend:
            if entry.value >= 0:
                colors.SetColorEntry(entry.value, (*entry.color, 255))
        band.SetRasterColorTable(colors)
    if min(values) >= 0 and max(values) < MOST_CATEGORIES:
        names = [BACKGROUND.name] + [""] * max(values)
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
    table.CreateColumn("Alpha", gdal.GFT_Integer, gdal.GFU_Alpha)
    entries = with_background(legend)
    table.SetRowCount(len(entries))
    for row, entry in enumerate(entries):
        table.SetValueAsInt(row, 0, entry.value)
        table.SetValueAsDouble(row, 1, float(counts.get(entry.value, 0)))
        table.SetValueAsString(row, 2, entry.name)
        for column, part in enumerate(entry.color, 3):
            table.SetValueAsInt(row, column, part)
        table.SetValueAsInt(row, 6, 0 if entry is BACKGROUND else 255)
    return table


def write_vat(
    folder: Path, name: str, legend: Sequence[LegendEntry], counts: Mapping[int, int]
) -> None:
    """Write the attribute table as ArcGIS keeps it, a dBASE file beside the raster.

    Parameters
    ----------
    name : str
        File name of the raster.
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
    entries = with_background(legend)
    for entry, class_name in zip(entries, unique_names(entries, TEXT_BYTES)):
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetField("Value", entry.value)
        feature.SetField("Count", float(counts.get(entry.value, 0)))
        feature.SetField("Class", class_name)
        for field, part in zip(("Red", "Green", "Blue"), entry.color):
            feature.SetField(field, part)
        layer.CreateFeature(feature)


def read_names(dataset: Any) -> dict[int, str]:
    """Names that a raster gives its values: categories, or a table with such a column."""
    band = dataset.GetRasterBand(1)
    band.GetMetadata()  # has GDAL 3.6 read the file beside a TIFF, which holds the names
    names = {value: str(name) for value, name in enumerate(band.GetCategoryNames() or ())}
    table = band.GetDefaultRAT()
    if not names and table is not None:
        columns = {table.GetUsageOfCol(i): i for i in range(table.GetColumnCount())}
        value = columns.get(gdal.GFU_MinMax, columns.get(gdal.GFU_Min))
        name = columns.get(gdal.GFU_Name)
        if value is not None and name is not None:
            rows = range(table.GetRowCount())
            names = {
                table.GetValueAsInt(row, value): table.GetValueAsString(row, name) for row in rows
            }
    return names


def with_background(legend: Sequence[LegendEntry]) -> list[LegendEntry]:
    """The legend with an entry for 0, unless a class has it."""
    return [*([] if any(entry.value == 0 for entry in legend) else [BACKGROUND]), *legend]


def unique_names(entries: Sequence[LegendEntry], size: int) -> list[str]:
    """Names of classes in so many bytes; those cut alike end with their value."""
    names = [shortened(entry.name, size) for entry in entries]
    return [
        name
        if names.count(name) == 1 or name == entry.name
        else f"{shortened(entry.name, size - 14)} ({entry.value})"
        for name, entry in zip(names, entries)
    ]


def shortened(text: str, size: int) -> str:
    """The beginning of a text that fits into so many bytes of UTF-8."""
    return text.encode("utf-8", "backslashreplace")[:size].decode("utf-8", "ignore")
