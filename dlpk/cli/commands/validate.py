"""The command `dlpk validate`, which runs none of a package's code unless told to."""

from __future__ import annotations

import json
from collections.abc import Mapping

import click

from schemas.findings import Report

from .. import options
from ..logs import tell

LEVELS = ("error", "warning", "note")


@click.command()
@click.argument("package", metavar="PACKAGE")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--sarif", is_flag=True, help="Print it as SARIF 2.1.0, for code scanning.")
@click.option(
    "--fail-on",
    type=click.Choice(LEVELS),
    default="error",
    show_default=True,
    help="The least severity that makes the exit code 1.",
)
@click.option(
    "--run",
    "run_function",
    is_flag=True,
    help="Run the function too: phases, purity, seams, NoData, memory, golden chips. The options "
    "that follow are for this.",
)
@click.option("--raster", metavar="RASTER", help="Run on this instead of an artificial raster.")
@options.arguments
@click.option(
    "--blocks",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    help="Blocks that the look for growing memory takes at most.",
)
@options.releases
@options.device
@options.isolate
def validate(
    package: str,
    as_json: bool,
    sarif: bool,
    fail_on: str,
    run_function: bool,
    raster: str | None,
    arguments: Mapping[str, str],
    blocks: int,
    releases: list[str],
    device: str,
) -> int:
    """Find everything wrong with a package.

    PACKAGE is a .dlpk, a folder, an .emd or a model definition as JSON text. Runs its code only
    with --run. Exit code 0: nothing at or above the level of --fail-on, 1: something (or an error,
    said on stderr), 2: wrong usage.
    """
    if not package:  # such as an unset variable: not the current folder
        raise click.UsageError("the name of the package is empty")
    if as_json and sarif:
        raise click.UsageError("--json and --sarif exclude each other.")
    if not run_function:
        options.refuse(("raster", "arguments", "blocks", "releases"), "no effect without --run")
    from ...validation.validate import validate

    report = validate(package)
    if run_function:
        from ...testing.behaviour import check_run

        report += check_run(
            package, raster=raster, arguments=arguments, device=device, blocks=blocks
        )
        if releases:
            from ...testing.release_checks import check_releases

            report += check_releases(
                package,
                releases,
                raster=raster,
                arguments=arguments,
                device=device,
                tell=tell,
            )
    if as_json:
        print(json.dumps(report.to_dict(), indent=2))
    elif sarif:
        from ...validation.sarif import to_sarif

        print(json.dumps(to_sarif(report, package), indent=2))
    else:
        print(report.to_text())
    return int(fails(report, fail_on))


def fails(report: Report, level: str) -> bool:
    """Whether a report has a finding at or above a level."""
    counted = LEVELS[: LEVELS.index(level) + 1]
    return any(finding.severity.value in counted for finding in report)
