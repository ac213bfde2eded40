"""Judging a package by running it: phases, purity, seams, NoData, memory, golden chips."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.emd_rules import Rule
from schemas.findings import Report, Severity

if TYPE_CHECKING:
    from .surroundings import Say

__all__ = ["BLOCKS", "RULES", "check_run"]

# Blocks that a look for growing memory takes.
BLOCKS = 200

_E, _W, _N = Severity.ERROR, Severity.WARNING, Severity.NOTE
_PHASES = "public templates of Esri: initialize runs when the dialog is filled, and for the run"
_INIT = "ArcGIS error 002667 (the function cannot be initialised), in public threads"
_CALLS = "order of calls of Python raster functions (Esri, Reference.py)"
_WORKERS = "tiles are dealt to worker processes in an order that is not documented"
_SEAMS = "public threads: rectangular patterns in results"
_NODATA = "masks of Python raster functions (Esri, Reference.py); public threads: blank results"
_TABLE = "Esri's functions convert every argument from text"
_COMMA = "a public function that replaces the user's decimal comma"
_PLACES = "tracebacks in public threads: where packages are unpacked to"
_CHOICE = "this project's choice"
_GOLDEN = "this project's package format, version 1"

RULES: dict[str, Rule] = {
    "run/not-run": Rule(_N, "What cannot be started cannot be judged by running it.", _CHOICE),
    # Phases.
    "run/dialog-fails": Rule(_E, "Picking the package in the tool's dialog ends in error.", _INIT),
    "run/dialog-cost": Rule(_N, "The dialog waits while the function initialises.", _PHASES),
    "run/dialog-slow": Rule(
        _W, "A dialog that waits for long looks frozen; load weights on the first block.", _PHASES
    ),
    "run/second-start-fails": Rule(
        _W, "Whether dialog and run have an object each is not known; templates guard.", _INIT
    ),
    "run/start-fails": Rule(_E, "The run ends before the first block.", _INIT),
    "run/arguments-as-text": Rule(
        _E, "The tool's dialog hands every argument over as text.", _TABLE
    ),
    "run/decimal-comma": Rule(
        _W, "In half of the world people write 0,5 where others write 0.5.", _COMMA
    ),
    "run/raster-info-changes": Rule(
        _W, "updateRasterInfo is called whenever the dataset is initialised.", _CALLS
    ),
    # Blocks.
    "run/block-fails": Rule(_E, "The run ends at the first block.", _CALLS),
    "run/edge-block-fails": Rule(
        _E, "At the right and bottom edge blocks are smaller, or reach beyond the raster.", _CALLS
    ),
    "run/edge-block-larger": Rule(
        _W, "Whether ArcGIS cuts results that are larger than it asked for is not known.", _CALLS
    ),
    "run/one-pixel-fails": Rule(_W, "Rasters and extents may be as small as a pixel.", _CHOICE),
    "run/undeclared-values": Rule(
        _W, "Pixels of a value without a class have no name and colour in the legend.", _CALLS
    ),
    # Purity.
    "run/same-block-differs": Rule(
        _W, "The same raster gives another result with every run.", _WORKERS
    ),
    "run/order-matters": Rule(
        _W, "The result depends on the order in which blocks are asked for.", _WORKERS
    ),
    "run/others-matter": Rule(
        _W, "A block alone gives another result than one after others.", _WORKERS
    ),
    "run/batch-matters": Rule(
        _W, "batch_size is about speed and memory; users change it freely.", _WORKERS
    ),
    "run/seams": Rule(_N, "How much of the result depends on where blocks fall.", _SEAMS),
    "run/strong-seams": Rule(_W, "The borders of blocks will show in the result.", _SEAMS),
    # NoData.
    "run/empty-block-fails": Rule(
        _E, "Mosaics and rotated scenes have blocks without a single valid pixel.", _NODATA
    ),
    "run/empty-block-classified": Rule(
        _W, "Where there is no data, the result claims to know a class.", _NODATA
    ),
    "run/partial-block-fails": Rule(_E, "Edges of scenes lie within blocks.", _NODATA),
    "run/nodata-leaks": Rule(
        _W, "What lies under NoData, often arbitrary, changes the result beside it.", _NODATA
    ),
    "run/no-mask": Rule(_N, "Without inputMask the function takes NoData for a picture.", _NODATA),
    "run/background-is-nodata": Rule(
        _N, "With an inherited NoData value of 0 the background becomes NoData.", _NODATA
    ),
    # The process.
    "run/memory-grows": Rule(_W, "Large rasters have a hundred thousand blocks.", _CHOICE),
    "run/writes-in-package": Rule(
        _W, "On servers, and for other users, the package's folder is read-only.", _PLACES
    ),
    # Golden chips.
    "run/golden-differs": Rule(
        _E, "The package does not do what it did when it was made.", _GOLDEN
    ),
    "run/golden-does-not-run": Rule(
        _E, "The package carries chips that it cannot run on.", _GOLDEN
    ),
}


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
    from .run_checks import run_checks

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
