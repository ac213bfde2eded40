"""The command `dlpk serve`."""

from __future__ import annotations

import click

from .. import options


@click.command()
@click.argument("package")
@click.argument("rasters", metavar="RASTER...", nargs=-1, required=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Address to listen at; with any but this machine's own, a token is asked for.",
)
@click.option("--no-browser", is_flag=True, help="Do not open a browser.")
@click.option("--trust", is_flag=True, help="Run the package's code without asking on the page.")
@options.device
def serve(
    package: str,
    rasters: tuple[str, ...],
    port: int,
    host: str,
    no_browser: bool,
    trust: bool,
    device: str,
) -> None:
    """Try out prompts on a map, in a browser.

    Opens a page where RASTER can be panned and prompts typed, and masks are seen at once. Nothing
    leaves the machine. The package's code runs once you agree on the page.
    """
    import webbrowser
    from contextlib import suppress

    from ...studio.server import serve as serve_page
    from ..signals import Terminated

    def ready(address: str) -> None:
        print(f"{address}\n{package} on {', '.join(rasters)}. Ctrl+C ends it.", flush=True)
        if not no_browser:
            webbrowser.open(address)

    with suppress(Terminated):  # that is how servers are ended
        serve_page(package, rasters, host=host, port=port, trust=trust, device=device, ready=ready)
