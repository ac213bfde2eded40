"""The HTTP API: what the page, and any other client, can ask for.

`API` is all of it; `dlpk.studio.clients` has what GIS programs ask for. Errors are JSON,
``{"error": "…"}``, with ``row`` and ``column`` where a prompt is at fault.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response

from model_extension.clipseg.language.prompts import fold

from ..output.png import png_bytes
from .access import COOKIE
from .map.context import context
from .openapi import described, documented
from .prompt_set import PromptMistake, text_prompt_of
from .requests import (
    Endpoints,
    arguments_of,
    asked_of,
    json_of,
    mistake,
    number_of,
    rows_of,
    studio_of,
    texts_of,
    tile_of,
    waited_for,
)

STATIC = Path(__file__).parent / "static"
FOREVER = {"Cache-Control": "private, max-age=86400"}
CLOSED = 499  # what nginx calls a request whose client has gone


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
    return JSONResponse(await run_in_threadpool(studio_of(request).to_json))


async def agree(request: Request) -> Response:
    """Let the package's code run."""
    studio_of(request).agree()
    return JSONResponse({"agreed": True})


async def plan(request: Request) -> Response:
    """Read the rows of the page: the text prompt they come to, and how classes are decided.

    A mistake in a row is an answer, not an error: ``{"mistake": {"error", "row", "column"}}``.
    """
    studio, number = studio_of(request), number_of(request, "raster")
    body = await json_of(request)
    rows, arguments, like = rows_of(body), arguments_of(body), texts_of(body, "like")

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
        return JSONResponse({"mistake": mistake(error)})


async def scene(request: Request) -> Response:
    """A tile of the raster itself, as PNG."""
    studio, number, tile = studio_of(request), number_of(request, "raster"), tile_of(request)
    pixels = await run_in_threadpool(lambda: png_bytes(studio.pyramid(number).scene(tile)))
    return Response(pixels, media_type="image/png", headers=FOREVER)


async def bands(request: Request) -> Response:
    """Probabilities for a tile: little-endian float32, bands x 256 x 256, NaN without data."""
    studio, number, tile = studio_of(request), number_of(request, "raster"), tile_of(request)
    values = await waited_for(request, lambda: studio.bands(number, tile, *asked_of(request)))
    if values is None:
        return Response(status_code=CLOSED)
    return Response(
        values.astype("<f4", copy=False).tobytes(),
        media_type="application/octet-stream",
        headers={**FOREVER, "X-Bands": str(len(values))},
    )


async def map_context(request: Request) -> Response:
    """Outlines of countries and a graticule as GeoJSON, in pixels of the raster."""
    studio, number = studio_of(request), number_of(request, "raster")
    found = await run_in_threadpool(lambda: context(studio.pyramid(number).raster))
    return JSONResponse(found, headers=FOREVER)


async def start_run(request: Request) -> Response:
    """Begin to classify all of a raster."""
    studio, number, body = studio_of(request), number_of(request, "raster"), await json_of(request)
    arguments, like = arguments_of(body), texts_of(body, "like")
    name = await run_in_threadpool(studio.start_run, number, arguments, like)
    return JSONResponse({"run": name}, 202)


async def run_state(request: Request) -> Response:
    """How far a run is, and which files it has left."""
    return JSONResponse(studio_of(request).runs.get(request.path_params["run"]).to_json())


async def stop_run(request: Request) -> Response:
    """Stop a run."""
    run = studio_of(request).runs.get(request.path_params["run"])
    await run_in_threadpool(run.stop)
    return JSONResponse(run.to_json())


async def run_file(request: Request) -> Response:
    """A file that a run has left."""
    named = request.path_params
    path = studio_of(request).runs.file(named["run"], named["file"])
    return FileResponse(path, filename=path.name)


async def openapi(request: Request) -> Response:
    """Describe this API as OpenAPI 3.1."""
    return JSONResponse(described(request.app.state.endpoints))


async def documentation(request: Request) -> Response:
    """Describe this API as a page."""
    return HTMLResponse(documented(request.app.state.endpoints))


TILE_PATH = "{level:int}/{column:int}/{row:int}"
API: Endpoints = {
    "/api/openapi.json": ("GET", openapi),
    "/api/docs": ("GET", documentation),
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
