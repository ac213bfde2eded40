"""Examples of what to look for ("like this one"), cut out of the raster that is classified.

Windows and polygons become small pictures with a mask, which the function gets as its argument
``image_prompt``. They are kept in a folder beside the result: to look at, and to use again, in
ArcGIS for example.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal, ogr

from ..errors import ArgumentsError, OutputError, RasterError
from ..output.png import png_bytes
from ..raster.dataset import Raster
from ..raster.extent import Extent, extent_of, listed
from ..raster.sampling import find_stretch
from ..raster.stretch import Stretch
from ..raster.vectors import POLYGONS, field_names, likely_field, placed
from .raster_info import choose_bands

gdal.UseExceptions()
ogr.UseExceptions()

# Surroundings that are kept on each side, as a share of the longer side: recipes crop to less.
CONTEXT = 0.5
# Longest side of a picture in pixels, well above what networks look at.
LARGEST_CHIP = 1024
# More examples hardly change an average, and each is encoded.
MOST_EXAMPLES = 50
UNNAMED = "like this"
FARTHEST = 1e12
RGB, BYTES = (0, 1, 2), (0.0, 255.0)


@dataclass(frozen=True)
class ExamplePrompt:
    """A class and the places where it can be seen.

    Parameters
    ----------
    places : tuple of ogr.Geometry
        Polygons in the raster's coordinate system.
    """

    name: str
    places: tuple[Any, ...]


def examples_folder(target: Path) -> Path:
    """Where the examples of a run that writes this file are kept."""
    # A double quote would end the path in the argument that names it.
    return target.with_name(f"{target.stem}-examples".replace('"', "'"))


def remove_if_failed(folder: Path, resumable: bool, kind: Any, *rest: Any) -> None:
    """Take the examples of a run away that came to nothing; one that goes on needs them."""
    if kind is not None and not resumable:
        shutil.rmtree(folder, ignore_errors=True)


def parse_window(text: str) -> tuple[str, Extent]:
    """Read ``NAME=XMIN,YMIN,XMAX,YMAX``; the name may be left out.

    Raises
    ------
    ArgumentsError
        It is not that.
    """
    name, _, numbers = text.rpartition("=")
    try:
        extent = Extent(*(float(part) for part in numbers.split(",")))
    except (TypeError, ValueError) as error:
        raise ArgumentsError(
            f"--like {text!r} is not NAME=XMIN,YMIN,XMAX,YMAX with four numbers in the raster's "
            "coordinate system"
        ) from error
    values = (extent.xmin, extent.ymin, extent.xmax, extent.ymax)
    if not all(abs(value) < FARTHEST for value in values):
        raise ArgumentsError(f"--like {text!r} holds a number that is no coordinate")
    if not (extent.xmin < extent.xmax and extent.ymin < extent.ymax):
        raise ArgumentsError(f"--like {text!r} is empty: xmin < xmax and ymin < ymax are needed")
    return " ".join(name.split()) or UNNAMED, extent


def gather_examples(
    like: Sequence[str | ExamplePrompt],
    layer: str | Path | None,
    field: str | None,
    raster: Raster,
) -> list[ExamplePrompt]:
    """All examples of a run: windows (as text, or ready), and polygons of a layer.

    Raises
    ------
    ArgumentsError
        A window, the layer or its field cannot be used.
    """
    if field is not None and layer is None:
        raise ArgumentsError("--like-field goes with --like-layer")
    examples = from_windows([parse_window(text) for text in like if isinstance(text, str)])
    examples += [example for example in like if isinstance(example, ExamplePrompt)]
    return examples if layer is None else examples + from_layer(layer, raster, field)


def from_windows(windows: Sequence[tuple[str, Extent]]) -> list[ExamplePrompt]:
    """Windows as examples; those of one name are examples of one class."""
    places: dict[str, list[Any]] = {}
    for name, extent in windows:
        ring = [(extent.xmin, extent.ymin), (extent.xmax, extent.ymin)]
        ring += [(extent.xmax, extent.ymax), (extent.xmin, extent.ymax), ring[0]]
        corners = ", ".join(f"{x!r} {y!r}" for x, y in ring)
        places.setdefault(name, []).append(ogr.CreateGeometryFromWkt(f"POLYGON (({corners}))"))
    return [ExamplePrompt(name, tuple(found)) for name, found in places.items()]


def from_layer(path: str | Path, raster: Raster, field: str | None = None) -> list[ExamplePrompt]:
    """Polygons of a file as examples, one class per value of a field.

    Parameters
    ----------
    path : path
        Any vector file GDAL reads.
    raster : Raster
        Whose coordinate system they are brought into.
    field : str, optional
        Field that names the class; by default one that is called like it, and without one they
        are all of a class called like the file.

    Returns
    -------
    list of ExamplePrompt
        In the order of their first polygons; of many the largest. Those that do not lie on the
        raster are left out.

    Raises
    ------
    ArgumentsError
        The file cannot be read, or holds no polygons.
    """
    try:
        source = gdal.OpenEx(str(path), gdal.OF_VECTOR)
    except RuntimeError as error:
        raise ArgumentsError(f"the layer {path} cannot be opened: {error}") from error
    layer = source.GetLayer(0)
    chosen = _field(layer, path, field)
    native = raster.native
    covered = extent_of(native.GetGeoTransform(), native.RasterXSize, native.RasterYSize)
    places: dict[str, list[Any]] = {}
    beside = ""
    for feature, geometry in placed(layer, raster.dataset.GetSpatialRef(), POLYGONS):
        if _is_beside(geometry, covered):  # a layer may cover more than one scene
            beside = f" on {raster.path}"
            continue
        name = Path(path).stem if chosen is None else str(feature.GetField(chosen) or "")
        if " ".join(name.split()):
            places.setdefault(" ".join(name.split()), []).append(geometry)
    if not places:
        raise ArgumentsError(f"the layer {path} holds no polygons with a class{beside}")
    return [
        ExamplePrompt(name, tuple(sorted(found, key=lambda g: -g.GetArea())[:MOST_EXAMPLES]))
        for name, found in places.items()
    ]


def _field(layer: Any, path: str | Path, field: str | None) -> str | None:
    names = field_names(layer)
    if field is not None and field not in names:
        raise ArgumentsError(f"{path} has no field {field!r}; it has: {', '.join(names) or 'none'}")
    return field or likely_field(names)


def write_examples(
    examples: Sequence[ExamplePrompt],
    raster: Raster,
    source: Mapping[str, Any],
    emd: Mapping[str, Any],
    stretch_method: str,
    folder: Path,
) -> str:
    """Cut out the examples and write them as PNG.

    Parameters
    ----------
    raster : Raster
        What is classified.
    source : mapping
        What `Raster` is made with, to make parts of it.
    emd : mapping
        The model definition: which bands are red, green and blue.
    stretch_method : str
        How the run stretches: see `dlpk.harness.settings.Settings`.
    folder : Path
        Where to write.

    Returns
    -------
    str
        The argument ``image_prompt``.

    Raises
    ------
    RasterError
        A place lies outside of the raster, or where it has no data.
    OutputError
        The folder cannot be written.
    """
    if '"' in str(folder):
        raise OutputError(
            f"the folder {folder.parent} has a double quote in its name: choose another"
        )
    bands = choose_bands(emd.get("ExtractBands") or RGB, raster)
    stretch = find_stretch(raster, bands, BYTES, stretch_method)
    whole = Raster(**source)  # examples may lie outside of the extent that is classified
    pictures: dict[Path, np.ndarray] = {}
    classes: list[str] = []
    for example in examples:
        name = example.name.replace('"', "'")
        stem = re.sub(r"[^\w-]+", "_", example.name)[:40].strip("_") or "class"
        files = []
        for number, place in enumerate(example.places, 1):
            file = folder / f"{stem}-{len(classes) + 1}-{number}.png"
            pictures[file] = _cut(place, example.name, whole, source, bands, stretch)
            files.append(f'"{file}"')
        classes.append(f'"{name}" = {" | ".join(files)}')
    try:
        folder.mkdir(exist_ok=True)
        for file, pixels in pictures.items():
            file.write_bytes(png_bytes(np.moveaxis(pixels, 0, -1)))
    except (OSError, RuntimeError) as error:
        raise OutputError(f"the examples cannot be written to {folder}: {error}") from error
    return ", ".join(classes)


def _cut(
    place: Any,
    name: str,
    raster: Raster,
    source: Mapping[str, Any],
    bands: Sequence[int],
    stretch: Stretch | None,
) -> np.ndarray:
    """A place with its surroundings: uint8, (4, rows, columns), the last band is the mask."""
    xmin, xmax, ymin, ymax = place.GetEnvelope()
    covered = raster.extent
    if _is_beside(place, covered):
        raise RasterError(
            f"the example of {name!r} at {listed(Extent(xmin, ymin, xmax, ymax))} lies outside of "
            f"{raster.path}, which covers {listed(covered)} in its own coordinate system"
        )
    margin = CONTEXT * max(xmax - xmin, ymax - ymin)
    # A place smaller than a pixel is the pixel.
    margin = max(margin, 2 * max(raster.cell_size))
    area = Extent(xmin - margin, ymin - margin, xmax + margin, ymax + margin)
    longest = max(area.xmax - area.xmin, area.ymax - area.ymin) / min(raster.cell_size)
    options = dict(source)
    if longest > LARGEST_CHIP:
        options["cell_size"] = min(raster.cell_size) * longest / LARGEST_CHIP
    part = Raster(extent=area, **options)
    pixels, valid = part.read(bands, 0, 0, part.width, part.height)
    if stretch is not None:
        pixels = stretch.apply(pixels)
    mask = _burnt(place, part) & (valid.max(axis=0) > 0)
    if not mask.any():
        raise RasterError(f"the example of {name!r} lies where {raster.path} has no data")
    shown = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return np.concatenate([shown, mask[None] * np.uint8(255)])


def _is_beside(place: Any, covered: Extent) -> bool:
    xmin, xmax, ymin, ymax = place.GetEnvelope()
    outside = xmax < covered.xmin or xmin > covered.xmax
    return bool(outside or ymax < covered.ymin or ymin > covered.ymax)


def _burnt(place: Any, part: Raster) -> np.ndarray:
    """Which pixels a polygon touches: bool, (rows, columns)."""
    memory = ogr.GetDriverByName("Memory").CreateDataSource("place")
    layer = memory.CreateLayer("place", part.dataset.GetSpatialRef(), ogr.wkbUnknown)
    feature = ogr.Feature(layer.GetLayerDefn())
    feature.SetGeometry(place)
    layer.CreateFeature(feature)
    target = gdal.GetDriverByName("MEM").Create("", part.width, part.height, 1, gdal.GDT_Byte)
    target.SetGeoTransform(part.transform)
    target.SetProjection(part.projection)
    # It warns where neither has a coordinate system.
    gdal.PushErrorHandler("CPLQuietErrorHandler")
    try:
        gdal.RasterizeLayer(target, [1], layer, burn_values=[1], options=["ALL_TOUCHED=TRUE"])
    finally:
        gdal.PopErrorHandler()
    return np.asarray(target.ReadAsArray()) > 0
