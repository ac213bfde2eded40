"""The command validate, which runs none of a package's code unless told to."""

from __future__ import annotations

import argparse
import json
from typing import Any, Final

from schemas.findings import Report

from .classify import add_run, isolated, run_report

EXIT_FINE: Final = 0
EXIT_FINDINGS: Final = 1

_LEVELS: Final = ("error", "warning", "note")


def add_validate(commands: Any) -> None:
    """Add the command ``validate``."""
    validate = commands.add_parser(
        "validate",
        help="find everything wrong with a package",
        description="Judge a package, folder or model definition. Runs its code only with --run. "
        "Exit code 0: nothing at or above the level of --fail-on, 1: something, 2: wrong usage.",
    )
    validate.set_defaults(run=_validate, parser=validate)
    validate.add_argument(
        "package", metavar="PACKAGE|FOLDER|EMD", help=".dlpk, folder, .emd or JSON text"
    )
    form = validate.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the report as JSON")
    form.add_argument(
        "--sarif", action="store_true", help="print the report as SARIF 2.1.0, for code scanning"
    )
    validate.add_argument(
        "--fail-on",
        choices=_LEVELS,
        default="error",
        help="the least severity that makes the exit code 1 (default %(default)s)",
    )
    add_run(validate)


def _validate(options: argparse.Namespace) -> int:
    return isolated(_validate_here, options)


def _validate_here(options: argparse.Namespace) -> int:
    from ..validation.validate import validate

    report = validate(options.package)
    if options.run_function:
        report += run_report(options)
    print(_written(report, options))
    return EXIT_FINDINGS if fails(report, options.fail_on) else EXIT_FINE


def fails(report: Report, level: str) -> bool:
    """Tell whether a report has a finding at or above a level.

    Parameters
    ----------
    report : Report
        The findings.
    level : {"error", "warning", "note"}
        The least severity that counts.
    """
    counted = _LEVELS[: _LEVELS.index(level) + 1]
    return any(finding.severity.value in counted for finding in report)


def _written(report: Report, options: argparse.Namespace) -> str:
    if options.json:
        return json.dumps(report.to_dict(), indent=2)
    if options.sarif:
        from ..validation.sarif import to_sarif

        return json.dumps(to_sarif(report, options.package), indent=2)
    return report.to_text()
