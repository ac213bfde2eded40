"""The command `dlpk classify`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from . import options

MISSING = "Name the raster to classify and the GeoTIFF to write."


@click.command()
@click.argument("package")
@click.argument("paths", metavar="RASTER... OUT.tif", nargs=-1)
@options.prompt
@options.arguments
@click.option(
    "--like",
    multiple=True,
    metavar="NAME=XMIN,YMIN,XMAX,YMAX",
    help="A part of the raster that shows what to look for; may be repeated.",
)
@click.option(
    "--like-layer",
    metavar="FILE",
    help="Polygons around what to look for, one class per value of a field.",
)
@click.option("--like-field", metavar="FIELD", help="The field of --like-layer.")
@options.device
@click.option(
    "--extent", metavar="XMIN,YMIN,XMAX,YMAX", help="Part of the raster, in its coordinate system."
)
@click.option(
    "--cell-size", type=float, metavar="SIZE", help="Resample to this cell size, in map units."
)
@click.option(
    "--mode",
    type=click.Choice(["mosaic", "items"]),
    help="Several rasters: one mosaic (default), or each for itself (default for a folder).",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="A choice where ArcGIS is not documented, such as stretch=minmax; see docs/fidelity.md.",
)
@click.option(
    "--phase",
    type=click.Choice(["run", "validation"]),
    default="run",
    show_default=True,
    help="validation: only what the tool's dialog in ArcGIS Pro does when a package is picked.",
)
@click.option(
    "--debug-block", metavar="FOLDER", help="Keep the inputs of a failing call, for replay."
)
@click.option(
    "--resume",
    flag_value="checked",
    help="Keep a journal of finished blocks beside the result; repeated after a run was killed, "
    "the same command goes on from there.",
)
@click.option(
    "--resume-unchecked",
    "resume",
    flag_value="unchecked",
    help="The same, also where nothing tells whether the raster is still the same.",
)
@click.option("--cog", is_flag=True, help="Write a Cloud Optimized GeoTIFF.")
@click.option("--png", metavar="OUT.png", help="Also draw scene, classes and legend.")
@options.quiet
@options.isolate
def classify(package: str, paths: tuple[str, ...], phase: str, **choices: Any) -> None:
    """Run a package over rasters.

    Its raster function is called as by the tool Classify Pixels Using Deep Learning.

    RASTER is anything GDAL opens, or a folder of images; OUT.tif is the GeoTIFF to write (a folder
    when images are classified one by one). PACKAGE is a .dlpk, a folder, an .emd or JSON text.

    Runs the package's code: use packages you trust, or --isolate.
    """
    if phase == "validation":
        from ..harness.phases import open_dialog

        print(open_dialog(package).to_text())
    elif len(paths) < 2:
        raise click.UsageError(MISSING)
    else:
        _classify(package, paths[:-1], paths[-1], **choices)


def _classify(
    package: str,
    paths: tuple[str, ...],
    out: str,
    *,
    like: tuple[str, ...],
    like_layer: str | None,
    like_field: str | None,
    extent: str | None,
    mode: str | None,
    settings: tuple[str, ...],
    png: str | None,
    quiet: bool,
    **choices: Any,
) -> None:
    from builder.target import check_targets

    from ..classification.preload import import_ahead

    import_ahead(package)  # before the others: GDAL takes its time as well
    from ..classification.api import classify, parse_extent
    from ..errors import DlpkError
    from ..harness.arguments import parse_assignments
    from ..harness.devices import device_number
    from ..harness.environment import print_message, print_warnings
    from ..harness.settings import parse_settings
    from ..output.geotiff import check_png, result_files
    from ..package.open import open_package
    from ..raster.files import files_of

    jobs = _jobs(paths, out, mode, png)
    chosen = parse_settings(parse_assignments(settings))
    area = parse_extent(extent) if extent is not None else None
    device_number(choices["device"])
    results = [file for _, target in jobs for file in result_files(target)]
    results += [check_png(png)] if png else []
    read = [name for names, _ in jobs for name in names]
    check_targets(results, [package, *files_of([*read, like_layer] if like_layer else read)])
    with open_package(package) as opened:
        for rasters, target in jobs:
            try:
                result = classify(
                    opened,
                    rasters,
                    target,
                    like=_likenesses(rasters, like, like_layer, like_field),
                    extent=area,
                    settings=chosen,
                    quiet=quiet,
                    say=print_warnings if quiet else print_message,
                    **choices,
                )
            except DlpkError as error:
                if len(jobs) == 1:
                    raise
                raise type(error)(f"{rasters[0]}: {error}") from error
            if png:
                _draw(rasters, result, png, area, choices["cell_size"], chosen.resampling)
            if not quiet:
                print(result.to_text(), flush=True)


def _jobs(
    rasters: tuple[str, ...], out: str, mode: str | None, png: str | None
) -> list[tuple[list[str], str]]:
    """Rasters and the file to write for each run."""
    from ..errors import ArgumentsError
    from ..raster.mosaic import item_jobs, rasters_in

    folder = len(rasters) == 1 and Path(rasters[0]).is_dir()
    names = rasters_in(Path(rasters[0])) if folder else list(rasters)
    if (mode or ("items" if folder else "mosaic")) == "mosaic":
        return [(names, out)]
    if png:
        raise ArgumentsError("--png draws one result; classify the images one at a time for it")
    return item_jobs(names, Path(out))


def _likenesses(
    rasters: list[str], windows: tuple[str, ...], layer: str | None, field: str | None
) -> list[Any]:
    """The places that ``--like`` and ``--like-layer`` name."""
    from ..classification.examples import from_layer, from_windows, parse_window
    from ..errors import ArgumentsError
    from ..raster.dataset import Raster
    from ..raster.mosaic import mosaic

    found = from_windows([parse_window(text) for text in windows])
    if layer:
        with ExitStack() as stack:
            found += from_layer(layer, Raster(mosaic(rasters, stack, "bilinear")), field)
    elif field:
        raise ArgumentsError("--like-field goes with --like-layer")
    return found


def _draw(
    rasters: list[str], result: Any, png: str, extent: Any, cell_size: Any, resampling: str
) -> None:
    from ..output.quicklook import draw
    from ..raster.dataset import Raster
    from ..raster.mosaic import mosaic

    with ExitStack() as stack:
        path = mosaic(rasters, stack, resampling)
        source = Raster(path, extent=extent, cell_size=cell_size, resampling=resampling)
        draw(source, result.path, result.legend, png)
