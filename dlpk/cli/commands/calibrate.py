"""The command `dlpk calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .. import options


@click.command()
@click.argument("package")
@click.argument("rasters", nargs=-1, required=True)
@click.option(
    "--truth",
    "truths",
    required=True,
    multiple=True,
    metavar="LABELS",
    help="Vector file or raster with the labels; one for all rasters or one for each, in order.",
)
@click.option("--field", help="Field of the vector file that names the class.")
@click.option(
    "--outside",
    default="auto",
    show_default=True,
    help="What lies outside of all polygons: background, unknown, or auto: unknown where several "
    "classes are drawn.",
)
@click.option("--classes", metavar="WHICH", help="Values of a label raster, as in water=1,road=2.")
@click.option(
    "--prompt",
    "prompts",
    multiple=True,
    help="Prompts (default: those of the package); repeat to compare wordings.",
)
@click.option("--cell-size", "cell_sizes", multiple=True, type=float, help="Repeat to compare.")
@click.option("--scales", multiple=True, help="Argument scales; repeat to compare.")
@click.option("--beta", type=float, help="Maximise F-beta instead of IoU; above 1 weighs recall.")
@options.arguments
@options.device
@click.option("--png", metavar="OUT.png", help="Draw IoU over the threshold.")
@click.option("--write", metavar="OUT.dlpk", help="New package with these values as defaults.")
@options.no_progress
def calibrate(
    package: str,
    rasters: tuple[str, ...],
    truths: tuple[str, ...],
    classes: str | None,
    prompts: tuple[str, ...],
    cell_sizes: tuple[float, ...],
    png: str | None,
    write: str | None,
    **choices: Any,
) -> None:
    """Find thresholds and strengths that agree with labels.

    They are found together, on the final decision, and judged on blocks of the rasters (from four
    rasters on: on whole rasters) that had no say in them. Nothing is written that is not better
    there than the package as it is.
    """
    from builder.staging import check_target
    from builder.target import check_targets

    from ...evaluation.calibration.calibrate import calibrate, draw_curves
    from ...evaluation.calibration.store import write_calibrated
    from ...output.geotiff import check_png
    from ...raster.files import files_of
    from .evaluate import parse_classes

    if png:
        check_png(png)
    if write:
        check_target(Path(write))
    check_targets(filter(None, (png, write)), [package, *files_of([*rasters, *truths])])
    pairs = parse_classes(classes)
    found = calibrate(
        package,
        rasters,
        truths,
        classes=None if pairs is None else {name: pair[1] for name, pair in pairs.items()},
        prompt=prompts,
        cell_size=cell_sizes,
        **choices,
    )
    print(found.to_text())
    if png:
        print(f"{draw_curves(found, png)}: IoU over the threshold")
    if write and not found.values:
        print(f"{write} is not written")
    elif write:
        print(f"{write}: SHA-256 {write_calibrated(package, write, found.values)}")
