"""Golden chips for any function: pieces of a raster, and the function's own answers as promise."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from builder.golden import FLIPPED_PER_MILLION, write_golden

from ..classification.session import Session
from ..errors import ContractError, RasterError
from ..harness.devices import device_number
from ..harness.environment import Environment, Say, print_message
from ..harness.phases import LoadedFunction, check_tool
from ..package.open import open_package
from ..raster.dataset import Raster
from .golden import Golden
from .golden_test import compare, produce

MOST_CHIPS = 3
# Places in the raster that chips are chosen from, along each side.
PLACES = 5
LARGEST_CHIP = 1024
# What a value may differ by on another device, as a part of the range of all values.
TOLERANCE = 0.01


def make_golden(
    package: str | Path,
    raster: str | Path,
    folder: Path,
    *,
    arguments: Mapping[str, Any] | None = None,
    device: str = "auto",
    say: Say | None = None,
) -> None:
    """Run a package on pieces of a raster and keep inputs and answers as golden chips.

    Of pieces spread over the raster those are taken that differ most within, as large as the
    function's blocks. Every answer is asked for twice.

    Parameters
    ----------
    package : path or str
        A folder or .dlpk; its code is run.
    raster : path
        What the package is made for.
    folder : Path
        Where the folder ``golden`` is made.
    arguments : mapping, optional
        Of the function, by name; they are stored.
    device : str
        ``auto``, ``cpu`` or ``cuda:N``.
    say : callable, optional
        Takes level and text of what the function says.

    Raises
    ------
    DlpkError
        It does not run, the raster has no piece without NoData, or the function answers the same
        question differently.
    """
    number, given = device_number(device), dict(arguments or {})
    with (
        open_package(package) as opened,
        Environment(opened, say or print_message, device=number),
    ):
        check_tool(opened)
        source = Raster(Path(raster).absolute())
        loaded = LoadedFunction(opened, number)
        wanted = Session.start(loaded, source, given).configuration
        inputs = cut_chips(source, min(wanted.tx, LARGEST_CHIP), min(wanted.ty, LARGEST_CHIP))
        answers = produce(opened, inputs, given, number)
        if not np.isfinite(answers).all():
            raise ContractError(
                "the function answers with values that are not finite: nothing can be promised"
            )
        tolerance = 0.0
        if answers.dtype.kind == "f":
            tolerance = TOLERANCE * float(np.ptp(answers))
        golden = Golden(
            inputs, answers.astype(np.float64), given, None, tolerance, FLIPPED_PER_MILLION
        )
        again = compare(golden, produce(opened, inputs, given, number))
    if not all(chip.passed for chip in again):
        worst = max(chip.flipped_per_million for chip in again)
        raise ContractError(
            f"asked the same twice, the function answers otherwise for {worst:,.0f} pixels per "
            "million: its answers can be no promise. Does it use random numbers or keep state?"
        )
    write_golden(folder, inputs, answers, arguments=given, tolerance=tolerance)


def cut_chips(raster: Raster, width: int, height: int) -> np.ndarray:
    """Pieces of a raster without NoData that differ most within.

    Parameters
    ----------
    width, height : int
        Of a piece, in pixels; the raster may be smaller.

    Returns
    -------
    ndarray
        In the raster's type, shape (chips, bands, height, width), at most `MOST_CHIPS`.

    Raises
    ------
    RasterError
        There is no such piece.
    """
    width, height = min(width, raster.width), min(height, raster.height)
    bands = range(raster.count)
    places = {
        (int(row), int(column))
        for row in np.linspace(0, raster.height - height, PLACES)
        for column in np.linspace(0, raster.width - width, PLACES)
    }
    found: list[tuple[float, int, int, np.ndarray]] = []
    for row, column in sorted(places):
        if any(abs(row - y) < height and abs(column - x) < width for _, y, x, _ in found):
            continue  # it would show the same again
        pixels, mask = raster.read(bands, column, row, width, height)
        if mask.all():
            found.append((float(pixels.std(dtype=np.float64)), row, column, pixels))
    if not found:
        raise RasterError(
            f"{raster.path} has no piece of {width} by {height} pixels without NoData for golden "
            "chips: give another raster"
        )
    found.sort(key=lambda piece: -piece[0])
    return np.stack([pixels for *_, pixels in found[:MOST_CHIPS]])
