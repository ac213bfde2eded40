"""Classify Pixels Using Deep Learning: run a package over rasters."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from osgeo import gdal

from builder.target import check_folder, check_targets

from ..errors import ArgumentsError, DlpkError
from ..harness.devices import device_number
from ..harness.environment import Say, print_message, surroundings
from ..harness.phases import check_tool
from ..harness.request import CALL_FILES
from ..harness.settings import Settings
from ..output.geotiff import check_geotiff, result_files
from ..package.open import Package, open_package
from ..raster.dataset import Raster
from ..raster.extent import Extent
from ..raster.files import check_unchanged, file_states, files_of, named_files
from ..raster.gdal_config import block_cache, cache_bytes, threads
from ..raster.mosaic import mosaic, mosaic_label
from .blocks_to_file import open_journal, write_result
from .examples import Likeness, examples_folder, write_examples
from .preload import import_ahead
from .result import Classified
from .session import Run


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
    like: Sequence[Likeness] = (),
    resume: bool | Literal["checked", "unchecked"] | None = False,
    cog: bool = False,
    quiet: bool = True,
    say: Say | None = None,
) -> Classified:
    """Run a package over a raster as *Classify Pixels Using Deep Learning* does.

    Parameters
    ----------
    package : path, str or Package
        A .dlpk, a folder, an .emd, a model definition as JSON text, or what `dlpk.package.open`
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
    like : sequence of Likeness
        Places in the raster that show what to look for, for packages with the argument
        ``image_prompt``: see `dlpk.classification.examples`. The examples are kept in a folder
        beside `out`.
    resume : bool or str
        Keep finished blocks in a journal beside `out`, and go on from the one that a run that was
        killed has left there. The result is the same, byte by byte. "unchecked": also where
        nothing tells whether the raster is still the same.
    cog : bool
        Write a Cloud Optimized GeoTIFF.
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
    import_ahead(package)
    # Absolute now: functions may change the working directory.
    target = check_geotiff(out).absolute()
    kept = None if debug_block is None else Path(debug_block).absolute()
    chosen = settings or Settings()
    number = device_number(device)
    given = dict(arguments or {})
    if prompt is not None:
        if not isinstance(prompt, str):
            raise ArgumentsError(f"the prompt is {prompt!r}; it must be text, as in 'water, trees'")
        if "text_prompt" in given:
            raise ArgumentsError("the prompt is given twice: as prompt and as text_prompt")
        given["text_prompt"] = prompt
    area = Extent(*extent) if isinstance(extent, tuple) else extent
    names = [str(raster)] if isinstance(raster, (str, Path)) else [str(name) for name in raster]
    with ExitStack() as stack:
        stack.enter_context(threads())  # before rasters are opened, which ask for it then
        opened = package
        if not isinstance(opened, Package):
            opened = stack.enter_context(open_package(opened))
        check_tool(opened)
        inputs = [*files_of(names)]
        inputs += chain.from_iterable(named_files(str(value)) for value in given.values())
        inputs += [str(opened.archive or opened.root or os.devnull)]
        check_targets(result_files(target), inputs)
        states = file_states(inputs)
        if kept is not None:
            check_folder(kept, CALL_FILES, inputs)
        described: dict[str, Any] = {
            "path": mosaic(names, stack, chosen.resampling),
            "cell_size": cell_size,
            "resampling": chosen.resampling,
            "label": mosaic_label(names),
        }
        source = Raster(extent=area, **described)
        if like:
            folder = examples_folder(target)
            if not folder.exists():
                stack.push(partial(_remove_if_failed, folder, bool(resume)))
            examples = write_examples(like, source, described, opened.emd, chosen.stretch, folder)
            given["image_prompt"] = ", ".join(filter(None, [given.get("image_prompt"), examples]))
        if given.get("image_prompt"):
            # Who shows what to look for does not mean the default words as well.
            given.setdefault("text_prompt", "")
        bare = chosen.search_path == "bare"
        stack.enter_context(surroundings(opened, say or print_message, device=number, bare=bare))
        stack.enter_context(block_cache())
        run = Run.start(opened, source, given, number, chosen)
        asked, both = run.configuration, 2 * run.configuration.padding
        gdal.SetCacheMax(cache_bytes(source, asked.tx + both, asked.ty + both))
        journal = None
        if resume:
            unchecked = resume == "unchecked"
            opening = open_journal(target, run, names, cog=cog, unchecked=unchecked)
            journal = stack.enter_context(closing(opening))
        try:
            return write_result(
                run,
                target,
                quiet=quiet,
                debug_block=kept,
                journal=journal,
                cog=cog,
                check=partial(check_unchanged, states),
            )
        except DlpkError as error:
            if not journal:
                raise
            hint = f"{len(journal)} finished blocks are kept: the same command goes on from there"
            raise type(error)(f"{error}\n  {hint}") from error


def _remove_if_failed(folder: Path, kept: bool, kind: Any, *rest: Any) -> None:
    """Take the examples of a run away that came to nothing; one that goes on needs them."""
    if kind is not None and not kept:
        shutil.rmtree(folder, ignore_errors=True)


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
