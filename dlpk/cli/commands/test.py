"""The command `dlpk test`."""

from __future__ import annotations

import json

import click

from .. import options
from ..exit_codes import Exit


@click.command()
@click.argument("package")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option(
    "--keep", metavar="FOLDER", help="Where to leave the produced arrays if results differ."
)
@options.device
@options.isolate
def test(package: str, as_json: bool, keep: str | None, device: str) -> int:
    """Run a package on its golden chips.

    Those are inputs that it carries; results are compared with those that it promises. Runs the
    package's code. Exit code 0: passed, or it carries none; 1: results differ; 3: it does not run.
    """
    from ...testing.golden_test import golden_test

    result = golden_test(package, keep=keep, device=device)
    print(json.dumps(result.to_dict(), indent=2) if as_json else result.to_text())
    codes = {"failed": Exit.FAILED, "does-not-run": Exit.DOES_NOT_RUN}
    return codes.get(result.status, Exit.DONE)
