"""Judging a package by running it: phases, purity, seams, NoData, memory, golden chips."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from schemas.findings import Report

from ..harness.environment import Say
from .rules import RULES
from .run_checks import run_checks

__all__ = ["BLOCKS", "RULES", "check_run"]

# Blocks that a look for growing memory takes.
BLOCKS = 200


def check_run(
    package: str | Path,
    *,
    raster: str | Path | None = None,
    arguments: Mapping[str, Any] | None = None,
    device: str = "auto",
    blocks: int = BLOCKS,
    say: Say | None = None,
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
        Blocks that the look for growing memory takes.
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
    return run_checks(
        package,
        raster=raster,
        arguments=arguments or {},
        device=device,
        blocks=blocks,
        say=say or _nothing,
    )


def _nothing(level: str, text: str) -> None:
    """Say nothing: what the function says is not what is judged."""
