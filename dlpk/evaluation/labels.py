"""Truth to compare with: polygons or a raster, on the grid of a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from osgeo import gdal, ogr, osr

from ..errors import TruthError
from ..raster.extent import extent_of
from ..raster.vectors import LIKELY_FIELDS, field_names, likely_field, placed
from .grids import NOTHING, ClassRaster, Grid, class_names, on_grid, values_of
from .measures.counts import IGNORED

gdal.UseExceptions()
ogr.UseExceptions()

# What pixels outside of all polygons are.
OUTSIDE = ("auto", "background", "unknown")
NAMELESS = "(no name)"


def open_labels(path: str | Path) -> Any:
    """Open labels, whether raster or vector.

    Raises
    ------
    TruthError
        They cannot be opened.
    """
    try:
        return gdal.OpenEx(str(path), gdal.OF_VECTOR | gdal.OF_RASTER)
    except RuntimeError as error:
        raise TruthError(f"the labels {path} cannot be opened: {error}") from error


def open_truth(
    path: str | Path,
    grid: Grid,
    classes: Sequence[str],
    folder: Path,
    *,
    field: str | None = None,
    outside: str = OUTSIDE[0],
    values: Mapping[int, int] | None = None,
    ignore: Sequence[int] = (IGNORED,),
) -> ClassRaster:
    """Bring labels onto a grid.

    Parameters
    ----------
    path : path
        Any vector file GDAL reads with a field that names the class, or a raster with values 1, 2,
        … in the order of the classes (or whose categories are named like them).
    grid : Grid
    classes : sequence of str
        Class names; the first is class 1.
    folder : Path
        For temporary files.
    field : str, optional
        Field with the class names; by default one that is called like it.
    outside : str
        What pixels outside of all polygons are: ``background``, ``unknown``, or ``auto``: unknown
        where there are polygons of several classes, or some of something else; background where
        there is one class alone.
    values : mapping, optional
        Values of a raster to classes.
    ignore : sequence of int
        Values of a raster that are not known, beside its NoData.

    Returns
    -------
    ClassRaster

    Raises
    ------
    TruthError
        The labels cannot be opened, or name none of the classes.
    """
    if outside not in OUTSIDE:
        raise TruthError(f"outside is {outside!r}; it must be one of {', '.join(OUTSIDE)}")
    source = open_labels(path)
    if source.RasterCount:
        chosen = values or _class_values(source, classes, path)
        unknown = {value: IGNORED for value in ignore if value not in chosen}
        about = {"classes of the truth": _listed(chosen, classes)}
        truth = ClassRaster(on_grid(source, grid, str(path), "near"), {**unknown, **chosen}, about)
        _check_found(truth, grid, classes, path)
        return truth
    layer = source.GetLayer(0)
    chosen_field = _field(layer, path, field, classes)
    given = _labels(layer, chosen_field, classes, path)
    known = {name.casefold(): number for number, name in enumerate(classes, 1)}
    used = {known[label] for label in given if label in known}
    if not used:
        raise TruthError(
            f"the labels {path} name none of the classes {', '.join(classes)}; they name: "
            f"{', '.join(sorted(given)) or 'nothing'}"
        )
    named = ", ".join(classes[number - 1] for number in sorted(used))
    from_field = f"field {chosen_field}: {named}"
    about = {"classes of the truth": from_field if chosen_field else f"all polygons: {named}"}
    if outside == "auto":
        alone = len(used) == 1 and not given - set(known)
        outside = "background" if alone else "unknown"
    about["outside of polygons"] = outside
    try:
        check_overlap(path, grid, "the raster")
    except TruthError as error:  # a scene without what is drawn elsewhere, or a mistake
        about["outside of polygons"] += f" ({error})"
    target = burnt(
        layer,
        chosen_field,
        known,
        grid,
        folder / "truth.tif",
        fill=0 if outside == "background" else IGNORED,
    )
    own = {**{i: i for i in range(1, len(classes) + 1)}, IGNORED: IGNORED}
    return ClassRaster(target, own, about)


def check_overlap(path: str | Path, grid: Grid, name: str) -> None:
    """Refuse polygons none of which lies on a raster.

    Parameters
    ----------
    path : path
        The labels; those of a raster are not looked at.
    grid : Grid
    name : str
        What the raster is called.

    Raises
    ------
    TruthError
        Says where both are.
    """
    source = open_labels(path)
    if source.RasterCount:
        return
    area = extent_of(grid.transform, grid.width, grid.height)
    system = osr.SpatialReference(grid.projection) if grid.projection else None
    if system is not None:
        system.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    boxes = [geometry.GetEnvelope() for _, geometry in placed(source.GetLayer(0), system)]
    if any(
        a <= area.xmax and b >= area.xmin and c <= area.ymax and d >= area.ymin
        for a, b, c, d in boxes
    ):
        return
    if not boxes:
        raise TruthError(f"the labels {path} are empty")
    ends = [f"{part(box[i] for box in boxes):.8g}" for i, part in enumerate((min, max, min, max))]
    hint = "" if system is not None else ", whose coordinate system is not known"
    raise TruthError(
        f"no polygon of {path} lies on {name}: they lie at {ends[0]} to {ends[1]}, {ends[2]} to "
        f"{ends[3]}, and the raster{hint}, at {area.xmin:.8g} to {area.xmax:.8g}, "
        f"{area.ymin:.8g} to {area.ymax:.8g}"
    )


def _listed(values: Mapping[int, int], classes: Sequence[str]) -> str:
    return ", ".join(f"{value} {classes[number - 1]}" for value, number in values.items() if number)


def open_regions(
    path: str | Path, field: str, grid: Grid, folder: Path
) -> tuple[Any, tuple[str, ...]]:
    """Polygons as numbers on a grid, one per value of a field.

    Returns
    -------
    dataset : gdal.Dataset
        uint16: region number from 0; 65535 is outside of all.
    names : tuple of str
        Of the regions, in order.

    Raises
    ------
    TruthError
        It is not a vector file with that field.
    """
    source = open_labels(path)
    if source.RasterCount:
        raise TruthError(f"{path} is a raster, and regions are polygons: name a vector file")
    layer = source.GetLayer(0)
    _field(layer, path, field, ())
    names = {_text(feature, field).casefold(): _text(feature, field) for feature in layer}
    layer.ResetReading()
    given = [name or NAMELESS for name in sorted(names.values())]
    numbers = {name.casefold(): number for number, name in enumerate(sorted(names.values()))}
    target = burnt(
        layer, field, numbers, grid, folder / "regions.tif", fill=65535, kind=gdal.GDT_UInt16
    )
    return target, tuple(given)


def burnt(
    layer: Any,
    field: str | None,
    numbers: Mapping[str, int],
    grid: Grid,
    out: Path,
    *,
    fill: int,
    kind: int = gdal.GDT_Byte,
) -> Any:
    """Burn polygons into a raster: the number of each by the text of a field, 0 for other texts.

    Parameters
    ----------
    layer : ogr.Layer
    field : str or None
        None: every polygon is number 1.
    numbers : mapping
        Case-folded text to number.
    grid : Grid
    out : Path
        File to make.
    fill : int
        Where no polygon lies.
    kind : int
        GDAL's type of the pixels.

    Returns
    -------
    gdal.Dataset
    """
    options = ["TILED=YES", "COMPRESS=LZW", "BIGTIFF=IF_SAFER"]
    driver = gdal.GetDriverByName("GTiff")
    target = driver.Create(str(out), grid.width, grid.height, 1, kind, options)
    target.SetGeoTransform(grid.transform)
    target.SetProjection(grid.projection)
    target.GetRasterBand(1).Fill(fill)
    system = osr.SpatialReference(grid.projection) if grid.projection else None
    if system is not None:
        system.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    memory = ogr.GetDriverByName("Memory").CreateDataSource("labels")
    made = memory.CreateLayer("labels", system, ogr.wkbUnknown)
    made.CreateField(ogr.FieldDefn("value", ogr.OFTInteger))
    for feature, geometry in placed(layer, system):
        copied = ogr.Feature(made.GetLayerDefn())
        copied.SetGeometry(geometry)
        number = 1 if field is None else numbers.get(_text(feature, field).casefold(), 0)
        copied.SetField("value", number)
        made.CreateFeature(copied)
    gdal.RasterizeLayer(target, [1], made, options=["ATTRIBUTE=value"])
    target.FlushCache()
    return target


def _class_values(source: Any, classes: Sequence[str], path: str | Path) -> dict[int, int]:
    names = {name.casefold(): value for value, name in class_names(source).items()}
    if all(name.casefold() in names for name in classes):
        return {names[name.casefold()]: number for number, name in enumerate(classes, 1)}
    called = {value: name for name, value in names.items()}
    for number, name in enumerate(classes, 1):
        if called.get(number, name.casefold()) != name.casefold():
            raise TruthError(
                f"the labels {path} call {number} {called[number]}, not {name}: name the class as "
                f"they do, as in '{called[number]} = {name}', or say its value with --classes "
                f"{name}={number}"
            )
    return {number: number for number in range(1, len(classes) + 1)}


def _check_found(truth: ClassRaster, grid: Grid, classes: Sequence[str], path: str | Path) -> None:
    for window in grid.blocks(1024):
        read = truth.read(window)
        if ((read > 0) & (read != IGNORED)).any():
            return
    values = values_of(truth.dataset)
    wanted = ", ".join(str(value) for value, c in truth.values.items() if c != IGNORED)
    raise TruthError(
        f"the labels {path} hold none of the classes {', '.join(classes)} (values "
        f"{wanted}) where they are compared; they hold "
        f"{', '.join(map(str, values[:20])) or 'nothing'}"
    )


def _field(layer: Any, path: str | Path, field: str | None, classes: Sequence[str]) -> str | None:
    names = field_names(layer)
    if field is not None:
        if field not in names:
            raise TruthError(f"{path} has no field {field!r}; it has: {', '.join(names)}")
        return field
    likely = likely_field(names)
    if likely is not None:
        return likely
    if len(classes) == 1:  # everything that is drawn is the one class
        return None
    raise TruthError(
        f"{path} has no field that is called like a class ({', '.join(LIKELY_FIELDS)}): name it "
        f"with --field; the fields are: {', '.join(names) or 'none'}"
    )


def label_names(path: str | Path, field: str | None, classes: Sequence[str] = ("",)) -> list[str]:
    """Names that labels give their classes, without those of what is none; empty if none do.

    Raises
    ------
    TruthError
        Polygons have no field that names a class, and there are other `classes` than one.
    """
    source = open_labels(path)
    if source.RasterCount:
        return list(class_names(source).values())
    layer = source.GetLayer(0)
    chosen = _field(layer, path, field, classes)
    given = {} if chosen is None else {_text(feature, chosen): None for feature in layer}
    return sorted(name for name in given if name.casefold() not in NOTHING)


def _labels(layer: Any, field: str | None, classes: Sequence[str], path: str | Path) -> set[str]:
    if layer.GetFeatureCount() == 0:
        raise TruthError(f"the labels {path} are empty")
    if field is None:
        return {classes[0].casefold()}
    found = {_text(feature, field).casefold() for feature in layer}
    layer.ResetReading()
    return found


def _text(feature: Any, field: str) -> str:
    return str(feature.GetField(field) or "").strip()
