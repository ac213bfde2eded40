"""Classify Pixels Using Deep Learning: run a package over rasters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal

from .container import Package, open_package
from .devices import device_number
from .errors import ArgumentsError
from .extent import Extent
from .mosaic import check_not_input, mosaic, mosaic_label
from .output import check_output, tiff_tile
from .phases import check_tool
from .raster import Raster
from .result import Classified
from .run import Run
from .settings import Settings
from .surroundings import Say, print_message, surroundings

# The block cache of GDAL in bytes.
SMALLEST_CACHE, LARGEST_CACHE = 8 << 20, 256 << 20


def classify(
    package: str | Path | Package,
    raster: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    prompt: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    device: str = "auto",
    extent: Extent | tuple[float, float, float, float] | None = None,
    cell_size: float | None = None,
    settings: Settings | None = None,
    debug_block: str | Path | None = None,
    quiet: bool = True,
    say: Say | None = None,
) -> Classified:
    """Run a package over a raster as *Classify Pixels Using Deep Learning* does.

    Parameters
    ----------
    package : path, str or Package
        A .dlpk, a folder, an .emd, a model definition as JSON text, or what `dlpk.container`
        opened.
    raster : path, str or several
        Anything GDAL opens; several are put together as one mosaic.
    out : path
        GeoTIFF to write.
    prompt : str, optional
        The argument ``text_prompt``.
    arguments : mapping, optional
        Other arguments of the function, by name.
    device : str
        ``auto``, ``cpu`` or ``cuda:N``.
    extent : Extent or tuple, optional
        Part of the raster, in its coordinate system.
    cell_size : float, optional
        To resample to, in map units.
    settings : Settings, optional
        Choices where ArcGIS's behaviour is not documented.
    debug_block : path, optional
        Folder that the inputs of a failing call are kept in.
    quiet : bool
        No progress bar.
    say : callable, optional
        Takes level and text of what the function says.

    Returns
    -------
    Classified

    Raises
    ------
    DlpkError
        Names what is wrong; nothing is left half-written.
    """
    # Absolute now: functions may change the working directory.
    target = check_output(out).absolute()
    kept = None if debug_block is None else Path(debug_block).absolute()
    chosen = settings or Settings()
    number = device_number(device)
    given = dict(arguments or {})
    if prompt is not None:
        if "text_prompt" in given:
            raise ArgumentsError("the prompt is given twice: as prompt and as text_prompt")
        given["text_prompt"] = prompt
    area = Extent(*extent) if isinstance(extent, tuple) else extent
    names = [str(raster)] if isinstance(raster, (str, Path)) else [str(name) for name in raster]
    with ExitStack() as stack:
        opened = package
        if not isinstance(opened, Package):
            opened = stack.enter_context(open_package(opened))
        check_tool(opened)
        for name in names:
            check_not_input(name, target)
        source = Raster(
            mosaic(names, stack, chosen.resampling),
            extent=area,
            cell_size=cell_size,
            resampling=chosen.resampling,
            label=mosaic_label(names),
        )
        bare = chosen.search_path == "bare"
        stack.enter_context(surroundings(opened, say or print_message, device=number, bare=bare))
        stack.enter_context(block_cache())
        run = Run.start(opened, source, given, number, chosen)
        gdal.SetCacheMax(cache_bytes(run))
        return run.write(target, quiet=quiet, debug_block=kept)


@contextmanager
def block_cache() -> Iterator[None]:
    """Limit how much of rasters GDAL keeps, for the time of a ``with`` block.

    Its own default is a share of the machine's memory, which large rasters fill.
    """
    before = gdal.GetCacheMax()
    gdal.SetCacheMax(SMALLEST_CACHE)
    try:
        yield
    finally:
        gdal.SetCacheMax(before)


def cache_bytes(run: Run) -> int:
    """What reading and writing blocks needs, and no more.

    Where the file is stored in strips that is a row of blocks: each strip is decoded once then,
    not once per block. The same holds for tiles of the result that several blocks make up.
    """
    raster, wanted = run.raster, run.configuration
    side = raster.dataset.GetRasterBand(1).GetBlockSize()
    columns = min(raster.dataset.RasterXSize, wanted.tx + 2 * wanted.padding + 2 * side[0])
    rows = wanted.ty + 2 * wanted.padding + 2 * side[1]
    needed = columns * rows * (raster.dataset.RasterCount + 1) * raster.dtype.itemsize
    if wanted.tx % tiff_tile(wanted.tx) or wanted.ty % tiff_tile(wanted.ty):
        pixel = run.info.bands * np.dtype(run.info.pixel_type).itemsize
        needed += raster.width * (wanted.ty + 2 * tiff_tile(wanted.ty)) * pixel
    return int(min(LARGEST_CACHE, max(SMALLEST_CACHE, needed)))


def parse_extent(text: str) -> Extent:
    """Read ``xmin,ymin,xmax,ymax``.

    Raises
    ------
    ArgumentsError
        It is not four numbers.
    """
    try:
        xmin, ymin, xmax, ymax = (float(part) for part in text.replace(",", " ").split())
    except ValueError as error:
        raise ArgumentsError(
            f"the extent {text!r} is not four numbers xmin,ymin,xmax,ymax"
        ) from error
    return Extent(xmin, ymin, xmax, ymax)
