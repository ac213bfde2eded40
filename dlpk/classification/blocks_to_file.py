"""All blocks of a run into one file."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from ..errors import JournalError
from ..harness.memory import give_back_free_memory
from ..output.geotiff import OutputRaster
from ..raster.files import named_files
from ..raster.grid import Block
from ..raster.identity import file_identity, raster_identities
from .journal import Journal, discard_journal, journal_path
from .pipeline import Pipeline
from .provenance import band_names, hash_tag, result_legend, result_tags
from .raster_info import choose_nodata
from .result import Classified
from .session import Read, Run

# Memory is tidied up between blocks, when the function holds none, but not more often than this, in
# seconds: it takes some milliseconds.
TRIM_SECONDS = 0.25


class Task(NamedTuple):
    """A block and its place in the order of blocks."""

    number: int
    block: Block


class Made(NamedTuple):
    """Pixels and mask of a block, shape (bands, rows, columns) each."""

    pixels: np.ndarray
    mask: np.ndarray


def write_result(
    run: Run,
    target: Path,
    *,
    quiet: bool,
    debug_block: Path | None = None,
    journal: Journal | None = None,
    cog: bool = False,
    check: Callable[[], None] = lambda: None,
) -> Classified:
    """Process all blocks and write the result.

    Parameters
    ----------
    run : Run
    target : Path
        GeoTIFF to write.
    quiet : bool
        No progress bar.
    debug_block : Path, optional
        Folder that the call is kept in if one fails.
    journal : Journal, optional
        Of `open_journal`: blocks that it holds are not processed again.
    cog : bool
        Write a Cloud Optimized GeoTIFF.
    check : callable
        Called before the file gets its name; raises if it must not.

    Returns
    -------
    Classified

    Raises
    ------
    DlpkError
        The function fails, the raster cannot be read or the result not be written.
    """
    legend = result_legend(run)
    nodata = choose_nodata(run.info, legend, run.settings.nodata)
    tags = result_tags(run)
    skips = nodata is not None and run.settings.empty_blocks == "skip"
    with OutputRaster(
        target,
        run.raster,
        bands=run.info.bands,
        pixel_type=run.info.pixel_type,
        nodata=nodata,
        legend=legend,
        band_names=band_names(run),
        tile=(run.configuration.tx, run.configuration.ty),
        cog=cog,
    ) as output:

        def read(task: Task) -> Read | Made:
            saved = None if journal is None else journal.read(task.number)
            if saved is not None and _fits(run, task.block, saved):
                return Made(*saved)
            given = run.read(task.block)
            empty = skips and not run.inside(task.block, given.mask).any()
            return _nothing(run, task.block) if empty else given

        def compute(task: Task, given: Read | Made) -> tuple[Made, bool]:
            if isinstance(given, Made):
                return given, False
            return _trimmed(task.block, *run.answer(task.block, given, debug_block)), True

        def write(task: Task, done: tuple[Made, bool]) -> None:
            made, new = done
            if journal is not None and new:
                journal.add(task.number, *made)
            output.write(task.block.column, task.block.row, *made)

        stages: Pipeline[Task, Read | Made, tuple[Made, bool]] = Pipeline(read, compute, write)
        with _progress(run, quiet) as progress:
            last_trim = time.monotonic()
            hashing = threading.Thread(target=lambda: run.package.sha256, daemon=True)

            def finished(task: Task) -> None:
                nonlocal last_trim
                if task.number == 0:  # not before, when there is enough to do
                    hashing.start()
                progress.update(task.block.used_width * task.block.used_height / 1e6)
                if time.monotonic() - last_trim > TRIM_SECONDS:
                    give_back_free_memory()
                    last_trim = time.monotonic()

            blocks = run.grid.blocks(run.settings.block_order)
            stages.run((Task(*pair) for pair in enumerate(blocks)), finished)
        check()
        output.finish({**tags, **hash_tag(run)})
    if journal is not None:
        journal.remove()
    else:
        discard_journal(target)
    return Classified(
        path=target,
        width=run.raster.width,
        height=run.raster.height,
        bands=run.info.bands,
        legend=tuple(legend),
        counts=dict(output.counts),
        arguments=dict(run.scalars),
    )


def open_journal(
    target: Path, run: Run, rasters: Sequence[str], *, cog: bool, unchecked: bool = False
) -> Journal:
    """Open the journal beside a result, or begin one.

    Parameters
    ----------
    target : Path
        GeoTIFF that the run writes.
    run : Run
    rasters : sequence of str
        Names of the rasters that are classified.
    cog : bool
        Whether it is to be a Cloud Optimized GeoTIFF.
    unchecked : bool
        Accept rasters of which nothing tells whether they are still the same.

    Returns
    -------
    Journal

    Raises
    ------
    JournalError
        It is of another run, in use, or cannot be read or written.
    """
    raster = run.raster
    known, unknown = raster_identities(rasters)
    if unknown and not unchecked:
        raise JournalError(
            f"nothing tells whether {unknown[0]} is still the same when the run goes on: copy it "
            "to this machine first, or use --resume-unchecked and see to it yourself"
        )
    identity = {
        "package": run.package.sha256 or _short_hash(run.package.emd_text),
        "rasters": [list(rasters), known],
        "part of the raster": [raster.width, raster.height, *raster.transform],
        "arguments": {name: str(value) for name, value in run.scalars.items()},
        "files in arguments": [
            {"name": name, **(file_identity(name) or {})}
            for value in run.scalars.values()
            for name in named_files(str(value))
        ],
        "settings": asdict(run.settings),
        "device": run.device,
        "format": "COG" if cog else "GeoTIFF",
        "torch": _installed("torch"),
        "tags": result_tags(run),
    }
    return Journal(journal_path(target), identity)


def _fits(run: Run, block: Block, saved: Sequence[np.ndarray]) -> bool:
    shape = (run.info.bands, block.used_height, block.used_width)
    kinds = [np.dtype(run.info.pixel_type), np.dtype(np.uint8)]
    return [(part.shape, part.dtype) for part in saved] == [(shape, kind) for kind in kinds]


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _nothing(run: Run, block: Block) -> Made:
    shape = (run.info.bands, block.used_height, block.used_width)
    return Made(np.zeros(shape, run.info.pixel_type), np.zeros(shape, np.uint8))


def _trimmed(block: Block, pixels: np.ndarray, mask: np.ndarray) -> Made:
    """The part of an answer that lies in the raster."""
    inside = (slice(None), slice(block.used_height), slice(block.used_width))
    return Made(pixels[inside], mask[inside])


def _progress(run: Run, quiet: bool) -> Any:
    return tqdm(
        total=run.raster.width * run.raster.height / 1e6,
        unit="Mpx",
        desc="classify",
        # Only people want a moving bar; logs and pipes stay clean.
        disable=True if quiet else None,
        bar_format="{desc}: {percentage:3.0f}% |{bar}| {n:.2f}/{total:.2f} Mpx "
        "[{elapsed}<{remaining}, {rate_fmt}]",
    )


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
