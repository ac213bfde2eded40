"""The HTTP API: what the page, and any other client, can ask for.

`ROUTES` is all of it. Errors are JSON, ``{"error": "…"}``, with ``row`` and ``column`` where a
prompt is at fault.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from model_extension.clipseg.language.prompts import fold

from ..errors import DlpkError
from .access import COOKIE, MOST_BODY
from .context import context
from .png import png_bytes
from .prompt_set import PromptMistake, Row, text_prompt_of
from .pyramid import Tile
from .runs import UnknownRunError
from .studio import NotAgreedError, Studio
from .worker import BusyError

STATIC = Path(__file__).parent / "static"
# How often it is looked whether who asked for a tile is still there, in seconds.
PATIENCE = 0.05
MOST_ROWS = 200
FOREVER = {"Cache-Control": "private, max-age=86400"}
CLOSED = 499  # what nginx calls a request whose client has gone

Handler = Callable[[Request], Awaitable[Response]]


class BadRequest(DlpkError):
    """A request is not what the API says."""


def _studio(request: Request) -> Studio:
    studio: Studio = request.app.state.studio
    return studio


async def page(request: Request) -> Response:
    """The page; a token in its address becomes a cookie."""
    token = request.query_params.get("token")
    if token is not None and request.app.state.access.token is not None:
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, token, httponly=True, samesite="strict")
        return answer
    return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})


async def state(request: Request) -> Response:
    """Package, rasters, and whether the package's code may run."""
    return JSONResponse(await run_in_threadpool(_studio(request).to_json))


async def agree(request: Request) -> Response:
    """Let the package's code run."""
    _studio(request).agree()
    return JSONResponse({"agreed": True})


async def plan(request: Request) -> Response:
    """Read the rows of the page: the text prompt they come to, and how classes are decided.

    A mistake in a row is an answer, not an error: ``{"mistake": {"error", "row", "column"}}``.
    """
    studio, number = _studio(request), _number(request, "raster")
    body = await _json(request)
    rows, arguments, like = _rows(body), _arguments(body), _texts(body, "like")

    def read() -> dict[str, Any]:
        studio.pyramid(number)
        given, origins = dict(arguments), dict[str, int]()
        if studio.definition is not None:
            given["text_prompt"], origins = text_prompt_of(rows)
        prompts = studio.prompt_set(number, given, like)
        if prompts is not None:
            given["text_prompt"] = prompts.given["text_prompt"]
        found = studio.plan(prompts)
        for entry in found["classes"]:
            entry["row"] = origins.get(fold(entry["name"]))
        return {**found, "arguments": given, "like": like}

    try:
        return JSONResponse(await run_in_threadpool(read))
    except PromptMistake as error:
        return JSONResponse({"mistake": _mistake(error)})


async def scene(request: Request) -> Response:
    """A tile of the raster itself, as PNG."""
    studio, number, tile = _studio(request), _number(request, "raster"), _tile(request)
    pixels = await run_in_threadpool(lambda: png_bytes(studio.pyramid(number).scene(tile)))
    return Response(pixels, media_type="image/png", headers=FOREVER)


async def bands(request: Request) -> Response:
    """Probabilities for a tile: little-endian float32, bands x 256 x 256, NaN without data."""
    values = await _bands(request)
    if values is None:
        return Response(status_code=CLOSED)
    return Response(
        values.astype("<f4", copy=False).tobytes(),
        media_type="application/octet-stream",
        headers={**FOREVER, "X-Bands": str(len(values))},
    )


async def map_context(request: Request) -> Response:
    """Outlines of countries and a graticule as GeoJSON, in pixels of the raster."""
    studio, number = _studio(request), _number(request, "raster")
    found = await run_in_threadpool(lambda: context(studio.pyramid(number).raster))
    return JSONResponse(found, headers=FOREVER)


async def start_run(request: Request) -> Response:
    """Begin to classify all of a raster."""
    studio, number, body = _studio(request), _number(request, "raster"), await _json(request)
    arguments, like = _arguments(body), _texts(body, "like")
    name = await run_in_threadpool(studio.start_run, number, arguments, like)
    return JSONResponse({"run": name}, 202)


async def run_state(request: Request) -> Response:
    """How far a run is, and which files it has left."""
    return JSONResponse(_studio(request).runs.get(request.path_params["run"]).to_json())


async def stop_run(request: Request) -> Response:
    """Stop a run."""
    run = _studio(request).runs.get(request.path_params["run"])
    await run_in_threadpool(run.stop)
    return JSONResponse(run.to_json())


