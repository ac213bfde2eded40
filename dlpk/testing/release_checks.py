"""Whether a package runs, and answers alike, with the libraries of other releases of ArcGIS Pro."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from builder.scratch import scratch_folder
from schemas.findings import Report

from ..classification.block_call import make_request
from ..classification.session import Session
from ..environments.making import check_release, make_release
from ..environments.running import Answer, run_in
from ..errors import DlpkError, ReleaseError
from ..harness.arguments import argument_scalars
from ..harness.devices import device_number
from ..harness.environment import Environment
from ..harness.loader import function_path
from ..harness.phases import LoadedFunction
from ..harness.replay import Call, save_call
from ..lint.function import imported_modules
from ..lint.releases import lacking
from ..package.open import Package, open_package
from ..raster.dataset import Raster
from .block_checks import Blocks, share_of_difference, written
from .rules import RunFindings
from .synthetic import raster_for

# Share of pixels that may fall to another class through other rounding.
ROUNDING = 1e-3
# Distance of outlines, in pixels.
NEAR = 0.5


def check_releases(
    package: str | Path,
    releases: Sequence[str],
    *,
    raster: str | Path | None = None,
    arguments: Mapping[str, Any] | None = None,
    device: str = "auto",
    tell: Callable[[str], None] = lambda text: None,
) -> Report:
    """Run a package with the Python, torch and numpy of releases of ArcGIS Pro. Runs its code.

    Environments are made from the package index when they are first needed, and kept.

    Parameters
    ----------
    package : path or str
        A .dlpk, a folder, an .emd, or a model definition as JSON text.
    releases : sequence of str
        Such as 3.3.
    raster, arguments, device
        See `dlpk.testing.behaviour.check_run`.
    tell : callable, optional
        Takes a line before an environment is made.

    Returns
    -------
    Report
        How each release did, compared with the Python that runs this.

    Raises
    ------
    ArgumentsError
        A release is not known, or the device is none.
    """
    for pro in releases:
        check_release(pro)
    number, findings = device_number(device), RunFindings()
    with ExitStack() as stack:
        folder = stack.enter_context(scratch_folder())
        try:
            opened = stack.enter_context(open_package(package))
            findings.file = function_path(opened).name
        except DlpkError:
            return findings.report()  # what cannot be opened has been told of
        source = str(opened.archive or opened.emd_path or opened.emd_text)
        _keep_calls(opened, number, raster, arguments or {}, folder / "calls")
        here: Answer | None = None
        for pro in dict.fromkeys(releases):
            try:
                made = make_release(pro, imported_modules(opened), tell)
                here = here or run_in(
                    sys.executable, source, folder / "calls", folder / "here", number
                )
                there = run_in(made.python, source, folder / "calls", folder / pro, number)
            except ReleaseError as error:
                message = f"nothing was run for ArcGIS Pro {pro}: {error}"
                findings.add("run/pro-not-run", message, "docs/releases.md says what is needed.")
                continue
            _judge(findings, pro, made.python, here, there)
    return findings.report()


def _keep_calls(
    package: Package,
    device: int,
    raster: str | Path | None,
    arguments: Mapping[str, Any],
    folder: Path,
) -> None:
    """Keep a call for a block and for one at the edge; none if the function does not get there."""
    folder.mkdir()
    with Environment(package, lambda level, text: None, device=device):
        try:
            loaded = LoadedFunction(package, device)
            scalars = argument_scalars(loaded.parameters, arguments)
            wanted = loaded.new().configuration(scalars)
            path = raster or raster_for(wanted, package.emd, folder / "scene.tif")
            session = Session.start(loaded, Raster(path), arguments)
            chosen = Blocks.choose(session)
            source = str(package.archive or package.emd_path or package.emd_text)
            for number, block in enumerate([chosen.whole[0], *chosen.edges[-1:]]):
                request = make_request(session, block, session.read(block))
                call = Call(source, device, session.scalars, session.raster_kwargs, request)
                save_call(call, folder / str(number))
        except DlpkError:
            return  # said without a release already; its dialog is tried all the same


def _judge(findings: RunFindings, pro: str, python: Path, here: Answer, there: Answer) -> None:
    name = f"ArcGIS Pro {pro} ({there.environment})"
    if there.error and there.missing:
        known = pro not in lacking(there.missing)
        findings.add(
            "run/pro-not-run",
            f"{name}: the module {there.missing!r} is not in the environment, which holds only what"
            " is named here"
            + (
                "; the release has it"
                if known
                else "; whether the release has it is not known, or it lacks it"
            ),
            f"Install it there if you will: {python} -m pip install {there.missing}",
        )
    elif there.error:
        same = " (it fails here too)" if here.error else ""
        first, *rest = there.error.splitlines()
        place = f" ({rest[0].strip()})" if rest and ", line " in rest[0] else ""
        findings.add(
            "run/pro-fails",
            f"{name}: {first}{place}{same}",
            "Write it so that this release runs it, or say which releases the package is for.",
        )
    else:
        _compare(findings, name, here, there)


def _compare(findings: RunFindings, name: str, here: Answer, there: Answer) -> None:
    dialog = f"the dialog opens in {there.seconds:.2f} s"
    pairs = list(zip(here.results, there.results))
    if not pairs:
        message = f"{name}: {dialog}; no block could be compared"
        findings.add("run/pro-runs", message, "Nothing has to change.")
        return
    shares = [_difference(one, other) for one, other in pairs]
    alike = f"{len(pairs)} blocks are {'the same as' if not max(shares) else 'nearly those'}"
    if max(shares) <= ROUNDING:
        message = f"{name}: {dialog}; {alike} with {here.environment}"
        findings.add("run/pro-runs", message, "Nothing has to change.")
        return
    findings.add(
        "run/pro-differs",
        f"{name}: {written(max(shares))} of a block differ from those with {here.environment}",
        "Find what the libraries do differently: dlpk replay repeats a call that was kept.",
    )


def _difference(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> float:
    """Share of pixels, or of objects, that differ."""
    if "pixels" in one and "pixels" in other:
        if one["pixels"].shape != other["pixels"].shape:
            return 1.0
        valid = (one["mask"] > 0) & (other["mask"] > 0)
        pixels = [np.where(valid, part["pixels"], 0) for part in (one, other)]
        values = share_of_difference(pixels[0], pixels[1])
        return max(values, share_of_difference(one["mask"], other["mask"]))
    if len(one) != len(other):
        return 1.0
    far = [name for name in one if not _near(one[name], other[name])]
    return len(far) / max(1, len(one))


def _near(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and bool(np.abs(one - other).max(initial=0) <= NEAR)
