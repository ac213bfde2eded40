"""Judging a package by running it: phases, purity, seams, NoData, memory, golden chips."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from builder.scratch import scratch_folder
from schemas.findings import Report

from ..classification.block_call import AS_TEXT, BlockResult
from ..classification.session import Session
from ..errors import ArgumentsError, DlpkError, RasterError
from ..harness.answers import Configuration
from ..harness.arguments import argument_scalars, as_text, shown_parameters
from ..harness.devices import device_number
from ..harness.environment import Environment, Say
from ..harness.loader import function_path, load_class
from ..harness.memory import memory_in_use
from ..harness.phases import (
    DETECT_OBJECTS,
    LoadedFunction,
    check_tool,
    initialize,
    started,
    tool_of,
)
from ..harness.settings import Settings
from ..package.open import Package, open_package
from ..raster.dataset import Raster
from .block_checks import (
    Blocks,
    check_batch,
    check_memory,
    check_nodata,
    check_purity,
    check_seams,
    check_second_raster,
    check_statistics,
    check_values,
)
from .detector_checks import check_detector
from .golden_test import DOES_NOT_RUN, FAILED, golden_test
from .rules import RULES, RunFindings
from .synthetic import raster_for

__all__ = ["BLOCKS", "RULES", "check_run"]

# Blocks that a look for growing memory takes.
BLOCKS = 200
# Of the dialog; a person wonders after this long, and Pro shares its memory with the map.
MOST_SECONDS, MOST_BYTES = 10.0, 2_000_000_000
CONVERT = "Convert every argument: int(scalars['padding']), float(...)."


def check_run(
    package: str | Path,
    *,
    raster: str | Path | None = None,
    arguments: Mapping[str, Any] | None = None,
    device: str = "auto",
    blocks: int = BLOCKS,
    say: Say = lambda level, text: None,
) -> Report:
    """Run a package and judge how it behaves. Runs the package's code.

    Parameters
    ----------
    package : path or str
        A .dlpk, a folder, an .emd, or a model definition as JSON text.
    raster : path, optional
        A raster to run on; an artificial one by default.
    arguments : mapping, optional
        Arguments of the function; its defaults for the rest.
    device : str
        ``auto``, ``cpu`` or ``cuda:N``.
    blocks : int
        Blocks that the look for growing memory takes at most.
    say : callable, optional
        Takes level and text of what the function says; dropped by default.

    Returns
    -------
    Report
        All findings. What is wrong with the package never raises.

    Raises
    ------
    RasterError
        The raster cannot be opened.
    ArgumentsError
        The device is none, or an argument is unknown.
    """
    number = device_number(device)
    if raster is not None:
        Raster(raster)
    findings = RunFindings()
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(open_package(package))
            if tool_of(opened) != DETECT_OBJECTS:
                check_tool(opened)
            path = function_path(opened)
        except DlpkError as error:
            findings.failed("run/not-run", error, "Mend what validation says, then run it again.")
            return findings.report()
        findings.file = path.name
        before = _files(opened.root)
        with Environment(opened, say, device=number):
            folder = stack.enter_context(scratch_folder())
            _Checks(opened, findings, folder, raster, arguments or {}, number, blocks).run()
        changed = sorted(_files(opened.root) ^ before)
        if changed:
            names = ", ".join(dict.fromkeys(name for name, _, _ in changed[:6]))
            findings.add(
                "run/writes-in-package",
                f"the function writes into the package's folder: {names}",
                "Write into a folder of tempfile instead, or not at all.",
            )
        _check_golden(opened, findings, device, say)
    return findings.report()


@dataclass
class _Checks:
    """What the checks of one package share."""

    package: Package
    findings: RunFindings
    folder: Path
    raster_path: str | Path | None
    given: Mapping[str, Any]
    device: int
    blocks: int
    settings: Settings = field(default_factory=Settings)

    def run(self) -> None:
        """Run all checks that can be run."""
        declared = self._dialog()
        if declared is None:
            return
        configuration = self._configuration(declared)
        if configuration is None:
            return
        self._decimal_comma(declared)
        path = self.raster_path or self._write("scene.tif", configuration)
        try:
            run = self.start(Path(path))
        except RasterError:
            raise  # it lacks bands that the function reads
        except DlpkError as error:
            self.findings.failed(
                "run/start-fails", error, "Have updateRasterInfo answer as the message says."
            )
            return
        if tool_of(self.package) == DETECT_OBJECTS:
            check_detector(self.findings, run)
            return
        self._raster_info(run)
        chosen = Blocks.choose(run)
        base = self._base(run, chosen)
        if base is None:
            return
        if any(((pixels == 0) & (mask > 0)).any() for pixels, mask in base):
            self._background(configuration)
        self._one_pixel(configuration)
        if run.function.answers.larger:
            self.findings.add(
                "run/edge-block-larger",
                "for smaller blocks at the edge the function returns whole ones",
                "Return 'fixedTileSize': 1 from getConfiguration, or cut the result to shape.",
            )
        check_values(self.findings, run, base)

        def again(*, statistics: bool = True, **more: Any) -> Session:
            return self.start(Path(path), statistics, **more)

        if check_purity(self.findings, chosen, base, again):
            check_seams(self.findings, run, chosen, base)
            check_second_raster(self.findings, run, self.given, chosen.all[0], base[0])
            check_statistics(self.findings, again, chosen.all[0])
            names = [parameter["name"] for parameter in shown_parameters(declared)]
            if "batch_size" in names and "batch_size" not in self.given:
                check_batch(self.findings, again)
        check_nodata(self.findings, run, chosen)
        check_memory(self.findings, run, chosen, self.blocks)

    def start(self, raster: Path, statistics: bool = True, **arguments: Any) -> Session:
        """A new session, on new objects."""
        loaded = LoadedFunction(self.package, self.device, statistics=statistics)
        given = {**self.given, **arguments}
        return Session.start(loaded, Raster(raster), given, self.settings)

    # Phases -------------------------------------------------------------------------------------

    def _dialog(self) -> list[dict[str, Any]] | None:
        before, start = memory_in_use(), time.perf_counter()
        try:
            made = load_class(function_path(self.package))
            first, declared = started(made, self.package)
        except DlpkError as error:
            remedy = "Do not use the device, and nothing that may be missing, without 'device'."
            if isinstance(error.__cause__, SyntaxError):
                remedy = "Correct the line that the message names."
            self.findings.failed("run/dialog-fails", error, remedy)
            return None
        seconds, after = time.perf_counter() - start, memory_in_use()
        grown = None if before is None or after is None else after - before
        memory = "" if grown is None else f" and {grown / 1e6:,.0f} MB of memory"
        message = f"picking the package takes {seconds:.2f} s{memory}"
        self.findings.add("run/dialog-cost", message, "Nothing has to change.")
        if seconds > MOST_SECONDS or (grown or 0) > MOST_BYTES:
            remedy = "Load weights and large libraries on the first block, not in initialize."
            self.findings.add("run/dialog-slow", message, remedy)
        try:
            initialize(first, self.package, self.device)
        except DlpkError as error:
            remedy = "Let initialize begin anew each time it is called."
            self.findings.failed("run/second-start-fails", error, remedy)
        return declared

    def _configuration(self, declared: Sequence[Mapping[str, Any]]) -> Configuration | None:
        """The answer of ``getConfiguration``; as text first, as ArcGIS Pro gives arguments."""
        failure: DlpkError | None = None
        for written_as in ("text", "typed"):
            self.settings = replace(self.settings, arguments_as=written_as)
            try:
                scalars = self._scalars(declared)
                configuration = self._configured(scalars)
            except ArgumentsError as error:
                names = {parameter["name"] for parameter in shown_parameters(declared)}
                if any(name not in names for name in self.given):
                    raise
                remedy = "Give it a value: --arg NAME=VALUE."
                self.findings.failed("run/not-run", error, remedy)
                return None
            except DlpkError as error:
                failure = failure or error
                continue
            if failure is not None:
                self.findings.failed("run/arguments-as-text", failure, CONVERT)
            return configuration
        assert failure is not None
        self.findings.failed("run/start-fails", failure, "Mend what the message names.")
        return None

    def _scalars(self, declared: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return argument_scalars(declared, self.given, written_as=self.settings.arguments_as)

    def _configured(self, scalars: Mapping[str, Any]) -> Configuration:
        """What a new object makes of arguments."""
        function, _ = started(load_class(function_path(self.package)), self.package, self.device)
        return function.configuration(scalars)

    def _decimal_comma(self, declared: Sequence[Mapping[str, Any]]) -> None:
        """Give numbers with fractions a decimal comma."""
        for parameter in shown_parameters(declared):
            text = as_text(parameter.get("value"))
            name = str(parameter["name"])
            if text.replace(".", "", 1).isdigit() and "." in text and name not in self.given:
                comma = text.replace(".", ",")
                scalars = {**self._scalars(declared), name: comma}
                try:
                    self._configured(scalars)
                except DlpkError:
                    self.findings.add(
                        "run/decimal-comma",
                        f"the argument {name!r} cannot be {comma!r}",
                        "Read numbers with float(text.replace(',', '.')).",
                    )

    def _raster_info(self, run: Session) -> None:
        described = {
            name: dict(value) if isinstance(value, dict) else value
            for name, value in run.raster_kwargs.items()
        }
        remedy = "Answer the same every time: empty lists that are kept before filling them."
        try:
            again = run.function.output_info(described)
        except DlpkError as error:
            self.findings.failed("run/raster-info-changes", error, remedy)
            return
        if (again.bands, again.pixel_type, again.attribute_table) != (
            run.info.bands,
            run.info.pixel_type,
            run.info.attribute_table,
        ):
            message = "a second call of updateRasterInfo describes another output than the first"
            self.findings.add("run/raster-info-changes", message, remedy)

    def _background(self, configuration: Configuration) -> None:
        """Whether a NoData value of 0 in the input becomes one in the output; 0 is a class."""
        path = self._write("zeros.tif", configuration, nodata=0.0)
        try:
            run = self.start(path)
        except DlpkError:
            return  # said of the ordinary raster already
        if run.info.nodata == 0 and run.info.pixel_type[0] in "iu":
            self.findings.add(
                "run/background-is-nodata",
                "for a raster with the NoData value 0 the output has it too, and class 0 is lost",
                "Leave bit 2 out of inheritProperties, or set output_info['noData'] to a value "
                "that is no class.",
            )

    # Blocks -------------------------------------------------------------------------------------

    def _base(self, run: Session, chosen: Blocks) -> list[BlockResult] | None:
        """The results of the chosen blocks, which all else is compared with."""
        results = []
        for block in chosen.all:
            try:
                results.append(run.process(block))
            except DlpkError as error:
                if AS_TEXT in str(error):
                    self.findings.failed("run/arguments-as-text", error, CONVERT)
                elif block in chosen.whole:
                    remedy = "Mend what the message names; --debug-block keeps the call for replay."
                    self.findings.failed("run/block-fails", error, remedy)
                else:
                    remedy = "Return 'fixedTileSize': 1, or work with the size that comes."
                    self.findings.failed("run/edge-block-fails", error, remedy)
                return None
        return results

    def _one_pixel(self, configuration: Configuration) -> None:
        path = self._write("pixel.tif", configuration, size=(1, 1))
        try:
            run = self.start(path)
            run.process(run.grid.block(0, 0))
        except DlpkError as error:
            remedy = "Take the size from the block that comes; pad small ones and cut the result."
            self.findings.failed("run/one-pixel-fails", error, remedy)

    # Rasters ------------------------------------------------------------------------------------

    def _write(
        self,
        name: str,
        configuration: Configuration,
        *,
        size: tuple[int, int] | None = None,
        nodata: float | None = None,
    ) -> Path:
        path = self.folder / name
        return raster_for(configuration, self.package.emd, path, size=size, nodata=nodata)


def _files(root: Path | None) -> set[tuple[str, int, int]]:
    """The files of a package, to see whether some have changed."""
    found: set[tuple[str, int, int]] = set()
    for folder, folders, files in os.walk(root) if root is not None else ():
        folders[:] = [name for name in folders if name != "__pycache__"]
        for file in files:
            path = os.path.join(folder, file)
            status = os.lstat(path)
            name = os.path.relpath(path, str(root))
            found.add((name, status.st_size, status.st_mtime_ns))
    return found


def _check_golden(package: Package, findings: RunFindings, device: str, say: Say) -> None:
    result = golden_test(package, device=device, say=say)
    if result.status == DOES_NOT_RUN:
        first = result.reason.splitlines()[0]
        findings.add("run/golden-does-not-run", first, "See dlpk test.")
    elif result.status == FAILED:
        worst = max(result.chips, key=lambda chip: chip.largest)
        findings.add(
            "run/golden-differs",
            f"the result for golden chip {worst.chip} differs by {worst.largest:.2g} "
            f"({result.tolerance:g} is allowed), and {worst.flipped_per_million:.0f} pixels per "
            f"million fall on the other side of the threshold ({result.flipped_per_million:g} are "
            "allowed)",
            "Compare the arrays that dlpk test --keep FOLDER leaves.",
        )
