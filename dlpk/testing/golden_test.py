"""Testing a package against itself: whether its golden chips come out as it promises."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from model_extension.clipseg.language.expressions import quoted

from ..classification.session import Run
from ..errors import ContractError, DlpkError, IsolationError, OutputError
from ..harness.arguments import shown_parameters
from ..harness.devices import device_number
from ..harness.environment import Say, print_message, surroundings
from ..harness.loader import function_path, load_class
from ..harness.phases import check_tool, validation_phase
from ..harness.settings import Settings
from ..package.open import Package, open_package
from ..raster.dataset import Raster
from .golden import Golden, read_golden
from .synthetic import write_raster

PASSED, FAILED, DOES_NOT_RUN, UNTESTED = "passed", "failed", "does-not-run", "untested"


@dataclass(frozen=True)
class ChipResult:
    """How far the result for one chip is from what the package promises.

    Parameters
    ----------
    chip : int
        Number of the chip, from 0.
    largest, mean : float
        Absolute difference of probabilities; infinite if one is no number.
    flipped_per_million : float
        Pixels per million on the other side of the threshold.
    passed : bool
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
    package : str
    status : str
        ``passed``, ``failed``, ``does-not-run``, or ``untested`` for a package without golden
        chips.
    reason : str
        Why it does not run or is untested.
    threshold, tolerance, flipped_per_million : float or None
        What the package states.
    chips : tuple of ChipResult
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
                f"pixels per million flipped at the threshold {self.threshold:g}"
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
        Folder for the produced arrays (``produced.npy``, float32, shape (chips, prompts,
        tile_size, tile_size)) if they differ; made if it is not there.
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
            golden = read_golden(opened)
            if golden is None:
                return GoldenResult(name, UNTESTED, "it carries no golden chips")
            stack.enter_context(surroundings(opened, say or print_message, device=number))
            produced = produce(opened, golden, number)
        except IsolationError:
            raise
        except DlpkError as error:
            return GoldenResult(name, DOES_NOT_RUN, str(error))
    chips = compare(golden, produced)
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


def produce(package: Package, golden: Golden, device: int) -> np.ndarray:
    """Run a package's function on golden chips, through the contract.

    Parameters
    ----------
    package : Package
        In its `dlpk.harness.environment.surroundings`.
    golden : Golden
    device : int
        As the function gets it.

    Returns
    -------
    ndarray
        float32, shape (chips, prompts, tile_size, tile_size).

    Raises
    ------
    DlpkError
        It does not run, or delivers something else than probabilities of single tiles.
    """
    check_tool(package)
    _, declared = validation_phase(load_class(function_path(package)), package)
    wanted = {
        "text_prompt": ", ".join(map(quoted, golden.prompts)),
        "return_probability_raster": "True",
        "tile_size": golden.tile_size,
        "padding": 0,
        "batch_size": 1,
    }
    names = {parameter["name"] for parameter in shown_parameters(declared)}
    given = {name: value for name, value in wanted.items() if name in names}
    side, chips = golden.tile_size, len(golden.inputs)
    with tempfile.TemporaryDirectory(prefix="dlpk-golden-") as folder:
        path = Path(folder) / "chips.tif"
        # Side by side, so that each block is a chip.
        write_raster(path, np.concatenate(list(golden.inputs), axis=-1))
        run = Run.start(package, Raster(path), given, device, Settings())
        asked = run.configuration
        if (asked.tx, asked.ty, asked.padding) != (side, side, 0):
            raise ContractError(
                f"golden chips are single tiles of {side} by {side} pixels, and the function asks "
                f"for blocks of {asked.tx} by {asked.ty} with {asked.padding} around them"
            )
        if run.info.bands != len(golden.prompts) or not run.info.pixel_type.startswith("f"):
            raise ContractError(
                f"golden chips are probabilities of {len(golden.prompts)} prompts, and the "
                f"function delivers {run.info.bands} band(s) of {run.info.pixel_type}"
            )
        results = [run.process(run.grid.block(chip, 0))[0] for chip in range(chips)]
    return np.stack(results).astype(np.float32)


def compare(golden: Golden, produced: np.ndarray) -> Sequence[ChipResult]:
    """Compare what was produced with what is promised, chip by chip."""
    results = []
    for chip, (promised, found) in enumerate(zip(golden.probabilities, produced)):
        difference = np.abs(promised - found.astype(np.float64))
        difference[~np.isfinite(difference)] = np.inf
        flipped = (promised > golden.threshold) != (found > golden.threshold)
        result = ChipResult(
            chip=chip,
            largest=float(difference.max()),
            mean=float(difference.mean()),
            flipped_per_million=float(flipped.mean() * 1e6),
            passed=False,
        )
        passed = (
            result.largest <= golden.tolerance
            and result.flipped_per_million <= golden.flipped_per_million
        )
        results.append(replace(result, passed=passed))
    return results


def _kept(result: GoldenResult, produced: np.ndarray, folder: Path) -> GoldenResult:
    path = folder / "produced.npy"
    kept = replace(result, kept=str(path))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        np.save(path, produced)
        text = json.dumps(kept.to_dict(), indent=2)
        (folder / "result.json").write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"the produced arrays cannot be kept in {folder}: {error}") from error
    return kept
