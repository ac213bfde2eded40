"""The command `dlpk evaluate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from . import options


@click.command()
@click.argument("prediction")
@click.argument("truth")
@click.option("--field", help="Field of polygons that names the class.")
@click.option(
    "--classes",
    metavar="WHICH",
    help="Values of classes, as in water=1,road=2; water=1/41 if the truth says 41 for 1. Or a "
    "JSON file: {name: value} or {name: [value, true value]}.",
)
@click.option(
    "--outside",
    default="auto",
    show_default=True,
    help="What lies outside of all polygons: background, unknown, or auto: unknown where several "
    "classes are drawn.",
)
@click.option(
    "--grid",
    default="truth",
    show_default=True,
    help="Whose pixels are counted where both are rasters: truth or prediction.",
)
@click.option(
    "--threshold",
    type=float,
    default=0.5,
    show_default=True,
    help="Where the prediction is probabilities.",
)
@click.option("--by", metavar="FIELD", help="Report by this field of the regions.")
@click.option("--regions", metavar="FILE", help="Polygons of the regions (default: the truth).")
@click.option("--boundary", default="", metavar="1,2,3", help="Boundary F at so many pixels.")
@click.option("--image", metavar="RASTER", help="Shown beside examples in the HTML report.")
@click.option("--block", type=int, help="Side in pixels of the blocks that intervals rest on.")
@click.option(
    "--report",
    "reports",
    multiple=True,
    metavar="OUT",
    help="Write a report: OUT.html, OUT.json or OUT.csv; may be repeated.",
)
@options.quiet
def evaluate(
    prediction: str,
    truth: str,
    classes: str | None,
    boundary: str,
    reports: tuple[str, ...],
    quiet: bool,
    **choices: Any,
) -> None:
    """Compare a classified raster with truth.

    PREDICTION is a raster of classes, or of probabilities with one band per class; TRUTH a raster
    or polygons, in any coordinate system and cell size. Pixels without data in either do not
    count.
    """
    from builder.target import check_targets

    from ..evaluation.files import check_report, write_report
    from ..evaluation.rasters import Options, evaluate_raster
    from ..evaluation.report_text import to_text
    from ..raster.files import files_of

    for report in reports:
        check_report(report)
    check_targets(reports, files_of([prediction, truth]))
    result = evaluate_raster(
        prediction,
        truth,
        Options(classes=parse_classes(classes), boundary=parse_distances(boundary), **choices),
        quiet=quiet,
    )
    print(to_text(result))
    for report in reports:
        print(write_report(result, report))


def parse_classes(text: str | None) -> dict[str, tuple[int, int]] | None:
    """Read ``water=1,road=2/41`` or a JSON file."""
    if not text:
        return None
    try:
        if text.endswith(".json"):
            given = json.loads(Path(text).read_text(encoding="utf-8"))
            pairs = {
                str(name): tuple(value) if isinstance(value, list) else (value, value)
                for name, value in given.items()
            }
        else:
            pairs = {}
            for part in text.split(","):
                name, _, value = part.partition("=")
                ours, _, theirs = value.partition("/")
                pairs[name.strip()] = (ours, theirs or ours)
        return {name: (int(ours), int(theirs)) for name, (ours, theirs) in pairs.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise click.UsageError(
            f"--classes {text!r} is neither like water=1,road=2/41 nor a JSON file of that: {error}"
        ) from error


def parse_distances(text: str) -> tuple[int, ...]:
    """Read ``1,2,3``."""
    try:
        found = tuple(int(part) for part in text.replace(",", " ").split())
    except ValueError as error:
        raise click.UsageError(f"--boundary {text!r} is not like 1,2,3") from error
    if any(not 0 <= distance <= 50 for distance in found):
        raise click.UsageError("--boundary takes distances from 0 to 50 pixels")
    return found
