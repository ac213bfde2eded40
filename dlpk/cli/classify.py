"""The commands that run a package's code: classify, replay, test."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from schemas.findings import Report

# Heavy imports (torch, gdal) wait until a command needs them.
EXIT_OK, EXIT_FAILED, EXIT_DOES_NOT_RUN = 0, 1, 3


def add_classify(commands: Any) -> None:
    """Add the command ``classify``."""
    classify = commands.add_parser(
        "classify",
        help="run a package over rasters",
        description="Run a package's raster function over a raster, as Classify Pixels Using "
        "Deep Learning does. Runs the package's code: use packages you trust, or --isolate.",
    )
    classify.set_defaults(run=_classify, parser=classify)
    classify.add_argument("package", metavar="PACKAGE", help=".dlpk, folder, .emd or JSON text")
    classify.add_argument(
        "paths",
        metavar="RASTER... OUT.tif",
        nargs="*",
        help="anything GDAL opens, or a folder of images; then the GeoTIFF to write (a folder "
        "when images are classified one by one)",
    )
    classify.add_argument("--prompt", help="what to look for, separated by commas (text_prompt)")
    classify.add_argument(
        "--arg",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an argument of the function, such as threshold=0.4; may be repeated",
    )
    classify.add_argument(
        "--like",
        action="append",
        default=[],
        metavar="NAME=XMIN,YMIN,XMAX,YMAX",
        help="a part of the raster that shows what to look for; may be repeated",
    )
    classify.add_argument(
        "--like-layer",
        metavar="FILE",
        help="polygons around what to look for, one class per value of a field",
    )
    classify.add_argument("--like-field", metavar="FIELD", help="the field of --like-layer")
    add_device(classify)
    classify.add_argument(
        "--extent",
        metavar="XMIN,YMIN,XMAX,YMAX",
        help="part of the raster, in its coordinate system",
    )
    classify.add_argument(
        "--cell-size", type=float, metavar="SIZE", help="resample to this cell size, in map units"
    )
    classify.add_argument(
        "--mode",
        choices=("mosaic", "items"),
        help="several rasters: one mosaic (default), or each for itself (default for a folder)",
    )
    classify.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a choice where ArcGIS is not documented, such as stretch=minmax; see "
        "docs/fidelity.md",
    )
    classify.add_argument(
        "--phase",
        choices=("run", "validation"),
        default="run",
        help="validation: only what the tool's dialog in ArcGIS Pro does when a package is picked",
    )
    add_isolate(classify)
    classify.add_argument(
        "--debug-block", metavar="FOLDER", help="keep the inputs of a failing call, for replay"
    )
    classify.add_argument(
        "--resume",
        action="store_true",
        help="keep a journal of finished blocks beside the result; repeated after a run was "
        "killed, the same command goes on from there",
    )
    classify.add_argument("--cog", action="store_true", help="write a Cloud Optimized GeoTIFF")
    classify.add_argument("--png", metavar="OUT.png", help="also draw scene, classes and legend")
    classify.add_argument("-q", "--quiet", action="store_true", help="no progress, no summary")


def add_replay(commands: Any) -> None:
    """Add the command ``replay``."""
    replay = commands.add_parser(
        "replay",
        help="make a failed call again",
        description="Make one call of a function again that `classify --debug-block` kept. Runs "
        "the package's code.",
    )
    replay.set_defaults(run=_replay, parser=replay)
    replay.add_argument("folder", metavar="FOLDER")
    replay.add_argument(
        "--debugger", action="store_true", help="stop in Python's debugger where it fails"
    )
    add_isolate(replay)


def add_test(commands: Any) -> None:
    """Add the command ``test``."""
    test = commands.add_parser(
        "test",
        help="run a package on its golden chips",
        description="Run a package on the inputs it carries and compare with the results it "
        "carries. Runs the package's code. Exit code 0: passed, or it carries none; 1: results "
        "differ; 3: it does not run.",
    )
    test.set_defaults(run=_test, parser=test)
    test.add_argument("package", metavar="PACKAGE", help=".dlpk, folder or .emd")
    test.add_argument("--json", action="store_true", help="print the result as JSON")
    test.add_argument(
        "--keep", metavar="FOLDER", help="where to leave the produced arrays if results differ"
    )
    add_device(test)
    add_isolate(test)


def add_run(validate: argparse.ArgumentParser) -> None:
    """Add the options of ``validate`` that run the package's code."""
    group = validate.add_argument_group("running the package's code")
    group.add_argument(
        "--run",
        dest="run_function",
        action="store_true",
        help="run the function too: phases, purity, seams, NoData, memory, golden chips",
    )
    group.add_argument(
        "--raster", metavar="RASTER", help="run on this instead of an artificial raster"
    )
    group.add_argument(
        "--arg",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an argument of the function; may be repeated",
    )
    group.add_argument(
        "--blocks",
        type=int,
        default=200,
        metavar="N",
        help="blocks that the look for growing memory takes (default %(default)s)",
    )
    add_device(group)
    add_isolate(group)


def run_report(options: argparse.Namespace) -> Report:
    """What running a package shows, for ``validate --run``."""
    from ..errors import ArgumentsError
    from ..harness.arguments import parse_assignments
    from ..testing.behaviour import check_run

    if options.blocks < 1:
        raise ArgumentsError(f"--blocks is {options.blocks}; it must be 1 or more")
    return check_run(
        options.package,
        raster=options.raster,
        arguments=parse_assignments(options.arg),
        device=options.device,
        blocks=options.blocks,
    )


def add_device(parser: argparse._ActionsContainer) -> None:
    """Add the option ``--device``."""
    parser.add_argument(
        "--device", default="auto", help="auto, cpu or cuda:N (default %(default)s)"
    )


