"""The rules that running a package is judged by."""

from __future__ import annotations

from ..errors import DlpkError
from ..findings import Collector, Rule, Severity

__all__ = ["RULES", "RunFindings"]

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
    "run/not-run": Rule(_E, "What cannot be started cannot be judged by running it.", _CHOICE),
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
    "run/second-raster-differs": Rule(
        _W, "One object may serve a folder of rasters, one after the other.", _WORKERS
    ),
    "run/host-matters": Rule(
        _W, "What is not documented may differ between ArcGIS Pro, Server and versions.", _CALLS
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


class RunFindings(Collector):
    """Collects what the checks find; `file` is that of the function, once it is known."""

    def __init__(self) -> None:
        super().__init__(RULES)

    def failed(self, rule: str, error: DlpkError, remedy: str) -> None:
        """Note that something raised, with the author's innermost line."""
        first, *rest = str(error).splitlines()
        place = f" ({rest[0].strip()})" if rest and ", line " in rest[0] else ""
        self.add(rule, first + place, remedy)
