"""The command `dlpk polygonize`."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import Any

import click

from .. import options


@click.command()
@click.argument("raster")
@click.argument("out")
@click.option(
    "--probability",
    metavar="RASTER",
    help="Probabilities on the same pixels: adds their mean as the field mean_prob.",
)
@click.option("--background", is_flag=True, help="Polygons of what is no class, too.")
@click.option(
    "--connectedness",
    type=click.Choice(["4", "8"]),
    default="4",
    show_default=True,
    help="8: pixels that touch at a corner are one area.",
)
@options.minimum_area
@options.smoothing
@options.quiet
def polygonize(raster: str, out: str, *, connectedness: str, quiet: bool, **choices: Any) -> None:
    """Turn the classes of a raster into polygons.

    RASTER is a classified raster, OUT the file to write: a GeoPackage (.gpkg), .geojson, .fgb or
    .shp. Fields: value, class, pixels, and the ground area in square metres and hectares.
    """
    from ...classification.progress import Bar
    from ...polygons.polygonize import polygonize as run

    with ExitStack() as stack:
        progress = None if quiet else stack.enter_context(closing(Bar("polygonize")))
        made = run(raster, out, connectedness=int(connectedness), progress=progress, **choices)
    if not quiet:
        print(made.to_text())