def add_isolate(parser: argparse._ActionsContainer) -> None:
    """Add the option ``--isolate``."""
    parser.add_argument(
        "--isolate",
        action="store_true",
        help="in a process without network, the package read-only (Linux)",
    )


def isolated(run: Callable[[argparse.Namespace], int], options: argparse.Namespace) -> int:
    """Run a command, in an isolated process if that is asked for."""
    if not options.isolate:
        return run(options)
    from ..harness.isolation import run_isolated

    return run_isolated([word for word in options.words if word != "--isolate"])


def _classify(options: argparse.Namespace) -> int:
    return isolated(_open_dialog if options.phase == "validation" else _classify_all, options)


def _open_dialog(options: argparse.Namespace) -> int:
    from ..harness.phases import open_dialog

    print(open_dialog(options.package).to_text())
    return EXIT_OK


def _classify_all(options: argparse.Namespace) -> int:
    from ..classification.preload import import_ahead

    import_ahead(options.package)  # before the others: GDAL takes its time as well
    from ..classification.api import classify, parse_extent
    from ..errors import DlpkError
    from ..harness.arguments import parse_assignments
    from ..harness.devices import device_number
    from ..harness.environment import print_message, print_warnings
    from ..harness.settings import parse_settings
    from ..output.geotiff import check_png
    from ..package.open import open_package
    from ..raster.mosaic import check_not_input

    jobs = _jobs(options)
    arguments = parse_assignments(options.arg)
    settings = parse_settings(parse_assignments(options.set))
    extent = parse_extent(options.extent) if options.extent else None
    device_number(options.device)
    if options.png:
        for name in (*jobs[0][0], jobs[0][1]):
            check_not_input(name, Path(options.png))
        check_png(options.png)
    with open_package(options.package) as package:
        for rasters, out in jobs:
            try:
                result = classify(
                    package,
                    rasters,
                    out,
                    prompt=options.prompt,
                    arguments=arguments,
                    device=options.device,
                    extent=extent,
                    cell_size=options.cell_size,
                    settings=settings,
                    debug_block=options.debug_block,
                    like=_likenesses(options, rasters),
                    resume=options.resume,
                    cog=options.cog,
                    quiet=options.quiet,
                    say=print_warnings if options.quiet else print_message,
                )
            except DlpkError as error:
                if len(jobs) == 1:
                    raise
                raise type(error)(f"{rasters[0]}: {error}") from error
            if options.png:
                _draw(options, rasters, result, settings.resampling)
            if not options.quiet:
                print(result.to_text(), flush=True)
    return EXIT_OK


def _jobs(options: argparse.Namespace) -> list[tuple[list[str], str]]:
    """Rasters and the file to write for each run."""
    from ..errors import ArgumentsError
    from ..raster.mosaic import item_jobs, rasters_in

    if len(options.paths) < 2:
        raise ArgumentsError("name the raster to classify and the GeoTIFF to write")
    *rasters, out = options.paths
    folder = len(rasters) == 1 and Path(rasters[0]).is_dir()
    names = rasters_in(Path(rasters[0])) if folder else rasters
    mode = options.mode or ("items" if folder else "mosaic")
    if mode == "mosaic":
        return [(names, out)]
    if options.png:
        raise ArgumentsError("--png draws one result; classify the images one at a time for it")
    return item_jobs(names, Path(out))


def _likenesses(options: argparse.Namespace, rasters: list[str]) -> list[Any]:
    """The places that ``--like`` and ``--like-layer`` name."""
    from contextlib import ExitStack

    from ..classification.examples import from_layer, from_windows, parse_window
    from ..errors import ArgumentsError
    from ..raster.dataset import Raster
    from ..raster.mosaic import mosaic

    found = from_windows([parse_window(text) for text in options.like])
    if options.like_layer:
        with ExitStack() as stack:
            raster = Raster(mosaic(rasters, stack, "bilinear"))
            found += from_layer(options.like_layer, raster, options.like_field)
    elif options.like_field:
        raise ArgumentsError("--like-field goes with --like-layer")
    return found


def _draw(options: argparse.Namespace, rasters: list[str], result: Any, resampling: str) -> None:
    from contextlib import ExitStack

    from ..classification.api import parse_extent
    from ..output.quicklook import draw
    from ..raster.dataset import Raster
    from ..raster.mosaic import mosaic

    extent = parse_extent(options.extent) if options.extent else None
    with ExitStack() as stack:
        path = mosaic(rasters, stack, resampling)
        source = Raster(path, extent=extent, cell_size=options.cell_size, resampling=resampling)
        draw(source, result.path, result.legend, options.png)


def _replay(options: argparse.Namespace) -> int:
    return isolated(_replay_here, options)


def _replay_here(options: argparse.Namespace) -> int:
    from ..harness.replay import replay

    pixels, _ = replay(options.folder, debugger=options.debugger)
    values = f", values from {pixels.min()} to {pixels.max()}" if pixels.size else ""
    print(f"the call succeeds: {pixels.dtype}{list(pixels.shape)}{values}")
    return EXIT_OK


def _test(options: argparse.Namespace) -> int:
    return isolated(_test_here, options)


def _test_here(options: argparse.Namespace) -> int:
    from ..testing.golden_test import golden_test

    result = golden_test(options.package, keep=options.keep, device=options.device)
    print(json.dumps(result.to_dict(), indent=2) if options.json else result.to_text())
    return {"failed": EXIT_FAILED, "does-not-run": EXIT_DOES_NOT_RUN}.get(result.status, EXIT_OK)
