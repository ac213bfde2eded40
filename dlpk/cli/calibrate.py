"""The command `dlpk calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from . import options


@click.command()
@click.argument("package")
@click.argument("raster")
@click.option(
    "--truth", required=True, metavar="LABELS", help="Vector file or raster with the labels."
)
@click.option("--field", help="Field of the vector file that names the class.")
@click.option("--prompt", help="Prompts (default: those of the package).")
@click.option("--beta", type=float, help="Maximise F-beta instead of IoU; above 1 weighs recall.")
@options.arguments
@options.device
@click.option("--png", metavar="OUT.png", help="Draw IoU over the threshold.")
@click.option("--write", metavar="OUT.dlpk", help="New package with these thresholds as defaults.")
@options.quiet
def calibrate(
    package: str, raster: str, truth: str, png: str | None, write: str | None, **choices: Any
) -> None:
    """Find thresholds that agree with labels.

    Labels are a raster or a few polygons; per prompt the threshold with the best IoU or F-beta is
    found.
    """
    from builder.staging import check_target
    from builder.target import check_targets

    from ..evaluation.calibration import calibrate, draw_curves, write_thresholds
    from ..output.geotiff import check_png
    from ..raster.files import files_of

    if png:
        check_png(png)
    if write:
        check_target(Path(write))
    check_targets(filter(None, (png, write)), [package, *files_of([raster, truth])])
    found = calibrate(package, raster, truth, **choices)
    print(found.to_text())
    if png:
        print(f"{draw_curves(found, png)}: IoU over the threshold")
    if write:
        digest = write_thresholds(package, write, found.thresholds)
        print(f"{write}: SHA-256 {digest}")
