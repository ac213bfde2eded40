"""Several rasters as one, or one by one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osgeo import gdal

from builder.scratch import scratch_folder

from ..errors import RasterError
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
    with_mask,
)

# Rasters that a message names.
MOST_LISTED = 6
# Beside images lie worlds, statistics and tables.
RASTERS = (".tif", ".tiff", ".jp2", ".vrt", ".img")
SIDECARS = (
    *(".xml", ".tfw", ".jgw", ".pgw", ".prj", ".dbf", ".cpg", ".ovr", ".msk", ".txt", ".md"),
    *(".json", ".csv", ".shp", ".shx", ".geojson"),
)


def mosaic(names: Sequence[str], stack: ExitStack, resampling: str = RESAMPLINGS[0]) -> str:
    """Put rasters together; one raster is itself.

    Later ones lie on top of earlier ones. Rasters in other coordinate systems than the first are
    warped to it. What no raster covers has no data. An alpha band becomes a mask.

    Parameters
    ----------
    names : sequence of str
        Anything GDAL opens.
    stack : ExitStack
        Removes what is made.
    resampling : str
        For rasters of several cell sizes or coordinate systems.

    Returns
    -------
    str
        Something GDAL opens.

    Raises
    ------
    RasterError
        There are none, or they cannot be put together.
    """
    if not names:
        raise RasterError("no raster was named")
    if len(names) == 1:
        return names[0]
    folder = stack.enter_context(scratch_folder())
    parts = [_part(name, folder / f"colors{index}.vrt") for index, name in enumerate(names)]
    _check_alike(parts)
    try:
        with listening():
            _put_together(parts, folder, resampling.replace("nearest", "near")).FlushCache()
    except RuntimeError as error:
        raise RasterError(
            f"the rasters cannot be put together ({', '.join(names)}): {error}"
        ) from error
    return str(folder / "mosaic.vrt")


@dataclass(frozen=True)
class _Part:
    """What has to be known of a raster to put it together with others.

    Thousands of files cannot be open at once, so each is looked at and closed.
    """

    name: str
    path: str
    bands: int
    kind: str
    nodata: float | None
    masked: bool
    referenced: bool
    turned: bool
    transform: tuple[float, ...]
    system: Any
    colors: tuple[int, ...]


def _part(name: str, colors: Path) -> _Part:
    dataset, path = open_raster(absolute(name)), absolute(name)
    try:
        with listening():
            expanded = unpaletted(dataset, str(colors))
            if expanded is not dataset:
                expanded.FlushCache()
                dataset, path = expanded, str(colors)
    except RuntimeError as error:
        raise RasterError(f"the raster {name} cannot be read: {error}") from error
    first = dataset.GetRasterBand(1)
    bands = [dataset.GetRasterBand(index + 1) for index in range(dataset.RasterCount)]
    interpretations = tuple(band.GetColorInterpretation() for band in bands)
    nodata, system = first.GetNoDataValue(), dataset.GetSpatialRef()
    return _Part(
        name=name,
        path=path,
        bands=len(bands),
        kind=gdal.GetDataTypeName(first.DataType),
        nodata=None if nodata is None else float(nodata),
        masked=has_own_mask(dataset) or interpretations[-1] == gdal.GCI_AlphaBand,
        referenced=is_referenced(dataset),
        turned=is_turned(dataset),
        transform=tuple(dataset.GetGeoTransform()),
        system=None if system is None else system.Clone(),
        colors=interpretations,
    )


def _check_alike(parts: Sequence[_Part]) -> None:
    if len({part.bands for part in parts}) > 1:
        listed = ", ".join(f"{part.name} has {part.bands}" for part in parts[:MOST_LISTED])
        raise RasterError(f"rasters of one mosaic need the same bands: {listed}")
    if len({part.kind for part in parts}) > 1:
        listed = ", ".join(f"{part.name} has {part.kind}" for part in parts[:MOST_LISTED])
        raise RasterError(f"rasters of one mosaic need the same type of pixels: {listed}")
    for part in parts:
        if not part.referenced:
            raise RasterError(
                f"{part.name} has no place on a map, so it cannot be part of a mosaic: classify "
                "the rasters one by one (--mode items)"
            )


def _put_together(parts: Sequence[_Part], folder: Path, resampling: str) -> Any:
    target = str(folder / "mosaic.vrt")
    options = {"resolution": "highest", "resampleAlg": resampling, "options": ["-strict"]}
    nodata = {part.nodata for part in parts}
    if len(nodata) == 1 and not any(part.masked for part in parts) and _share_axes(parts):
        paths = [part.path for part in parts]
        if nodata != {None}:
            return gdal.BuildVRT(target, paths, **options)
        # Without a NoData value the gaps between rasters would look like black pixels.
        inner = gdal.BuildVRT(f"{target}.inner.vrt", paths, addAlpha=True, **options)
        inner.FlushCache()
        return with_mask(inner, target)
    # Each for itself: a virtual warp takes its first raster and drops the others.
    grid = {"dstSRS": parts[0].system, "resampleAlg": resampling, **_finest(parts)}
    several_colors = len({part.colors for part in parts}) > 1
    paths = []
    for index, part in enumerate(parts):
        paths.append(str(folder / f"part{index}.vrt"))
        made = warped(gdal.Open(part.path), paths[-1], masked=True, **grid)
        # Only bands of the same colours go together; where they differ, they say nothing.
        for number in range(made.RasterCount if several_colors else 0):
            made.GetRasterBand(number + 1).SetColorInterpretation(gdal.GCI_Undefined)
        made.FlushCache()
    return gdal.BuildVRT(target, paths, **options)


def _share_axes(parts: Sequence[_Part]) -> bool:
    first = parts[0]
    return all(
        _same_system(first.system, part.system)
        and not part.turned
        and part.transform[5] < 0
        and part.colors == first.colors
        for part in parts
    )


def _finest(parts: Sequence[_Part]) -> dict[str, float]:
    """The smallest cell size among rasters of the first one's coordinate system."""
    transforms = [
        part.transform
        for part in parts
        if _same_system(parts[0].system, part.system) and not part.turned
    ]
    if not transforms:
        return {}
    return {"xRes": min(abs(t[1]) for t in transforms), "yRes": min(abs(t[5]) for t in transforms)}


def _same_system(first: Any, second: Any) -> bool:
    if first is None or second is None:
        return first is second
    return bool(first.IsSame(second))


def mosaic_label(names: Sequence[str]) -> str | None:
    """What a mosaic is called in messages and tags; None for a single raster."""
    if len(names) < 2:
        return None
    shown = [Path(name).name for name in names[:3]]
    return f"mosaic of {', '.join(shown)}" + (f" and {len(names) - 3} more" if names[3:] else "")


def rasters_in(folder: Path) -> list[str]:
    """The rasters of a folder, by name; other files are passed over.

    Raises
    ------
    RasterError
        There are none.
    """
    found = []
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise RasterError(f"the folder {folder} cannot be read: {error.strerror}") from error
    for path in paths:
        if path.is_file() and path.suffix.lower() not in SIDECARS and not path.name.startswith("."):
            try:
                with listening():
                    gdal.OpenEx(str(path), gdal.OF_RASTER)
            except (RuntimeError, UnicodeError):
                # What should be a raster and is damaged is for the run to complain of.
                if path.suffix.lower() not in RASTERS:
                    continue
            found.append(str(path))
    if not found:
        raise RasterError(f"the folder {folder} holds no raster that GDAL opens")
    return found
