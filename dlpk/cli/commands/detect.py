"""The command `dlpk detect`."""

from __future__ import annotations

from typing import Any

import click

from .. import options

MISSING = "Name the raster to look into and the file of features to write."


@click.command()
@click.argument("package")
@click.argument("paths", metavar="RASTER... OUT", nargs=-1)
@options.prompt
@options.arguments
@click.option(
    "--max-overlap-ratio",
    type=click.FloatRange(0, 1),
    metavar="RATIO",
    help="Leave out duplicates: of two polygons that overlap by more (intersection over union), "
    "the less confident. By default all stay.",
)
@options.device
@options.extent
@options.cell_size
@options.settings
@options.phase
@options.quiet
@options.isolate
def detect(package: str, paths: tuple[str, ...], phase: str, **choices: Any) -> None:
    """Find objects in rasters with a package.

    Its raster function is called as by the tool Detect Objects Using Deep Learning.

    RASTER is anything GDAL opens, several are one mosaic; OUT is the file of features to write: a
    GeoPackage (.gpkg), .geojson, .fgb or .shp. PACKAGE is a .dlpk, a folder, an .emd or JSON text.

    Runs the package's code: use packages you trust, or --isolate.
    """
    if phase == "validation":
        from ...harness.phases import open_dialog

        print(open_dialog(package).to_text())
    elif len(paths) < 2:
        raise click.UsageError(MISSING)
    else:
        _detect(package, paths, **choices)


def _detect(
    package: str,
    paths: tuple[str, ...],
    *,
    extent: str | None,
    settings: tuple[str, ...],
    quiet: bool,
    **choices: Any,
) -> None:
    from ...classification.api import parse_extent
    from ...detection.detect import detect as run
    from ...harness.arguments import parse_assignments
    from ...harness.environment import print_message, print_warnings
    from ...harness.settings import parse_settings

    found = run(
        package,
        paths[:-1],
        paths[-1],
        extent=parse_extent(extent) if extent is not None else None,
        settings=parse_settings(parse_assignments(settings)),
        quiet=quiet,
        say=print_warnings if quiet else print_message,
        **choices,
    )
    if not quiet:
        print(found.to_text())
