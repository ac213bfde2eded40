"""Several rasters as one, or one by one."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from osgeo import gdal

from .errors import OutputError, RasterError

# Beside images lie worlds, statistics and tables.
SIDECARS = (
    ".xml",
    ".tfw",
    ".jgw",
    ".pgw",
    ".prj",
    ".dbf",
    ".cpg",
    ".ovr",
    ".msk",
    ".txt",
    ".md",
    ".json",
    ".csv",
    ".shp",
    ".shx",
    ".geojson",
)


def mosaic(names: Sequence[str], stack: ExitStack) -> str:
    """Put rasters together; one raster is itself.

    Later ones lie on top of earlier ones. Rasters in other coordinate systems than the first are
    warped to it.

    Parameters
    ----------
    names : sequence of str
        Anything GDAL opens.
    stack : ExitStack
        Removes what is made.

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
    opened = [_open(name) for name in names]
    counts = {dataset.RasterCount for dataset in opened}
    if len(counts) > 1:
        listed = ", ".join(f"{name} has {d.RasterCount}" for name, d in zip(names, opened))
        raise RasterError(f"rasters of one mosaic need the same bands: {listed}")
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="dlpk-mosaic-"))
    target = str(Path(folder) / "mosaic.vrt")
    systems = [dataset.GetSpatialRef() for dataset in opened]
    same = all(_same_system(systems[0], system) for system in systems[1:])
    turned = any(d.GetGeoTransform()[2] or d.GetGeoTransform()[4] for d in opened)
    try:
        if same and not turned:
            made = gdal.BuildVRT(target, opened, resolution="highest", resampleAlg="bilinear")
        else:
            made = gdal.Warp(
                target, opened, format="VRT", dstSRS=systems[0], resampleAlg="bilinear"
            )
        if made is None:
            raise RasterError(f"the rasters cannot be put together: {', '.join(names)}")
        made.FlushCache()
    except RuntimeError as error:
        raise RasterError(f"the rasters cannot be put together: {error}") from error
    return target


def rasters_in(folder: Path) -> list[str]:
    """The rasters of a folder, by name; other files are passed over.

    Raises
    ------
    RasterError
        There are none.
    """
    found = []
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix.lower() not in SIDECARS and not path.name.startswith("."):
            try:
                gdal.OpenEx(str(path), gdal.OF_RASTER)
            except RuntimeError:
                continue
            found.append(str(path))
    if not found:
        raise RasterError(f"the folder {folder} holds no raster that GDAL opens")
    return found


def item_jobs(names: Sequence[str], folder: Path) -> list[tuple[list[str], str]]:
    """Pair each raster with a file of its own in a folder.

    Raises
    ------
    RasterError
        Two rasters would be written to the same file.
    OutputError
        The folder does not exist.
    """
    if not folder.is_dir():
        raise OutputError(f"the folder {folder} does not exist: make it first")
    jobs = [([name], str(folder / (Path(name).stem + ".tif"))) for name in names]
    targets = [target for _, target in jobs]
    twice = sorted({target for target in targets if targets.count(target) > 1})
    if twice:
        raise RasterError(f"several rasters have the same name, {twice[0]} would be overwritten")
    return jobs


def _open(name: str) -> gdal.Dataset:
    try:
        return gdal.OpenEx(name, gdal.OF_RASTER | gdal.OF_VERBOSE_ERROR)
    except RuntimeError as error:
        raise RasterError(f"the raster {name} cannot be opened: {error}") from error


def _same_system(first: object, second: object) -> bool:
    if first is None or second is None:
        return first is second
    return bool(first.IsSame(second))  # type: ignore[attr-defined]
