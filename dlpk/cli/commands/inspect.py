"""The command `dlpk inspect`."""

from __future__ import annotations

import json

import click


@click.command()
@click.argument("package")
@click.option("--json", "as_json", is_flag=True, help="Print the description as JSON.")
def inspect(package: str, as_json: bool) -> None:
    """Show what is in a package, running nothing of it."""
    from ...package.inspect import inspect

    inspection = inspect(package)
    print(json.dumps(inspection.to_dict(), indent=2) if as_json else inspection.to_text())
