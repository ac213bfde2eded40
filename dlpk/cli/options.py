"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

import click
from click.core import ParameterSource

Command = Callable[..., Any]


def _assignments(context: Any, option: Any, words: tuple[str, ...]) -> dict[str, str]:
    if not words:
        return {}
    from ..harness.arguments import parse_assignments

    return parse_assignments(words)


def _releases(context: Any, option: Any, texts: tuple[str, ...]) -> list[str]:
    if not texts:
        return []
    from ..environments.making import releases_in

    return releases_in(",".join(texts))


arguments = click.option(
    "--arg",
    "arguments",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_assignments,
    help="An argument of the function, such as threshold=0.4; may be repeated.",
)
releases = click.option(
    "--pro",
    "releases",
    multiple=True,
    metavar="3.3..3.7",
    callback=_releases,
    help="Run it, too, with the Python, torch and numpy of these releases of ArcGIS Pro, in "
    "environments that are made once; may be repeated.",
)
device = click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda:N.")
prompt = click.option("--prompt", help="What to look for, separated by commas (text_prompt).")
minimum_area = click.option(
    "--minimum-area",
    type=float,
    default=0,
    metavar="M2",
    help="Leave out polygons, and close holes, of less ground than so many square metres.",
)
smoothing = click.option(
    "--smoothing",
    type=int,
    default=0,
    metavar="ROUNDS",
    help="Smooth outlines, by at most half a pixel; shared borders stay shared. 5 is a start.",
)
extent = click.option(
    "--extent", metavar="XMIN,YMIN,XMAX,YMAX", help="Part of the raster, in its coordinate system."
)
cell_size = click.option(
    "--cell-size", type=float, metavar="SIZE", help="Resample to this cell size, in map units."
)
settings = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="A choice where ArcGIS is not documented, such as stretch=minmax; see docs/fidelity.md.",
)
phase = click.option(
    "--phase",
    type=click.Choice(["run", "validation"]),
    default="run",
    show_default=True,
    help="validation: only what the tool's dialog in ArcGIS Pro does when a package is picked.",
)
quiet = click.option("-q", "--quiet", is_flag=True, help="No progress, no summary.")
no_progress = click.option("-q", "--quiet", is_flag=True, help="No progress.")


def refuse(names: Iterable[str], why: str) -> None:
    """Refuse options that were written and have `why`, such as "no effect without --run"."""
    context = click.get_current_context()
    written = [
        option.opts[0]
        for option in context.command.params
        if option.name in names
        and context.get_parameter_source(option.name) is ParameterSource.COMMANDLINE
    ]
    if written:
        raise click.UsageError(f"{', '.join(written)} has {why}")


def isolate(run: Command) -> Command:
    """Give a command the option ``--isolate``."""

    @click.option(
        "--isolate",
        is_flag=True,
        help="In a sandbox: no network, no files but those named (Linux, bubblewrap).",
    )
    @wraps(run)
    def command(isolate: bool, **options: Any) -> Any:
        if not isolate:
            return run(**options)
        if options.get("releases"):
            raise click.UsageError("--pro makes environments, which --isolate does not let it.")
        from .isolated import isolated

        return isolated(click.get_current_context().obj, options)

    return command
