"""Classify Pixels Using Deep Learning: run a package over rasters."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from osgeo import gdal

from .container import open_package
from .errors import ArgumentsError
from .function import Say, print_message, surroundings
from .isolation import is_isolated, protect
from .mosaic import mosaic
from .output import check_output
from .phases import check_tool
from .raster import Extent, Raster
from .result import Classified
from .run import Run
from .settings import Settings

# The block cache of GDAL: enough for a row of blocks of a very wide raster.
CACHE_BYTES = 256 << 20


def classify(
    package: str | Path,
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
    package : path or str
        A .dlpk, a folder, an .emd, or a model definition as JSON text.
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
    target = check_output(out)
    number = device_number(device)
    given = dict(arguments or {})
    if prompt is not None:
        if "text_prompt" in given:
            raise ArgumentsError("the prompt is given twice: as prompt and as text_prompt")
        given["text_prompt"] = prompt
    area = Extent(*extent) if isinstance(extent, tuple) else extent
    gdal.SetCacheMax(CACHE_BYTES)
    with ExitStack() as stack:
        opened = stack.enter_context(open_package(package))
        check_tool(opened)
        if is_isolated() and opened.root is not None:
            protect(opened.root)
        names = [str(raster)] if isinstance(raster, (str, Path)) else [str(name) for name in raster]
        for name in names:
            check_not_input(name, target)
        source = Raster(mosaic(names, stack), extent=area, cell_size=cell_size)
        gpu = number if number >= 0 else None
        stack.enter_context(surroundings(opened, say or print_message, gpu=gpu))
        run = Run.start(opened, source, given, number, settings or Settings())
        kept = None if debug_block is None else Path(debug_block).absolute()
        return run.write(target.absolute(), quiet=quiet, debug_block=kept)


def check_not_input(raster: str, target: Path) -> None:
    """Refuse to replace the input by the output.

    Raises
    ------
    ArgumentsError
        They are the same file.
    """
    path = Path(raster)
    if target.exists() and path.exists() and path.samefile(target):
        raise ArgumentsError(
            f"{target} is the raster to classify; name another file for the result"
        )


def device_number(device: str) -> int:
    """The number that ArcGIS passes for a device (contract, section 3).

    Parameters
    ----------
    device : str
        ``auto`` (-2), ``cpu`` (-1) or ``cuda:N`` (N).

    Raises
    ------
    ArgumentsError
        It is none of these.
    """
    if device in ("auto", "cpu"):
        return -2 if device == "auto" else -1
    found = re.fullmatch(r"cuda(?::(\d+))?", device)
    if not found:
        raise ArgumentsError(f"device is {device!r}; it must be auto, cpu or cuda:N")
    return int(found[1] or 0)


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