async def run_file(request: Request) -> Response:
    """A file that a run has left."""
    named = request.path_params
    path = _studio(request).runs.file(named["run"], named["file"])
    return FileResponse(path, filename=path.name)


async def _bands(request: Request) -> np.ndarray | None:
    """A computed tile; None if who asked has gone, and then it is not computed."""
    studio, number, tile = _studio(request), _number(request, "raster"), _tile(request)
    given = request.query_params
    arguments = {name: given[name] for name in given if name not in ("like", "token")}
    like = given.getlist("like")
    asked = await run_in_threadpool(lambda: studio.bands(number, tile, arguments, like))
    answer = asyncio.wrap_future(asked)
    try:
        while not answer.done():
            await asyncio.wait([answer], timeout=PATIENCE)
            if not answer.done() and await request.is_disconnected():
                asked.cancel()
                return None
    finally:
        if not answer.done():
            asked.cancel()
    if answer.cancelled():
        return None
    return answer.result()


# What requests hold ------------------------------------------------------------------------


def _number(request: Request, name: str) -> int:
    value: int = request.path_params[name]
    return value


def _tile(request: Request) -> Tile:
    return Tile(*(_number(request, name) for name in ("level", "column", "row")))


async def _json(request: Request) -> dict[str, Any]:
    text = bytearray()
    async for part in request.stream():
        text += part
        if len(text) > MOST_BODY:
            raise BadRequest(f"the request is larger than {MOST_BODY:,} bytes")
    try:
        body = json.loads(bytes(text) or b"{}")
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the request is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise BadRequest("the request must be a JSON object")
    return body


def _rows(body: dict[str, Any]) -> list[Row]:
    rows = body.get("rows", [])
    if not isinstance(rows, list) or len(rows) > MOST_ROWS:
        raise BadRequest(f"'rows' must be a list of at most {MOST_ROWS}")
    found = []
    for row in rows:
        if not isinstance(row, dict) or not isinstance(row.get("text"), str):
            raise BadRequest("each of 'rows' must be an object with a 'text'")
        found.append(Row(row["text"], _share(row, "threshold", 1), _share(row, "strength", 100)))
    return found


def _share(row: dict[str, Any], name: str, most: float) -> float | None:
    value = row.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= most:
        raise BadRequest(f"the {name} {value!r} is not a number from 0 to {most}")
    return float(value)


def _arguments(body: dict[str, Any]) -> dict[str, str]:
    given = body.get("arguments", {})
    if not isinstance(given, dict):
        raise BadRequest("'arguments' must be an object")
    return {str(name): str(value) for name, value in given.items()}


def _texts(body: dict[str, Any], name: str) -> list[str]:
    values = body.get(name, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise BadRequest(f"{name!r} must be a list of texts")
    return values


def _mistake(error: PromptMistake) -> dict[str, Any]:
    return {"error": str(error), "row": error.row, "column": error.column}


def _answering(handler: Handler) -> Handler:
    """Errors in words, with the status that fits."""

    async def answered(request: Request) -> Response:
        try:
            return await handler(request)
        except DlpkError as error:
            status = {NotAgreedError: 403, UnknownRunError: 404, BusyError: 503}.get(
                type(error), 400
            )
            if isinstance(error, PromptMistake):
                return JSONResponse(_mistake(error), status)
            return JSONResponse({"error": str(error)}, status)

    return answered


TILE_PATH = "{level:int}/{column:int}/{row:int}"
API = {
    "/api/state": ("GET", state),
    "/api/agree": ("POST", agree),
    "/api/rasters/{raster:int}/plan": ("POST", plan),
    f"/api/rasters/{{raster:int}}/scene/{TILE_PATH}": ("GET", scene),
    f"/api/rasters/{{raster:int}}/bands/{TILE_PATH}": ("GET", bands),
    "/api/rasters/{raster:int}/context": ("GET", map_context),
    "/api/rasters/{raster:int}/runs": ("POST", start_run),
    "/api/runs/{run}": ("GET", run_state),
    "/api/runs/{run}/stop": ("POST", stop_run),
    "/api/runs/{run}/{file}": ("GET", run_file),
}
ROUTES: list[BaseRoute] = [
    Route("/", page),
    *(Route(path, _answering(made), methods=[kind]) for path, (kind, made) in API.items()),
    Mount("/static", StaticFiles(directory=STATIC)),
]
