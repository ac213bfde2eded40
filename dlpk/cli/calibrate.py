"""The command that finds thresholds from labels."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

EXIT_OK = 0


def add_calibrate(commands: Any) -> None:
    """Add the command ``calibrate``."""
    calibrate = commands.add_parser(
        "calibrate",
        help="find the best threshold per prompt from labels",
        description="Compare probabilities with labels, a raster or a few polygons, and find the "
        "threshold per prompt with the best IoU or F-beta.",
    )
    calibrate.set_defaults(run=_calibrate, parser=calibrate)
    calibrate.add_argument("package", metavar="PACKAGE")
    calibrate.add_argument("raster", metavar="RASTER")
    calibrate.add_argument(
        "--truth", required=True, metavar="LABELS", help="vector file or raster with the labels"
    )
    calibrate.add_argument("--field", help="field of the vector file that names the class")
    calibrate.add_argument("--prompt", help="prompts (default: those of the package)")
    calibrate.add_argument(
        "--beta", type=float, help="maximise F-beta instead of IoU; above 1 weighs recall"
    )
    calibrate.add_argument(
        "--arg", action="append", default=[], metavar="NAME=VALUE", help="an argument of the run"
    )
    calibrate.add_argument("--device", default="auto", help="auto, cpu or cuda:N")
    calibrate.add_argument("--png", metavar="OUT.png", help="draw IoU over the threshold")
    calibrate.add_argument(
        "--write", metavar="OUT.dlpk", help="new package with these thresholds as defaults"
    )
    calibrate.add_argument("-q", "--quiet", action="store_true", help="no progress bar")


def _calibrate(options: argparse.Namespace) -> int:
    from builder.staging import check_target

    from ..evaluation.calibration import calibrate, draw_curves, write_thresholds
    from ..harness.arguments import parse_assignments
    from ..output.geotiff import check_png

    if options.png:
        check_png(options.png)
    if options.write:
        check_target(Path(options.write))
    found = calibrate(
        options.package,
        options.raster,
        options.truth,
        prompt=options.prompt,
        field=options.field,
        beta=options.beta,
        arguments=parse_assignments(options.arg),
        device=options.device,
        quiet=options.quiet,
    )
    print(found.to_text())
    if options.png:
        print(f"{draw_curves(found, options.png)}: IoU over the threshold")
    if options.write:
        digest = write_thresholds(options.package, options.write, found.thresholds)
        print(f"{options.write}: SHA-256 {digest}")
    return EXIT_OK
