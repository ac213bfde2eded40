"""One block: what is read for it, the call of the function, and what comes back."""

from __future__ import annotations

import re
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import DlpkError, OutputError, RefusedError
from ..harness.replay import Call, Request, save_call
from ..raster.grid import Block
from .raster_info import COMPOSITE, arcgis_corner, arcgis_extent

if TYPE_CHECKING:
    from .session import Session


AS_TEXT = (
    "arguments are handed over as text, as from the table in the tool's dialog; "
    "--set arguments_as=typed shows whether that is the reason"
)
AT_EDGE = (
    "the block lies at the edge and is smaller, as getConfiguration does not say 'fixedTileSize'; "
    "--set edge_blocks=whole shows whether that is the reason"
)


class BlockInput(NamedTuple):
    """What the raster holds for a block.

    Parameters
    ----------
    pixels, mask : ndarray
        Shape (bands, rows + 2 · padding, columns + 2 · padding); the mask is uint8, 1 where there
        is data.
    valid : ndarray
        bool, shape (rows, columns): where any band has data.
    """

    pixels: np.ndarray
    mask: np.ndarray
    valid: np.ndarray


class BlockResult(NamedTuple):
    """What the function makes of a block.

    Parameters
    ----------
    pixels, mask : ndarray
        Shape (bands, rows, columns); the mask is uint8, 0 where the result has no data.
    """

    pixels: np.ndarray
    mask: np.ndarray


def block_input(session: Session, block: Block, pixels: np.ndarray, mask: np.ndarray) -> BlockInput:
    """Pixels and mask of a block, with the padding around it."""
    padding = session.configuration.padding
    rows = slice(padding, padding + block.height)
    columns = slice(padding, padding + block.width)
    return BlockInput(pixels, mask, (mask[:, rows, columns] != 0).any(axis=0))


def read_block(session: Session, block: Block) -> BlockInput:
    """Read a block, with the padding around it, stretched; calls nothing of the function.

    Raises
    ------
    RasterError
        The raster cannot be read there.
    """
    padding = session.configuration.padding
    pixels, mask = session.raster.read(
        session.bands,
        block.column - padding,
        block.row - padding,
        block.width + 2 * padding,
        block.height + 2 * padding,
    )
    if session.stretch is not None:
        pixels = session.stretch.apply(pixels)
        pixels[mask == 0] = 0  # whatever the stretch makes of 0
    return block_input(session, block, pixels, mask)


def read_or_empty(session: Session, block: Block) -> BlockInput | BlockResult:
    """Read a block; where there is no data, nobody is asked, and the result is there at once."""
    read = read_block(session, block)
    return read if read.valid.any() else empty_result(session, block)


def empty_result(session: Session, block: Block) -> BlockResult:
    """The result of a block without data, of the part that lies in the raster."""
    shape = (session.info.bands, block.used_height, block.used_width)
    return BlockResult(np.zeros(shape, session.info.pixel_type), np.zeros(shape, np.uint8))


def trimmed(block: Block, result: BlockResult) -> BlockResult:
    """The part of a result that lies in the raster."""
    inside = (slice(None), slice(block.used_height), slice(block.used_width))
    return BlockResult(result.pixels[inside], result.mask[inside])


def call_function(
    session: Session, block: Block, read: BlockInput, debug_block: Path | None = None
) -> BlockResult:
    """Have the function process what was read; see `Session.process`."""
    request = saved = None
    try:
        request = make_request(session, block, read)
        saved = request.copy() if debug_block is not None else request
        pixels, mask = session.function.pixels(
            request.tlc, request.shape, request.props, request.blocks
        )
    except RefusedError as error:  # what it says is for the one who classifies
        if debug_block is not None:
            error.add_lines(*_circumstances(session, block, saved, debug_block))
        raise
    except DlpkError as error:
        add_reasons(error, session, block)
        error.add_lines(*_circumstances(session, block, saved, debug_block))
        raise
    if mask is None:  # "simply use inherited NoData"
        mask = np.broadcast_to(read.valid, pixels.shape).astype(np.uint8)
    return BlockResult(pixels, mask)


def add_reasons(error: DlpkError, session: Session, block: Block) -> None:
    """Add to a failure what may be the reason, and which setting would show that."""
    if session.settings.arguments_as != "typed" and _is_about_text(error.__cause__):
        error.add_lines(AS_TEXT)
    wanted = session.configuration
    smaller = (block.width, block.height) != (wanted.tx, wanted.ty)
    if "fixedTileSize" not in wanted.raw and smaller:
        error.add_lines(AT_EDGE)


def make_request(session: Session, block: Block, read: BlockInput) -> Request:
    """The call for a block: what it needs of the raster is up to ``selectRasters``."""
    key, info, pixels, mask = session.key, session.info, read.pixels, read.mask
    tlc = arcgis_corner(session.raster, block.column, block.row)
    shape: tuple[int, ...] = (info.bands, block.height, block.width)
    if info.bands == 1:
        shape = shape[1:]
    props = _props(session, block)
    blocks: dict[str, Any] = {}
    if session.function.selected(tlc, shape, props, key):
        blocks[f"{key}_pixels"] = (pixels,) if session.several else pixels
        if session.configuration.input_mask:
            blocks[f"{key}_mask"] = (mask,) if session.several else mask
        if session.configuration.composite:
            blocks[f"{COMPOSITE}_pixels"] = pixels.copy()
            if session.configuration.input_mask:
                blocks[f"{COMPOSITE}_mask"] = mask.copy()
    return Request(tlc, shape, props, blocks)


def _is_about_text(cause: BaseException | None) -> bool:
    """Whether an error comes from a text in the place of a number."""
    words = re.search(r"\b(str|string|StrDType)\b|<U\d", str(cause))
    return isinstance(cause, (TypeError, ValueError)) and words is not None


def _props(session: Session, block: Block) -> dict[str, Any]:
    raster, nodata = session.raster, session.info.nodata
    return {
        "extent": astuple(
            arcgis_extent(raster, block.column, block.row, block.width, block.height)
        ),
        "pixelType": session.info.pixel_type,
        "spatialReference": raster.epsg,
        "cellSize": raster.cell_size,
        "width": block.width,
        "height": block.height,
        "noData": None if nodata is None else np.array([nodata]),
    }


def _circumstances(
    session: Session, block: Block, request: Request | None, debug_block: Path | None
) -> list[str]:
    """Block, call and arguments of a failure, and how to make the call again."""
    arguments = ", ".join(f"{name}={value!r}" for name, value in session.scalars.items())
    lines = [
        f"in the block at column {block.column}, row {block.row} of {session.raster.path}",
        f"with the arguments {arguments or '(none)'}",
    ]
    if request is None:
        return lines
    lines.insert(1, f"called as {request.to_text()}")
    if debug_block is None:
        return [*lines, "keep this call with --debug-block FOLDER and repeat it: dlpk replay"]
    # Not as it was given: the function may have changed the working directory.
    package = session.loaded.package
    opened = package.archive or package.emd_path
    source = package.emd_text if opened is None else str(opened)
    call = Call(source, session.loaded.device, session.scalars, session.raster_kwargs, request)
    try:
        save_call(call, debug_block)
    except OutputError as error:
        return [*lines, str(error)]
    return [*lines, f"the call is kept, repeat it with: dlpk replay {debug_block}"]
