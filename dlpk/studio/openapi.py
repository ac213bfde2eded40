"""The API described: as OpenAPI for programs, and as a page for people."""

from __future__ import annotations

import html
import inspect
import re
from typing import Any

from ..installation import own_version
from .requests import Endpoints

PATH_PART = re.compile(r"\{(\w+)(?::(\w+))?\}")
PARTS = {
    "raster": "number of the raster on the command line, from 0",
    "level": "0: the raster's own pixels; each level has half as many on a side",
    "column": "tile, from the left",
    "row": "tile, from the top",
    "run": "name of a run",
    "package": "name of a package that was written",
    "file": "name of a file of the run",
    "layer": "scene or classes",
    "z": "zoom level of the Web Mercator scheme",
    "x": "column of the Web Mercator scheme",
    "y": "row of the Web Mercator scheme, from the top",
}
QUERY = [
    ("text_prompt", "what to look for; any other argument of the function goes beside it"),
    ("like", "an example in the raster, NAME=XMIN,YMIN,XMAX,YMAX; may be repeated"),
]
ERROR = {"type": "object", "properties": {"error": {"type": "string"}}}
STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
    "code{background:#8882;padding:1px 5px;border-radius:4px}dt{margin-top:1em}"
    ":root{color-scheme:light dark}pre{white-space:pre-wrap}"
)


def described(endpoints: Endpoints) -> dict[str, Any]:
    """Endpoints as OpenAPI 3.1."""
    paths: dict[str, Any] = {}
    for path, (method, handler) in endpoints.items():
        summary, _, more = (inspect.getdoc(handler) or "").partition("\n\n")
        operation: dict[str, Any] = {
            "operationId": handler.__name__,
            "summary": " ".join(summary.split()),
            "parameters": [
                *(_path_parameter(name, kind) for name, kind in PATH_PART.findall(path)),
                *(_query_parameter(name, what) for name, what in QUERY if _has_query(path)),
            ],
            "responses": {
                "200": {"description": "the answer"},
                "default": {
                    "description": "what is wrong, in words",
                    "content": {"application/json": {"schema": ERROR}},
                },
            },
        }
        if more:
            operation["description"] = more
        if method == "POST":
            schema = {"schema": {"type": "object"}}
            operation["requestBody"] = {"content": {"application/json": schema}}
        paths[PATH_PART.sub(r"{\1}", path)] = {method.lower(): operation}
    return {
        "openapi": "3.1.0",
        "info": {"title": "dlpk studio", "version": own_version()},
        "paths": paths,
    }


def documented(endpoints: Endpoints) -> str:
    """The same as a page in HTML."""
    parts = []
    for path, methods in described(endpoints)["paths"].items():
        for method, operation in methods.items():
            named = "".join(
                f"<li><code>{html.escape(one['name'])}</code> ({one['in']}): "
                f"{html.escape(one['description'])}</li>"
                for one in operation["parameters"]
            )
            more = html.escape(operation.get("description", ""))
            parts.append(
                f"<dt><b>{method.upper()}</b> <code>{html.escape(path)}</code></dt>"
                f"<dd>{html.escape(operation['summary'])}<pre>{more}</pre><ul>{named}</ul></dd>"
            )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>dlpk studio: HTTP API</title>"
        f"<style>{STYLE}</style><h1>HTTP API</h1><p>Also as "
        "<a href=/api/openapi.json>OpenAPI</a>. Errors are JSON with an <code>error</code> in "
        f"words.</p><dl>{''.join(parts)}</dl></html>"
    )


def _has_query(path: str) -> bool:
    return any(word in path for word in ("/bands/", "/classes/", "/wmts/", "/xyz/"))


def _path_parameter(name: str, kind: str) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": 0} if kind == "int" else {"type": "string"}
    described = {"name": name, "in": "path", "required": True, "schema": schema}
    return {**described, "description": PARTS[name]}


def _query_parameter(name: str, what: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": {"type": "string"}, "description": what}
