"""Serving the page."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from ..errors import DlpkError
from .access import LOOPBACK, Access, Guard
from .api import API, STATIC, page
from .clients import CLIENTS
from .outputs.api import OUTPUTS
from .requests import answering
from .studio import Studio

BACKLOG = 128


class ServerError(DlpkError):
    """The address cannot be served."""


def make_app(studio: Studio, access: Access | None = None) -> Starlette:
    """The application: page and API.

    Parameters
    ----------
    studio : Studio
        Open as long as the application serves.
    access : Access, optional
        By default the own machine, without a token.
    """
    access = access or Access()
    endpoints = {**API, **OUTPUTS, **CLIENTS}
    routes: list[BaseRoute] = [
        Route("/", page),
        *(Route(path, answering(made), methods=[kind]) for path, (kind, made) in endpoints.items()),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Guard, access=access)],
        exception_handlers={HTTPException: refused},
    )
    app.state.studio, app.state.access, app.state.endpoints = studio, access, endpoints
    return app


async def refused(request: Request, error: Exception) -> Response:
    """What is not there, or not meant so, in the same words as other errors."""
    assert isinstance(error, HTTPException)
    text = f"{error.detail}: {request.method} {request.url.path}"
    return JSONResponse({"error": text}, error.status_code, error.headers)


def serve(
    package: str | Path,
    rasters: Sequence[str | Path],
    *,
    host: str = "127.0.0.1",
    port: int = 8765,
    trust: bool = False,
    device: str = "auto",
    ready: Callable[[str], None] = print,
) -> None:
    """Serve the page until interrupted.

    Parameters
    ----------
    package : path or str
        As `dlpk.open` takes it.
    rasters : sequence of path
        Anything GDAL opens; nothing else can be reached.
    host : str
        Address to listen at. Anything but the own machine asks for a token.
    port : int
        0: any free one.
    trust : bool
        Let the package's code run without asking on the page.
    device : str
        ``auto``, ``cpu`` or ``cuda:N``.
    ready : callable
        Told the page's address, once it is there.

    Raises
    ------
    DlpkError
        The package or a raster cannot be opened, or the address not be listened at.
    """
    token = None if host in LOOPBACK else secrets.token_urlsafe(24)
    names = LOOPBACK if token is None else (*LOOPBACK, host, socket.gethostname())
    with Studio(package, rasters, device=device) as studio, _listening(host, port) as listener:
        if trust:
            studio.agree()
        shown = listener.getsockname()[1]
        name = f"[{host}]" if ":" in host else host
        app = make_app(studio, Access(names, token))
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, lifespan="off"
        )
        ready(f"http://{name}:{shown}/" + ("" if token is None else f"?token={token}"))
        uvicorn.Server(config).run(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    if not host:
        raise ServerError("the address to listen at is empty: 0.0.0.0 is all of this machine's")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        raise ServerError(
            f"{host}, port {port}, cannot be listened at: {error}; choose another with --port"
        ) from error
    return listener
