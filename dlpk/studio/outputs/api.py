"""The part of the HTTP API that makes files of what the page shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from ..requests import (
    BadRequest,
    Endpoints,
    arguments_of,
    json_of,
    number_of,
    rows_of,
    studio_of,
    texts_of,
)
from .packages import write_package
from .polygons import make_polygons, polygons_file
from .spots import Spot, calibrate_spots


async def polygons(request: Request) -> Response:
    """Make polygons of a run: ``format``, ``minimum_area``, ``smoothing``, ``probability``.

    The last is the name of a run that has written probabilities. Answers with ``file``.
    """
    studio, run = studio_of(request), str(request.path_params["run"])
    body = await json_of(request)
    area, smoothing = body.get("minimum_area", 0), body.get("smoothing", 0)
    if not isinstance(area, (int, float)) or not isinstance(smoothing, int):
        raise BadRequest("'minimum_area' must be a number, and 'smoothing' a whole number")
    chances = body.get("probability")

    def make() -> str:
        return make_polygons(
            studio.runs,
            run,
            str(body.get("format", "gpkg")),
            minimum_area=area,
            smoothing=smoothing,
            probability=None if chances is None else str(chances),
        )

    return JSONResponse({"file": await run_in_threadpool(make)})


async def get_polygons(request: Request) -> Response:
    """Polygons that were made of a run."""
    named = request.path_params
    path = polygons_file(studio_of(request).runs, str(named["run"]), str(named["file"]))
    return _attached(path, f"polygons{path.suffix}")


async def make_package(request: Request) -> Response:
    """Write a package with the page's ``rows`` as defaults; answers with ``package``."""
    studio, number = studio_of(request), number_of(request, "raster")
    body = await json_of(request)
    rows, arguments = rows_of(body), arguments_of(body)
    if texts_of(body, "like"):
        raise BadRequest("examples from the raster cannot become part of a package: leave them out")

    def make() -> dict[str, Any]:
        out = studio.new_file("package.dlpk")
        prompts = studio.prompt_set(number, arguments)
        if prompts is None:
            raise BadRequest("this package has no place for prompts")
        digest = write_package(studio.package, rows, prompts.thresholds, out)
        name = f"{studio.package.name}-tuned.dlpk"
        return {"package": out.parent.name, "name": name, "sha256": digest}

    return JSONResponse(await run_in_threadpool(make))


async def package_file(request: Request) -> Response:
    """A package that `make_package` has written."""
    studio = studio_of(request)
    path = studio.file(str(request.path_params["package"]), "package.dlpk")
    return _attached(path, f"{studio.package.name}-tuned.dlpk")


async def spots(request: Request) -> Response:
    """Find thresholds for ``spots``, a list of [column, row, value of the class or 0]."""
    studio, number = studio_of(request), number_of(request, "raster")
    body = await json_of(request)
    given = body.get("spots")
    if not isinstance(given, list) or not all(_is_spot(spot) for spot in given):
        raise BadRequest("'spots' must be a list of [column, row, value] in whole numbers")
    if texts_of(body, "like"):
        raise BadRequest("thresholds are those of words: switch examples off first")
    rows, arguments = rows_of(body), arguments_of(body)

    def fit() -> dict[str, Any]:
        return calibrate_spots(studio, number, rows, arguments, [Spot(*spot) for spot in given])

    return JSONResponse(await run_in_threadpool(fit))


def _is_spot(spot: Any) -> bool:
    return isinstance(spot, list) and len(spot) == 3 and all(type(part) is int for part in spot)


def _attached(path: Path, name: str) -> Response:
    return FileResponse(path, filename=name, headers={"Cache-Control": "no-store"})


OUTPUTS: Endpoints = {
    "/api/runs/{run}/polygons": ("POST", polygons),
    "/api/runs/{run}/polygons/{file}": ("GET", get_polygons),
    "/api/rasters/{raster:int}/package": ("POST", make_package),
    "/api/packages/{package}": ("GET", package_file),
    "/api/rasters/{raster:int}/spots": ("POST", spots),
}
