"""The command `dlpk pack`."""

from __future__ import annotations

import sys
from typing import Any

import click

from .. import options


@click.command()
@click.argument("folder", metavar="FOLDER")
@click.argument("out", metavar="OUT.dlpk")
@click.option("--name", help="Name of the package for people (default: that of the file).")
@click.option("--licence", metavar="TEXT", help="Of the whole package, such as MIT.")
@click.option(
    "--golden",
    metavar="RASTER",
    help="Cut golden chips from this raster, run the function on them and keep its answers, which "
    "dlpk test compares with later.",
)
@options.arguments
@options.device
def pack(folder: str, out: str, **settings: Any) -> None:
    """Make a package of any model.

    FOLDER holds an .emd file, a Python raster function and weights. It is validated first: errors
    stop it. Runs none of its code, unless golden chips are made; --arg and --device are for them.
    """
    from ...packing.pack import pack

    if not settings["golden"]:
        options.refuse(["arguments"], "no effect without --golden")
    built = pack(folder, out, **settings)
    for note in built.notes:
        print(note, file=sys.stderr)
    print(f"{built.path}: {built.size / 1e6:,.1f} MB, SHA-256 {built.sha256}")
