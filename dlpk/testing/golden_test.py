"""Testing a package against itself: whether its golden chips come out as it promises."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from builder.scratch import scratch_folder
from builder.target import check_folder, make_folder, replacing

from ..classification.session import Session
from ..errors import ContractError, DlpkError, IsolationError, OutputError
from ..harness.devices import device_number
from ..harness.environment import Environment, Say, print_message
from ..harness.phases import LoadedFunction, check_tool
from ..package.open import Package, open_package
from ..raster.dataset import Raster
from .golden import Golden, read_golden
from .synthetic import write_raster

ARRAYS_FILE, RESULT_FILE = "produced.npy", "result.json"
PASSED, FAILED, DOES_NOT_RUN, UNTESTED = "passed", "failed", "does-not-run", "untested"


@dataclass(frozen=True)
class ChipResult:
    """How far the result for one chip is from what the package promises.

    Parameters
    ----------
    chip : int
        Number of the chip, from 0.
    largest, mean : float
        Absolute difference of values; infinite if one is no number.
    flipped_per_million : float
        Pixels per million on the other side of the threshold, or that differ.
    """

    chip: int
    largest: float
    mean: float
    flipped_per_million: float
    passed: bool


@dataclass(frozen=True)
class GoldenResult:
    """The outcome of a test.

    Parameters
    ----------
    status : str
        ``passed``, ``failed``, ``does-not-run``, or ``untested`` for a package without golden
        chips.
    reason : str
        Why it does not run or is untested.
    threshold, tolerance, flipped_per_million : float or None
        What the package states.
    kept : str or None
        File with the produced arrays.
    """

    package: str
    status: str
    reason: str = ""
    threshold: float | None = None
    tolerance: float | None = None
    flipped_per_million: float | None = None
    chips: tuple[ChipResult, ...] = ()
    kept: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The outcome, ready for JSON."""
        content = {**asdict(self), "chips": [asdict(chip) for chip in self.chips]}
        for chip in content["chips"]:  # JSON has no infinity
            for key in ("largest", "mean"):
                chip[key] = chip[key] if math.isfinite(chip[key]) else None
        return content

    def to_text(self) -> str:
        """The outcome in a few lines for people."""
        lines = [f"{self.package}: {self.status}" + (f": {self.reason}" if self.reason else "")]
        if self.chips:
            lines.append(
                f"  allowed: differences up to {self.tolerance:g}, {self.flipped_per_million:g} "
                "pixels per million flipped"
                + ("" if self.threshold is None else f" at the threshold {self.threshold:g}")
            )
        for chip in self.chips:
            lines.append(
                f"  chip {chip.chip}: {'passed' if chip.passed else 'FAILED'}, differences up to "
                f"{chip.largest:.2g} (mean {chip.mean:.2g}), {chip.flipped_per_million:.0f} "
                "pixels per million flipped"
            )
        if self.kept:
            lines.append(f"  the produced arrays are in {self.kept}")
        elif self.status == FAILED:
            lines.append("  --keep FOLDER leaves the produced arrays there")
        return "\n".join(lines)


def golden_test(
    package: str | Path | Package,
    *,
    keep: str | Path | None = None,
    device: str = "auto",
    say: Say | None = None,
) -> GoldenResult:
    """Run a package on its golden chips and compare.

    Parameters
    ----------
    package : path, str or Package
        A .dlpk, a folder or an .emd.
    keep : path, optional
        Folder for the produced arrays (``produced.npy``, shape (chips, bands of the result,
        rows, columns)) if they differ; made if it is not there.
    device : str
        ``auto``, ``cpu`` or ``cuda:N``.
    say : callable, optional
        Takes level and text of what the function says.

    Returns
    -------
    GoldenResult
        A package that does not run is a result, not an error.

    Raises
    ------
    ArgumentsError
        The device is none.
    OutputError
        The produced arrays cannot be kept.
    """
    number = device_number(device)
    name = package.name if isinstance(package, Package) else str(package)
    folder = None if keep is None else Path(keep).absolute()
    with ExitStack() as stack:
        try:
            opened = package
            if not isinstance(opened, Package):
                opened = stack.enter_context(open_package(opened))
            if folder is not None:
                root = opened.archive or opened.root
                check_folder(folder, (ARRAYS_FILE, RESULT_FILE), [root] if root else [])
            golden = read_golden(opened)
            if golden is None:
                return GoldenResult(name, UNTESTED, "it carries no golden chips")
            stack.enter_context(Environment(opened, say or print_message, device=number))
            produced = produce(opened, golden.inputs, golden.arguments, number)
            chips = compare(golden, produced)
        except (IsolationError, OutputError):
            raise
        except DlpkError as error:
            return GoldenResult(name, DOES_NOT_RUN, str(error))
    result = GoldenResult(
        package=name,
        status=PASSED if all(chip.passed for chip in chips) else FAILED,
        threshold=golden.threshold,
        tolerance=golden.tolerance,
        flipped_per_million=golden.flipped_per_million,
        chips=tuple(chips),
    )
    if folder is None or result.status == PASSED:
        return result
    return _kept(result, produced, folder)


def produce(
    package: Package, inputs: np.ndarray, arguments: Mapping[str, Any], device: int
) -> np.ndarray:
    """Run a package's function on chips, through the contract.

    Parameters
    ----------
    package : Package
        In its `dlpk.harness.environment.Environment`.
    inputs : ndarray
        Shape (chips, bands, rows, columns).
    arguments : mapping
        Of the function, by name.
    device : int
        As the function gets it.

    Returns
    -------
    ndarray
        Of the function's pixel type, shape (chips, bands of the result, rows, columns); 0 where
        the result has no data.

    Raises
    ------
    DlpkError
        It does not run.
    """
    check_tool(package)
    chips = len(inputs)
    with scratch_folder() as folder:
        path = folder / "chips.tif"
        # Side by side, so that each block is a chip where blocks have their size.
        write_raster(path, np.concatenate(list(inputs), axis=-1))
        run = Session.start(LoadedFunction(package, device), Raster(path), arguments)
        result, _ = run.process_all()
    return np.stack(np.split(result, chips, axis=-1))


def compare(golden: Golden, produced: np.ndarray) -> Sequence[ChipResult]:
    """Compare what was produced with what is promised, chip by chip.

    Raises
    ------
    ContractError
        The result has another number of bands than the one promised.
    """
    if produced.shape != golden.expected.shape:
        raise ContractError(
            f"the golden chips promise {golden.expected.shape[1]} band(s), and the function "
            f"delivers {produced.shape[1]}"
        )
    results = []
    for chip, (promised, found) in enumerate(zip(golden.expected, produced)):
        difference = np.abs(promised - found.astype(np.float64))
        difference[~np.isfinite(difference)] = np.inf
        if golden.threshold is None:
            flipped = difference > golden.tolerance
        else:
            flipped = (promised > golden.threshold) != (found > golden.threshold)
        largest, share = float(difference.max()), float(flipped.mean() * 1e6)
        passed = share <= golden.flipped_per_million
        if golden.threshold is not None:
            passed &= largest <= golden.tolerance
        results.append(ChipResult(chip, largest, float(difference.mean()), share, passed))
    return results


def _kept(result: GoldenResult, produced: np.ndarray, folder: Path) -> GoldenResult:
    path = folder / ARRAYS_FILE
    kept = replace(result, kept=str(path))
    make_folder(folder)
    with replacing(path) as file:
        np.save(file, produced)
    with replacing(folder / RESULT_FILE) as file:
        file.write_text(json.dumps(kept.to_dict(), indent=2) + "\n", encoding="utf-8")
    return kept
