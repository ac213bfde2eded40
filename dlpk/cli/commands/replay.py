"""The command `dlpk replay`."""

from __future__ import annotations

import click

from .. import options


@click.command()
@click.argument("folder")
@options.isolate
def replay(folder: str) -> None:
    """Make a call again that failed.

    FOLDER is where `dlpk classify --debug-block FOLDER` kept it. Runs the package's code: a
    breakpoint() in it opens Python's debugger.
    """
    from ...harness.replay import replay

    pixels, _ = replay(folder)
    values = f", values from {pixels.min()} to {pixels.max()}" if pixels.size else ""
    print(f"the call succeeds: {pixels.dtype}{list(pixels.shape)}{values}")
