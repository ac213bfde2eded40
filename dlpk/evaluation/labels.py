"""Labels to compare with: polygons or a raster, brought onto the grid of a result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal, ogr

from ..errors import TruthError
from ..raster.vectors import LIKELY_FIELDS, field_names, likely_field, placed

gdal.UseExceptions()
ogr.UseExceptions()

# Pixel values of labels on the grid; classes have 1, 2, …
UNLABELLED, OTHER = 0, 255
# Labels for what is none of the classes.
NOTHING = ("background", "other", "nothing", "none")


@dataclass(frozen=True)
class Truth:
    """Labels on the grid of a raster.

    Parameters
    ----------
    dataset : gdal.Dataset
        uint8: 0 not labelled, 1 … a class, 255 labelled as none of them.
    """

    dataset: Any

    def read(self, column: int, row: int, width: int, height: int) -> np.ndarray:
        """Labels of a window, uint8, shape (rows, columns)."""
        return np.asarray(self.dataset.GetRasterBand(1).ReadAsArray(column, row, width, height))


def open_truth(
    labels: str | Path, like: Any, classes: Sequence[str], folder: Path, field: str | None = None
) -> Truth:
    """Bring labels onto the grid of a raster.

    Polygons that say what they are mark pixels of a class. Are there polygons of several classes,
    or some called "other", then pixels outside of all polygons are unknown; is there one class
    alone, they count as not being it.

    Parameters
    ----------
    labels : path
        Any vector file GDAL reads with a field that names the class, or a raster with values 1, 2,
        … in the order of the classes (or whose categories are named like them).
    like : gdal.Dataset
        The raster.
    classes : sequence of str
        Class names, in the order of the bands.
    folder : Path
        For temporary files.
    field : str, optional
        Field with the class names; by default one that is called like it.

    Returns
    -------
    Truth

    Raises
    ------
    TruthError
        The labels cannot be opened, or name none of the classes.
    """
    try:
        source = gdal.OpenEx(str(labels), gdal.OF_VECTOR | gdal.OF_RASTER)
    except RuntimeError as error:
        raise TruthError(f"the labels {labels} cannot be opened: {error}") from error
    target = gdal.GetDriverByName("GTiff").Create(
        str(folder / "truth.tif"),
        like.RasterXSize,
        like.RasterYSize,
        1,
        gdal.GDT_Byte,
        ["TILED=YES", "COMPRESS=DEFLATE", "SPARSE_OK=TRUE", "BIGTIFF=IF_SAFER"],
    )
    target.SetGeoTransform(like.GetGeoTransform())
    target.SetProjection(like.GetProjection())
    if source.RasterCount:
        _from_raster(source, target, classes, labels)
    else:
        _from_polygons(source, target, classes, labels, field)
    target.FlushCache()
    return Truth(target)


def _from_raster(source: Any, target: Any, classes: Sequence[str], labels: str | Path) -> None:
    size = (target.RasterXSize, target.RasterYSize)
    if (source.RasterXSize, source.RasterYSize) != size:
        transform = target.GetGeoTransform()
        right, bottom = transform[0] + size[0] * transform[1], transform[3] + size[1] * transform[5]
        source = gdal.Warp(
            "",
            source,
            format="VRT",
            outputBounds=(transform[0], bottom, right, transform[3]),
            width=size[0],
            height=size[1],
            dstSRS=target.GetProjection(),
            resampleAlg="near",
        )
    band = source.GetRasterBand(1)
    values = _class_values(band, classes)
    found = 0
    for row in range(0, size[1], 512):
        rows = min(512, size[1] - row)
        given = band.ReadAsArray(0, row, size[0], rows)
        valid = band.GetMaskBand().ReadAsArray(0, row, size[0], rows) > 0
        made = np.where(valid, OTHER, UNLABELLED).astype(np.uint8)
        for number, value in enumerate(values, 1):
            made[valid & (given == value)] = number
        found += int(((made != OTHER) & (made != UNLABELLED)).sum())
        target.GetRasterBand(1).WriteArray(made, 0, row)
    if not found:
        raise TruthError(
            f"the labels {labels} hold none of the classes {', '.join(classes)} (values "
            f"{', '.join(map(str, values))})"
        )


def _class_values(band: Any, classes: Sequence[str]) -> list[int]:
    band.GetMetadata()  # has GDAL 3.6 read the file beside a TIFF, which holds the names
    names = [str(name).casefold() for name in band.GetCategoryNames() or ()]
    if all(name.casefold() in names for name in classes):
        return [names.index(name.casefold()) for name in classes]
    return list(range(1, len(classes) + 1))


def _from_polygons(
    source: Any, target: Any, classes: Sequence[str], labels: str | Path, field: str | None
) -> None:
    layer = source.GetLayer(0)
    chosen = _field(layer, labels, field, classes)
    given = _labels(layer, chosen, classes, labels)
    known = {name.casefold(): number for number, name in enumerate(classes, 1)}
    used = {known[label] for label in given if label in known}
    if not used:
        raise TruthError(
            f"the labels {labels} name none of the classes {', '.join(classes)}; they name: "
            f"{', '.join(sorted(given)) or 'nothing'}"
        )
    alone = len(used) == 1 and not given - set(known)
    band = target.GetRasterBand(1)
    band.Fill(OTHER if alone else UNLABELLED)
    in_memory = _with_values(layer, target, chosen, known)
    gdal.RasterizeLayer(target, [1], in_memory.GetLayer(0), options=["ATTRIBUTE=value"])


def _field(layer: Any, labels: str | Path, field: str | None, classes: Sequence[str]) -> str | None:
    names = field_names(layer)
    if field is not None:
        if field not in names:
            raise TruthError(f"{labels} has no field {field!r}; it has: {', '.join(names)}")
        return field
    likely = likely_field(names)
    if likely is not None:
        return likely
    if len(classes) == 1:  # everything that is drawn is the one class
        return None
    raise TruthError(
        f"{labels} has no field that is called like a class ({', '.join(LIKELY_FIELDS)}): name it "
        f"with --field; the fields are: {', '.join(names) or 'none'}"
    )


def _labels(layer: Any, field: str | None, classes: Sequence[str], labels: str | Path) -> set[str]:
    if layer.GetFeatureCount() == 0:
        raise TruthError(f"the labels {labels} are empty")
    if field is None:
        return {classes[0].casefold()}
    found = {str(feature.GetField(field) or "").strip().casefold() for feature in layer}
    layer.ResetReading()
    return found


def _with_values(layer: Any, target: Any, field: str | None, known: dict[str, int]) -> Any:
    """The polygons in the raster's coordinate system, with the value to burn."""
    memory = ogr.GetDriverByName("Memory").CreateDataSource("labels")
    system = target.GetSpatialRef()
    made = memory.CreateLayer("labels", system, ogr.wkbUnknown)
    made.CreateField(ogr.FieldDefn("value", ogr.OFTInteger))
    for feature, geometry in placed(layer, system):
        label = str(feature.GetField(field) or "").strip().casefold() if field else ""
        value = 1 if field is None else known.get(label, OTHER)
        copied = ogr.Feature(made.GetLayerDefn())
        copied.SetGeometry(geometry)
        copied.SetField("value", value)
        made.CreateFeature(copied)
    return memory
