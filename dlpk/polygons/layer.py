"""A file of polygons, written beside and renamed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from osgeo import ogr

from builder.scratch import scratch_folder
from builder.target import check_targets

from ..errors import OutputError
from ..raster.gdal_files import collecting_failures

FORMATS = {
    ".gpkg": "GPKG",
    ".geojson": "GeoJSON",
    ".fgb": "FlatGeobuf",
    ".shp": "ESRI Shapefile",
}
# What else a shapefile consists of.
BESIDE_SHAPEFILE = (".shx", ".dbf", ".prj", ".cpg")
FIELDS = (
    ("value", ogr.OFTInteger64),
    ("class", ogr.OFTString),
    ("pixels", ogr.OFTInteger64),
    ("area_m2", ogr.OFTReal),
    ("area_ha", ogr.OFTReal),
    ("mean_prob", ogr.OFTReal),
)
# Bytes of a dBASE text field.
LONGEST_NAME = 254


def layer_files(path: str | Path) -> list[Path]:
    """A file of polygons and what lies beside it."""
    target = Path(path)
    shapefile = target.suffix.lower() == ".shp"
    return [target, *(target.with_suffix(end) for end in BESIDE_SHAPEFILE if shapefile)]


def check_layer(path: str | Path, inputs: Sequence[str] = ()) -> Path:
    """Check that polygons can be written, in a format that the name ends with.

    Raises
    ------
    OutputError
        Says what is in the way.
    """
    target = Path(path)
    if target.suffix.lower() not in FORMATS:
        raise OutputError(
            f"{target.name} does not say which format polygons go to: call it "
            f"{target.stem or 'polygons'}.gpkg, or let it end with {', '.join(list(FORMATS)[1:])}"
        )
    check_targets(layer_files(target), inputs)
    return target


class PolygonLayer:
    """A file of polygons that appears under its name when it is complete.

    Parameters
    ----------
    path : Path
        File to write, see `check_layer`; replaced if it exists.
    system : osr.SpatialReference or None
    fields : sequence of (str, int)
        Names and OGR's types.
    geometry : int
        OGR's type of the geometries.

    Raises
    ------
    OutputError
        The system refuses.
    """

    def __init__(
        self,
        path: Path,
        system: Any,
        fields: Sequence[tuple[str, int]],
        geometry: int = ogr.wkbMultiPolygon,
    ) -> None:
        self.path = path
        self._scratch = ExitStack()
        self._source: Any = None
        self._layer: Any = None
        try:
            self._folder = self._scratch.enter_context(scratch_folder(path.parent))
            self._file = self._folder / f"polygons{path.suffix.lower()}"
            driver = ogr.GetDriverByName(FORMATS[path.suffix.lower()])
            self._source = driver.CreateDataSource(str(self._file))
            options = {"GPKG": ["GEOMETRY_NAME=geom"], "ESRI Shapefile": ["ENCODING=UTF-8"]}
            name = "polygons" if driver.GetName() == "ESRI Shapefile" else _printable(path.stem)
            self._layer = self._source.CreateLayer(
                name, system, geometry, options.get(driver.GetName(), [])
            )
            for field, kind in fields:
                definition = ogr.FieldDefn(field, kind)
                if kind == ogr.OFTString:
                    definition.SetWidth(LONGEST_NAME)
                self._layer.CreateField(definition)
            self._layer.StartTransaction()
        except (RuntimeError, OSError, UnicodeError) as error:
            self._discard()
            raise self._failure(error) from error
        except BaseException:
            self._discard()
            raise

    def add(self, wkb: bytes, values: Sequence[Any]) -> None:
        """Add a geometry, and the values of its fields in their order.

        Raises
        ------
        OutputError
            For example when the disk is full.
        """
        feature = ogr.Feature(self._layer.GetLayerDefn())
        for index, value in enumerate(values):
            if value is not None:
                feature.SetField(index, value)
        feature.SetGeometryDirectly(ogr.CreateGeometryFromWkb(wkb))
        try:
            self._layer.CreateFeature(feature)
        except RuntimeError as error:
            raise self._failure(error) from error

    def finish(self) -> None:
        """Give the file its name.

        Raises
        ------
        OutputError
            For example when the disk is full.
        """
        try:
            self._layer.CommitTransaction()
            problems = self._close()
            if problems:
                raise OSError(problems[0])
            made = sorted(self._folder.iterdir(), key=lambda file: file == self._file)
            for file in made:  # the one that is named last: whoever sees it sees the others, too
                main = file == self._file
                os.replace(file, self.path if main else self.path.with_suffix(file.suffix))
        except (RuntimeError, OSError) as error:
            raise self._failure(error) from error
        finally:
            self._discard()

    def _failure(self, error: Exception) -> OutputError:
        return OutputError(f"{self.path} cannot be written: {error}")

    def _close(self) -> list[str]:
        with collecting_failures() as problems:
            self._layer = self._source = None
        return problems

    def _discard(self) -> None:
        self._close()
        self._scratch.close()

    def __enter__(self) -> PolygonLayer:
        """Use as ``with``: what is not finished is removed."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Remove what is not finished."""
        self._discard()


def _printable(name: str) -> str:
    """A name for a layer: text that every format can hold."""
    text = name.encode("utf-8", "replace").decode("utf-8")
    return "".join(char if char.isprintable() else "_" for char in text) or "polygons"
