"""Checks that run single blocks: purity, seams, NoData, memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..classification.block_call import BlockInput, BlockResult, block_input
from ..classification.provenance import result_legend
from ..classification.session import Session
from ..errors import ContractError, DlpkError
from ..harness.memory import memory_in_use
from ..raster.grid import Block
from .rules import RunFindings

# Part of the range of values by which numbers may differ: noise of computing, and a difference
# that shows.
NOISE, VISIBLE = 1e-4, 1e-2
# Share of pixels from which seams will be seen.
STRONG_SEAMS = 0.05
# Share of valid pixels that what lies under NoData may change.
LEAK = 0.001
# Growth in bytes that is no noise of the allocator, and as a part of the blocks' own size.
LEAST_GROWTH, GROWTH_OF_BLOCK = 10_000_000, 0.25
FEWEST_BLOCKS = 8
# How long the look for growing memory lasts, where the network is large.
MEMORY_SECONDS = 20.0

# Pairs of batch sizes, the most telling first.
BATCHES = (("1", "4"), ("4", "9"), ("4", "16"), ("4", "8"))


@dataclass(frozen=True)
class Blocks:
    """Some blocks of a raster.

    Parameters
    ----------
    whole : tuple of Block
        Two by two whole blocks side by side, or the one block that there is.
    edges : tuple of Block
        At the right and bottom edge and in the corner, where those are not whole.
    """

    whole: tuple[Block, ...]
    edges: tuple[Block, ...]

    @property
    def all(self) -> tuple[Block, ...]:
        """All blocks, the whole ones first."""
        return self.whole + self.edges

    @classmethod
    def choose(cls, run: Session) -> Blocks:
        """Choose some from the middle of a raster and from its edges."""
        grid = run.grid
        across, down = grid.width // grid.tx, grid.height // grid.ty
        column, row = max(0, (across - 2) // 2), max(0, (down - 2) // 2)
        square = [(c, r) for r in (row, row + 1) for c in (column, column + 1)]
        if across < 2 or down < 2:
            square = [(column, row)]
        last_column, last_row = -(-grid.width // grid.tx) - 1, -(-grid.height // grid.ty) - 1
        edges = [(last_column, row), (column, last_row), (last_column, last_row)]
        return cls(
            whole=tuple(grid.block(*place) for place in square),
            edges=tuple(
                grid.block(*place) for place in dict.fromkeys(edges) if place not in square
            ),
        )

    def square(self, results: Sequence[BlockResult]) -> BlockResult | None:
        """The results of the two by two whole blocks as one."""
        if len(self.whole) < 4:
            return None
        pixels, masks = zip(*results[:4])
        return BlockResult(_joined(pixels), _joined(masks))


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    a, b, c, d = parts
    return np.concatenate([np.concatenate([a, b], axis=2), np.concatenate([c, d], axis=2)], axis=1)


def difference(one: BlockResult, other: BlockResult, part: float = NOISE) -> float:
    """Share of pixels that differ in value where both are valid, or in whether they are.

    Parameters
    ----------
    part : float
        See `share_of_difference`.
    """
    masks = [mask > 0 for _, mask in (one, other)]
    valid = masks[0] & masks[1]
    pixels = [np.where(valid, values, np.zeros((), values.dtype)) for values, _ in (one, other)]
    return max(
        share_of_difference(pixels[0], pixels[1], part), share_of_difference(masks[0], masks[1])
    )


def share_of_difference(one: np.ndarray, other: np.ndarray, part: float = NOISE) -> float:
    """Share of pixels that differ.

    Parameters
    ----------
    one, other : ndarray
        Shape (bands, rows, columns).
    part : float
        Difference of real numbers that does not count, as a part of their range.
    """
    if one.dtype.kind == "f":
        known = np.concatenate([one[np.isfinite(one)], other[np.isfinite(other)]])
        span = float(np.ptp(known)) if known.size else 0.0
        differ = ~np.isclose(one, other, rtol=0, atol=part * max(span, 1e-12), equal_nan=True)
    else:
        differ = one != other
    return float(differ.any(axis=0).mean()) if differ.size else 0.0


def written(share: float) -> str:
    """A share of pixels, readable when it is small too."""
    return (
        f"{share:.2%} of the pixels" if share >= 1e-3 else f"{share * 1e6:.0f} pixels per million"
    )


def check_values(findings: RunFindings, run: Session, results: Sequence[BlockResult]) -> None:
    """Look for values that are no class."""
    try:
        legend = result_legend(run)
    except ContractError as error:
        findings.failed("run/start-fails", error, "Answer with a table as the message says.")
        return
    if not legend:
        return
    known = {entry.value for entry in legend} | {0}
    found: set[int] = set()
    for pixels, mask in results:
        found |= set(np.unique(pixels[mask > 0]).tolist())
    unknown = sorted(value for value in found - known if value != run.info.nodata)
    if unknown:
        shown = ", ".join(map(str, unknown[:10])) + (", …" if unknown[10:] else "")
        findings.add(
            "run/undeclared-values",
            f"pixels have values without a class: {shown}",
            "Map what the model returns to the values of Classes.",
        )


def check_purity(
    findings: RunFindings,
    chosen: Blocks,
    base: Sequence[BlockResult],
    again: Callable[[], Session],
) -> bool:
    """Compare results of blocks made twice, in another order, and alone.

    Parameters
    ----------
    base : sequence of BlockResult
        Made in the order of the blocks.
    again : callable
        Makes a new run.

    Returns
    -------
    bool
        Whether the result of a block depends on the block alone.
    """
    remedy = "Keep nothing of a block in the object, and draw no random numbers (eval(), seeds)."
    fresh = again()
    first, second = (fresh.process(chosen.all[0]) for _ in range(2))
    share = max(difference(first, second), difference(first, base[0]))
    if share > 0:
        message = f"{written(share)} change when the same block is processed again"
        findings.add("run/same-block-differs", message, remedy)
        return False
    fresh, last = again(), len(chosen.all) - 1
    # The last of all blocks, alone on its object; then others, the other way round.
    order = sorted({last, len(chosen.whole) - 1, 0}, reverse=True)
    alone, *others = (difference(fresh.process(chosen.all[n]), base[n]) for n in order)
    if alone > 0:
        message = f"{written(alone)} of a block change when no others come before it"
        findings.add("run/others-matter", message, remedy)
    elif max(others, default=0) > 0:
        message = f"up to {written(max(others))} of a block change when blocks come in other order"
        findings.add("run/order-matters", message, remedy)
    return max(alone, *others, 0) == 0


def check_batch(findings: RunFindings, again: Callable[..., Session]) -> None:
    """Compare batches of different sizes, over the same part of the raster.

    Many functions ask for larger blocks with larger batches. What differs then may be where blocks
    fall, which is another rule's affair: so sizes are compared that give the same blocks.
    """
    try:
        for sizes in BATCHES:
            single, usual = (again(batch_size=size) for size in sizes)
            if _sides(single) == _sides(usual):
                break
        else:
            return
        width = min(usual.raster.width, usual.configuration.tx)
        height = min(usual.raster.height, usual.configuration.ty)
        one, four = (_part(run, width, height) for run in (single, usual))
    except DlpkError as error:
        remedy = "Round batch_size to what fits; never fail on 1, 4, 8, 9 or 16."
        findings.failed("run/batch-matters", error, remedy)
        return
    share = share_of_difference(one, four, part=VISIBLE)
    if share > VISIBLE:
        findings.add(
            "run/batch-matters",
            f"{written(share)} change between a batch_size of {sizes[0]} and of {sizes[1]}",
            "Switch the model to eval(), and let no tile see another one.",
        )


def _sides(run: Session) -> tuple[int, int]:
    return run.configuration.tx, run.configuration.ty


def _part(run: Session, width: int, height: int) -> np.ndarray:
    """The result for the top left part of the raster."""
    tx, ty = run.configuration.tx, run.configuration.ty
    rows = []
    for down in range(-(-height // ty)):
        blocks = [run.grid.block(across, down) for across in range(-(-width // tx))]
        rows.append(np.concatenate([run.process(block)[0] for block in blocks], axis=2))
    return np.concatenate(rows, axis=1)[:, :height, :width]


def check_seams(
    findings: RunFindings, run: Session, chosen: Blocks, base: Sequence[BlockResult]
) -> None:
    """Compare a block with the same pixels in four blocks that meet in its middle."""
    square = chosen.square(base)
    if square is None:
        return
    first = chosen.whole[0]
    right, down = first.width // 2, first.height // 2
    moved = first._replace(column=first.column + right, row=first.row + down)
    inside = np.s_[:, down : down + first.height, right : right + first.width]
    share = difference(
        run.process(moved), BlockResult(square.pixels[inside], square.mask[inside]), part=VISIBLE
    )
    if share == 0:
        return
    findings.add(
        "run/strong-seams" if share > STRONG_SEAMS else "run/seams",
        f"{written(share)} change when blocks fall elsewhere",
        "More padding, and no statistics per block, make blocks fit together.",
    )


def check_nodata(findings: RunFindings, run: Session, chosen: Blocks) -> None:
    """Run a block without valid pixels, and one with some."""
    block = chosen.all[0]
    read = run.read(block)
    empty = block_input(run, block, np.zeros_like(read.pixels), np.zeros_like(read.mask))
    try:
        _, mask = run.call(block, empty)
    except DlpkError as error:
        remedy = "Return early where raster_mask has no valid pixel."
        findings.failed("run/empty-block-fails", error, remedy)
    else:
        if mask.any():
            findings.add(
                "run/empty-block-classified",
                "a block without a single valid pixel comes back as valid",
                "Return the middle of raster_mask as output_mask, or no output_mask at all.",
            )
    if not run.configuration.input_mask:
        findings.add(
            "run/no-mask",
            "the function does not ask for masks",
            "Answer 'inputMask': True in getConfiguration, and set masked pixels to 0.",
        )
    _check_partial(findings, run, block, read)


def _check_partial(findings: RunFindings, run: Session, block: Block, read: BlockInput) -> None:
    half = read.mask.shape[2] // 2
    results = []
    for hidden in (0, _highest(run, read.pixels.dtype)):
        pixels, mask = read.pixels.copy(), read.mask.copy()
        mask[:, :, :half] = 0
        pixels[:, :, :half] = hidden
        try:
            results.append(run.call(block, block_input(run, block, pixels, mask)).pixels)
        except DlpkError as error:
            remedy = "Set pixels to 0 where raster_mask is 0 before anything else."
            findings.failed("run/partial-block-fails", error, remedy)
            return
    if not run.configuration.input_mask:
        return
    valid = slice(max(0, half - run.configuration.padding), None)
    low, high = (result[:, :, valid] for result in results)
    share = share_of_difference(low, high, part=VISIBLE)
    if share > LEAK:
        findings.add(
            "run/nodata-leaks",
            f"{written(share)} change with the values that lie under NoData",
            "Set pixels to 0 where raster_mask is 0 before anything else.",
        )


def _highest(run: Session, dtype: np.dtype[Any]) -> float:
    if run.configuration.data_range is not None:
        return run.configuration.data_range[1]
    return float(np.iinfo(dtype).max) if dtype.kind in "iu" else 1.0


def check_memory(findings: RunFindings, run: Session, chosen: Blocks, blocks: int) -> None:
    """Process a block over and over, and see whether memory grows.

    Parameters
    ----------
    blocks : int
        How often at most; a slow function is looked at for `MEMORY_SECONDS`.
    """
    block = chosen.all[0]
    read = run.read(block)
    before, warm, number, begun = None, 0, 0, time.monotonic()
    while number < blocks:
        # Elsewhere each time: what is kept may be kept by its place.
        moved = block._replace(row=block.row + number * block.height)
        try:
            run.call(moved, BlockInput(read.pixels.copy(), read.mask.copy(), read.valid))
        except DlpkError as error:
            remedy = "Keep nothing of a block in the object."
            findings.failed("run/same-block-differs", error, remedy)
            return
        number += 1
        spent = (time.monotonic() - begun) / MEMORY_SECONDS
        if before is None and (number >= blocks // 4 or (spent > 0.25 and number > 1)):
            before, warm = memory_in_use(), number
        if spent > 1 and number - warm >= FEWEST_BLOCKS // 2:
            break
    after = memory_in_use()
    if before is None or after is None or blocks < FEWEST_BLOCKS:
        return
    looked = number - warm
    size = read.pixels.nbytes + read.mask.nbytes
    if after - before > max(LEAST_GROWTH, GROWTH_OF_BLOCK * size * looked):
        findings.add(
            "run/memory-grows",
            f"{looked} blocks leave {(after - before) / 1e6:,.0f} MB of memory behind",
            "Keep no blocks and results in the object; run the model without gradients.",
        )


def check_second_raster(
    findings: RunFindings,
    session: Session,
    arguments: Mapping[str, Any],
    block: Block,
    base: BlockResult,
) -> None:
    """See whether an object that has served a raster can serve another one."""
    rule = "run/second-raster-differs"
    remedy = "Have getConfiguration and updateRasterInfo begin anew, and keep nothing of blocks."
    try:
        again = Session.start(session.loaded, session.raster, arguments, session.settings)
        share = difference(again.process(block), base)
    except DlpkError as error:
        findings.failed(rule, error, remedy)
        return
    if again.function is not session.function or share > 0:
        message = f"{written(share)} change for the same raster on the same object"
        findings.add(rule, message, remedy)


def check_statistics(findings: RunFindings, again: Callable[..., Session], block: Block) -> None:
    """See whether the function runs where nothing is known of the raster's values."""
    try:
        again(statistics=False).process(block)
    except DlpkError as error:
        remedy = "Do without <raster>_info['statistics'] where it is empty."
        findings.failed("run/host-matters", error, remedy)
