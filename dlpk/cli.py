"""The command `dlpk`."""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from schemas.errors import DlpkError

# Heavy imports (torch, gdal) wait until a command needs them: help and validation are instant.
EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130


class Parser(argparse.ArgumentParser):
    """A parser that suggests what may have been meant."""

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with 2."""
        known = [option for action in self._actions for option in action.option_strings]
        for word in message.split():
            near = difflib.get_close_matches(word.split("=")[0], known, n=1)
            if word.startswith("--") and near and word not in known:
                message += f" (did you mean {near[0]}?)"
                break
        self.exit(EXIT_USAGE, f"{self.prog}: error: {message}\nSee {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Of the command line by default.

    Returns
    -------
    int
        0 done; 1 it failed, or validation found errors; 2 wrong usage; 130 interrupted.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = parser().parse_args(words)
    options.words = words
    try:
        return int(options.run(options))
    except DlpkError as error:
        print(f"dlpk: error: {error}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        print("dlpk: interrupted; nothing was written", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # `dlpk inspect … | head`
        sys.stderr.close()
        return EXIT_FAILED


def parser() -> Parser:
    """Make the parser of the whole command."""
    top = Parser(
        prog="dlpk",
        description="Build, check and run ArcGIS deep learning packages, without ArcGIS.",
    )
    commands = top.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    _add_build(commands)
    _add_validate(commands)
    _add_inspect(commands)
    _add_classify(commands)
    _add_replay(commands)
    return top


def _add_build(commands: Any) -> None:
    build = commands.add_parser(
        "build",
        help="make a package from weights",
        description="Make a .dlpk around CLIPSeg, for Classify Pixels Using Deep Learning.",
    )
    build.set_defaults(run=_build)
    build.add_argument("out", metavar="OUT.dlpk", help="file to write")
    build.add_argument(
        "--weights",
        metavar="SOURCE",
        default="CIDAS/clipseg-rd64-refined",
        help="hub id (default %(default)s, pinned), a folder in the hub's layout, the authors' "
        "decoder .pth (with --clip), or 'mini', a miniature for demonstration",
    )
    build.add_argument("--clip", metavar="FOLDER", help="CLIP ViT-B/16, for the authors' decoder")
    build.add_argument("--revision", help="revision of the hub id, instead of the pinned one")
    build.add_argument("--name", help="name of the package (default: that of the file)")
    build.add_argument("--description", help="a sentence for people")
    build.add_argument(
        "--precision",
        choices=("fp16", "fp32"),
        default="fp16",
        help="how weights are stored (default %(default)s)",
    )
    build.add_argument("--threshold", type=float, help="default threshold, 0 to 1")
    build.add_argument("--prompt", help="default prompts, separated by commas")
    build.add_argument(
        "--freeze-prompts",
        metavar="PROMPTS",
        help="embed these prompts now and leave the text tower out",
    )
    build.add_argument(
        "--prompt-embeddings", metavar="FILE", help="embeddings made elsewhere (safetensors)"
    )
    build.add_argument("--names", metavar="FILE", help="their names (JSON list, or one per line)")
    build.add_argument(
        "--embeddings-tensor", metavar="NAME", help="which tensor of the file (default: first fit)"
    )


def _add_validate(commands: Any) -> None:
    validate = commands.add_parser(
        "validate",
        help="find everything wrong with a package",
        description="Judge a package, folder or model definition. Runs none of its code. "
        "Exit code 0: no errors, 1: errors.",
    )
    validate.set_defaults(run=_validate)
    validate.add_argument("package", metavar="PACKAGE|FOLDER|EMD")
    validate.add_argument("--json", action="store_true", help="print the report as JSON")


def _add_inspect(commands: Any) -> None:
    inspect = commands.add_parser(
        "inspect",
        help="show what is in a package",
        description="Describe a package. Runs none of its code.",
    )
    inspect.set_defaults(run=_inspect)
    inspect.add_argument("package", metavar="PACKAGE")
    inspect.add_argument("--json", action="store_true", help="print the description as JSON")


def _add_classify(commands: Any) -> None:
    classify = commands.add_parser(
        "classify",
        help="run a package over rasters",
        description="Run a package's raster function over a raster, as Classify Pixels Using "
        "Deep Learning does. Runs the package's code: use packages you trust, or --isolate.",
    )
    classify.set_defaults(run=_classify)
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
        "--device", default="auto", help="auto, cpu or cuda:N (default %(default)s)"
    )
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
    classify.add_argument(
        "--isolate",
        action="store_true",
        help="in a process without network, the package read-only (Linux)",
    )
    classify.add_argument(
        "--debug-block", metavar="FOLDER", help="keep the inputs of a failing call, for replay"
    )
    classify.add_argument("--png", metavar="OUT.png", help="also draw scene, classes and legend")
    classify.add_argument("-q", "--quiet", action="store_true", help="no progress, no summary")


def _add_replay(commands: Any) -> None:
    replay = commands.add_parser(
        "replay",
        help="make a failed call again",
        description="Make one call of a function again that `classify --debug-block` kept.",
    )
    replay.set_defaults(run=_replay)
    replay.add_argument("folder", metavar="FOLDER")
    replay.add_argument(
        "--debugger", action="store_true", help="stop in Python's debugger where it fails"
    )


def _build(options: argparse.Namespace) -> int:
    from builder import build

    built = build(
        options.out,
        weights=options.weights,
        clip=options.clip,
        revision=options.revision,
        name=options.name,
        description=options.description,
        precision=options.precision,
        threshold=options.threshold,
        prompt=options.prompt,
        freeze_prompts=options.freeze_prompts,
        prompt_embeddings=options.prompt_embeddings,
        names=options.names,
        embeddings_tensor=options.embeddings_tensor,
    )
    for note in built.notes:
        print(f"note: {note}", file=sys.stderr)
    print(f"{built.path}: {built.size / 1e6:,.1f} MB, SHA-256 {built.sha256}")
    return EXIT_OK


def _validate(options: argparse.Namespace) -> int:
    from .validation import validate

    report = validate(options.package)
    print(json.dumps(report.to_dict(), indent=2) if options.json else report.to_text())
    return EXIT_OK if report.ok else EXIT_FAILED


def _inspect(options: argparse.Namespace) -> int:
    from .inspection import as_text, inspect

    description = inspect(options.package)
    print(json.dumps(description, indent=2) if options.json else as_text(description))
    return EXIT_OK


def _classify(options: argparse.Namespace) -> int:
    if options.isolate:
        from .isolation import run_isolated

        return run_isolated([word for word in options.words if word != "--isolate"])
    if options.phase == "validation":
        from .phases import open_dialog

        print(open_dialog(options.package).to_text())
        return EXIT_OK
    from .arguments import parse_assignments
    from .classify_pixels import classify, parse_extent
    from .output import check_output
    from .settings import parse_settings

    jobs = _jobs(options)
    if options.png:
        check_output(options.png)
    extent = parse_extent(options.extent) if options.extent else None
    for rasters, out in jobs:
        result = classify(
            options.package,
            rasters,
            out,
            prompt=options.prompt,
            arguments=parse_assignments(options.arg),
            device=options.device,
            extent=extent,
            cell_size=options.cell_size,
            settings=parse_settings(parse_assignments(options.set)),
            debug_block=options.debug_block,
            quiet=options.quiet,
        )
        if options.png:
            _draw(options, rasters, result)
        if not options.quiet:
            print(result.to_text())
    return EXIT_OK


def _jobs(options: argparse.Namespace) -> list[tuple[list[str], str]]:
    """Rasters and the file to write for each run."""
    from pathlib import Path

    from .errors import ArgumentsError
    from .mosaic import item_jobs, rasters_in

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


def _draw(options: argparse.Namespace, rasters: list[str], result: Any) -> None:
    from contextlib import ExitStack

    from .classify_pixels import parse_extent
    from .mosaic import mosaic
    from .picture import draw
    from .raster import Raster

    extent = parse_extent(options.extent) if options.extent else None
    with ExitStack() as stack:
        source = Raster(mosaic(rasters, stack), extent=extent, cell_size=options.cell_size)
        draw(source, result.path, result.legend, options.png)


def _replay(options: argparse.Namespace) -> int:
    from .replay import replay

    pixels, _ = replay(options.folder, debugger=options.debugger)
    values = f"values from {pixels.min()} to {pixels.max()}"
    print(f"the call succeeds: {pixels.dtype}{list(pixels.shape)}, {values}")
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
