"""What requests hold, checked, and how they are answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..errors import DlpkError
from .access import MOST_BODY
from .map.pyramid import Tile
from .prompt_set import PromptMistake, Row
from .runs import UnknownRunError
from .studio import NotAgreedError, Studio
from .worker import BusyError

# How often it is looked whether who asked for a tile is still there, in seconds.
PATIENCE = 0.05
MOST_ROWS = 200
# What is no argument of the function.
NOT_ARGUMENTS = ("like", "token")
STATUS = {NotAgreedError: 403, UnknownRunError: 404, BusyError: 503}

Handler = Callable[[Request], Awaitable[Response]]
# Path, as Starlette has it, to method and handler; its docstring describes the endpoint.
Endpoints = dict[str, tuple[str, Handler]]


class BadRequest(DlpkError):
    """A request is not what the API says."""


def studio_of(request: Request) -> Studio:
    """The studio that is served."""
    studio: Studio = request.app.state.studio
    return studio


def number_of(request: Request, name: str) -> int:
    """A number in the path."""
    value: int = request.path_params[name]
    return value


def tile_of(request: Request) -> Tile:
    """The tile that the path names."""
    return Tile(*(number_of(request, name) for name in ("level", "column", "row")))


def asked_of(request: Request) -> tuple[dict[str, str], list[str]]:
    """Arguments of the function, and examples, from the query."""
    given = request.query_params
    arguments = {name: given[name] for name in given if name not in NOT_ARGUMENTS}
    return arguments, given.getlist("like")


async def waited_for(request: Request, ask: Callable[[], Future[np.ndarray]]) -> np.ndarray | None:
    """What a worker computes; None if who asked has gone, and then it is not computed."""
    asked = await run_in_threadpool(ask)
    answer = asyncio.wrap_future(asked)
    try:
        while not answer.done():
            await asyncio.wait([answer], timeout=PATIENCE)
            if not answer.done() and await request.is_disconnected():
                return None
        return None if answer.cancelled() else answer.result()
    finally:
        asked.cancel()


async def json_of(request: Request) -> dict[str, Any]:
    """The JSON object that a request carries."""
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


def rows_of(body: dict[str, Any]) -> list[Row]:
    """The rows of the page."""
    rows = body.get("rows", [])
    if not isinstance(rows, list) or len(rows) > MOST_ROWS:
        raise BadRequest(f"'rows' must be a list of at most {MOST_ROWS}")
    found = []
    for row in rows:
        if not isinstance(row, dict) or not isinstance(row.get("text"), str):
            raise BadRequest("each of 'rows' must be an object with a 'text'")
        found.append(
            Row(row["text"], share_of(row, "threshold", 1), share_of(row, "strength", 100))
        )
    return found


def share_of(row: dict[str, Any], name: str, most: float) -> float | None:
    """A number from 0 to `most`, or None."""
    value = row.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= most:
        raise BadRequest(f"the {name} {value!r} is not a number from 0 to {most}")
    return float(value)


def arguments_of(body: dict[str, Any]) -> dict[str, str]:
    """Arguments of the function."""
    given = body.get("arguments", {})
    if not isinstance(given, dict):
        raise BadRequest("'arguments' must be an object")
    return {str(name): str(value) for name, value in given.items()}


def texts_of(body: dict[str, Any], name: str) -> list[str]:
    """A list of texts."""
    values = body.get(name, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise BadRequest(f"{name!r} must be a list of texts")
    return values


def mistake(error: PromptMistake) -> dict[str, Any]:
    """A mistake in a row, as JSON."""
    return {"error": str(error), "row": error.row, "column": error.column}


def answering(handler: Handler) -> Handler:
    """Errors in words, with the status that fits."""

    async def answered(request: Request) -> Response:
        try:
            return await handler(request)
        except DlpkError as error:
            status = STATUS.get(type(error), 400)
            if isinstance(error, PromptMistake):
                return JSONResponse(mistake(error), status)
            return JSONResponse({"error": str(error)}, status)

    return answered
