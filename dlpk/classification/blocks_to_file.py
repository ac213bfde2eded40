"""All blocks of a run into one file."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from ..errors import CancelledError, JournalError
from ..output.geotiff import OutputRaster
from ..raster.files import named_files
from ..raster.grid import Block
from ..raster.identity import file_identity, raster_identities
from .block_call import BlockInput, BlockResult, empty_result, read_or_empty, trimmed
from .finished.journal import Journal, discard_journal, journal_path
from .pipeline import run_stages
from .progress import Progress
from .provenance import band_names, result_legend, result_tags
from .raster_info import choose_nodata
from .result import Classified
from .session import Session


class Task(NamedTuple):
    """A block and its place in the order of blocks."""

    number: int
    block: Block


def write_result(
    session: Session,
    target: Path,
    *,
    progress: Progress | None = None,
    debug_block: Path | None = None,
    journal: Journal | None = None,
    cog: bool = False,
    check: Callable[[], None] = lambda: None,
    left_out: Mapping[int, str] = MappingProxyType({}),
) -> Classified:
    """Process all blocks and write the result.

    Parameters
    ----------
    target : Path
        GeoTIFF to write.
    progress : callable, optional
        Told after each block how many pixels of how many are done; may answer False to stop.
    debug_block : Path, optional
        Folder that the call is kept in if one fails.
    journal : Journal, optional
        Of `open_journal`: blocks that it holds are not processed again.
    cog : bool
        Write a Cloud Optimized GeoTIFF.
    check : callable
        Called before the file gets its name; raises if it must not.
    left_out : mapping
        Numbers of blocks that stay without data, as they fail, with the reason. The result says
        so, and its journal is kept.

    Raises
    ------
    DlpkError
        The function fails, the raster cannot be read, the result cannot be written, or the run is
        stopped.
    """
    legend = result_legend(session)
    nodata = choose_nodata(session.info, legend)
    tags = result_tags(session)
    with OutputRaster(
        target,
        session.raster,
        bands=session.info.bands,
        pixel_type=session.info.pixel_type,
        nodata=nodata,
        legend=legend,
        band_names=band_names(session),
        tile=(session.configuration.tx, session.configuration.ty),
        cog=cog,
    ) as output:

        def read(task: Task) -> BlockInput | BlockResult:
            saved = None if journal is None else journal.read(task.number)
            if saved is not None and _fits(session, task.block, saved):
                return BlockResult(*saved)
            if task.number in left_out:
                return empty_result(session, task.block)
            return read_or_empty(session, task.block)

        def compute(task: Task, pixels: BlockInput | BlockResult) -> tuple[BlockResult, bool]:
            if isinstance(pixels, BlockResult):
                return pixels, False
            return trimmed(task.block, session.call(task.block, pixels, debug_block)), True

        def write(task: Task, computed: tuple[BlockResult, bool]) -> None:
            result, new = computed
            if journal is not None and new:
                journal.add(task.number, *result)
            output.write(task.block.column, task.block.row, *result)

        done, total = 0, session.raster.width * session.raster.height
        hashing = threading.Thread(target=lambda: session.loaded.package.sha256, daemon=True)

        def finished(task: Task) -> None:
            nonlocal done
            if task.number == 0:  # not before, when there is enough to do
                hashing.start()
            done += task.block.used_width * task.block.used_height
            if progress is not None and progress(done, total) is False:
                raise CancelledError(f"stopped; {target} is not written")

        tasks = (Task(*pair) for pair in enumerate(session.grid.blocks()))
        try:
            run_stages(tasks, read, compute, write, finished)
        finally:
            if hashing.ident is not None:  # it reads a file that may be closed from here on
                hashing.join()
        check()
        tags["DLPK_PACKAGE_SHA256"] = session.loaded.package.sha256 or ""
        if left_out:
            tags["DLPK_INCOMPLETE"] = f"{len(left_out)} of {len(session.grid)} blocks failed"
        output.finish(tags)
    if journal is not None and not left_out:
        journal.remove()
    elif journal is None:
        discard_journal(target)
    return Classified(
        path=target,
        width=session.raster.width,
        height=session.raster.height,
        bands=session.info.bands,
        legend=tuple(legend),
        counts=dict(output.counts),
        arguments=dict(session.scalars),
        failed=tuple(left_out.values()),
    )


def open_journal(
    target: Path, session: Session, rasters: Sequence[str], *, cog: bool, unchecked: bool = False
) -> Journal:
    """Open the journal beside a result, or begin one.

    Parameters
    ----------
    target : Path
        GeoTIFF that the run writes.
    rasters : sequence of str
        Names of the rasters that are classified.
    cog : bool
        Whether it is to be a Cloud Optimized GeoTIFF.
    unchecked : bool
        Accept rasters of which nothing tells whether they are still the same.

    Raises
    ------
    JournalError
        It is of another run, in use, or cannot be read or written.
    """
    raster = session.raster
    known, unknown = raster_identities(rasters)
    if unknown and not unchecked:
        raise JournalError(
            f"nothing tells whether {unknown[0]} is still the same when the run goes on: copy it "
            "to this machine first, or use --resume-unchecked and see to it yourself"
        )
    identity = {
        "package": session.loaded.package.sha256 or _short_hash(session.loaded.package.emd_text),
        "rasters": [list(rasters), known],
        "part of the raster": [raster.width, raster.height, *raster.transform],
        "arguments": {name: str(value) for name, value in session.scalars.items()},
        "files in arguments": [
            {"name": name, **(file_identity(name) or {})}
            for value in session.scalars.values()
            for name in named_files(str(value))
        ],
        "settings": asdict(session.settings),
        "device": session.loaded.device,
        "format": "COG" if cog else "GeoTIFF",
        "torch": _installed("torch"),
        "tags": result_tags(session),
    }
    return Journal(journal_path(target), identity)


def _fits(session: Session, block: Block, saved: Sequence[np.ndarray]) -> bool:
    shape = (session.info.bands, block.used_height, block.used_width)
    kinds = [np.dtype(session.info.pixel_type), np.dtype(np.uint8)]
    return [(part.shape, part.dtype) for part in saved] == [(shape, kind) for kind in kinds]


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
