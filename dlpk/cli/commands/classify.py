"""The command `dlpk classify`."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import click

from .. import options
from ..exit_codes import Exit
from ..logs import log_lines

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
@options.extent
@options.cell_size
@click.option(
    "--mode",
    type=click.Choice(["mosaic", "items"]),
    help="Several rasters: one mosaic (default), or one by one (default for a folder or list).",
)
@options.settings
@options.phase
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
@click.option("--workers", type=int, metavar="N", help="Start N worker processes on this machine.")
@click.option("--scheduler", metavar="ADDRESS", help="Use a Dask cluster, such as tcp://host:8786.")
@click.option(
    "--resource",
    "resources",
    multiple=True,
    metavar="NAME=N",
    help="What a Dask worker has to have, such as GPU=1; may be repeated.",
)
@click.option(
    "--range-seconds",
    type=float,
    metavar="S",
    help="What a worker is given at a time takes about this long (default: 60).",
)
@click.option("-v", "--verbose", is_flag=True, help="A line for everything that a worker finishes.")
@click.option("--cog", is_flag=True, help="Write a Cloud Optimized GeoTIFF.")
@click.option("--png", metavar="OUT.png", help="Also draw scene, classes and legend.")
@click.option("--polygons", metavar="OUT.gpkg", help="Also write the classes as polygons.")
@options.minimum_area
@options.smoothing
@options.quiet
@options.isolate
def classify(package: str, paths: tuple[str, ...], phase: str, **choices: Any) -> int:
    """Run a package over rasters.

    Its raster function is called as by the tool Classify Pixels Using Deep Learning.

    RASTER is anything GDAL opens, a folder of images, a pattern, a .txt with a name in each line,
    or STAC items; OUT.tif is the GeoTIFF to write (a folder when images are classified one by
    one). PACKAGE is a .dlpk, a folder, an .emd or JSON text.

    Runs the package's code: use packages you trust, or --isolate.
    """
    if phase == "validation":
        from ...harness.phases import open_dialog

        print(open_dialog(package).to_text())
        return Exit.DONE
    if len(paths) < 2:
        raise click.UsageError(MISSING)
    return _classify(package, paths[:-1], paths[-1], **choices)


def _classify(
    package: str,
    paths: tuple[str, ...],
    out: str,
    *,
    device: str,
    extent: str | None,
    mode: str | None,
    settings: tuple[str, ...],
    quiet: bool,
    workers: int | None,
    scheduler: str | None,
    resources: tuple[str, ...],
    verbose: bool,
    **choices: Any,
) -> int:
    from ...classification.preload import import_ahead

    import_ahead(package)  # before the others: GDAL takes its time as well
    from ...classification.api import parse_extent
    from ...classification.model import Model
    from ...harness.arguments import parse_assignments
    from ...harness.environment import print_message, print_warnings
    from ...harness.settings import parse_settings
    from ...raster.scenes import scenes_of, stands_for_several

    if not choices["polygons"]:
        options.refuse(("smoothing", "minimum_area"), "no effect without --polygons")
    if workers is None and scheduler is None:
        options.refuse(("resources", "range_seconds"), "no effect without --workers or --scheduler")
    choices["settings"] = parse_settings(parse_assignments(settings))
    choices["extent"] = parse_extent(extent) if extent is not None else None
    several = any(map(stands_for_several, paths))
    say = print_warnings if quiet else print_message
    code = Exit.DONE
    with ExitStack() as stack:
        if workers is not None or scheduler is not None:
            from ...classification.cluster.connect import connected, dashboard, needing

            client = stack.enter_context(connected(workers, scheduler))
            choices["client"] = client
            stack.enter_context(needing(resources))
            if link := dashboard(client):
                say("message", f"Dask's dashboard: {link}")
        if verbose:
            stack.enter_context(log_lines())
        model = stack.enter_context(Model(package, device=device, say=say))
        if (mode or ("items" if several else "mosaic")) == "items":
            results = model.classify_each(paths, out, quiet=quiet, **choices)
        else:
            rasters = [scene.raster for scene in scenes_of(paths)]
            results = iter([model.classify(rasters, out, quiet=quiet, **choices)])
        idle = True
        for result in results:
            idle = False
            if not quiet:
                print(result.to_text(), flush=True)
            code = Exit.INCOMPLETE if result.failed else code
        if idle and not quiet:
            print(f"nothing to do: all scenes are done in {out}")
    return code
