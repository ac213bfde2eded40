"""The paths in a model definition, which should hold on any machine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..collector import Collector, child, quoted
from .facts import PATH_KEYS

_ESCAPED = {"\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t"}
# "[Functions]" stands for a folder of ArcGIS Pro, "[resources]" for one of ArcGIS Server.
_INSTALLED = re.compile(r"\s*\[(functions|resources)\]", re.IGNORECASE)
_DRIVE = re.compile(r"[A-Za-z]:")


def check_paths(emd: Mapping[str, Any], collector: Collector) -> None:
    """Check every path that the definition holds."""
    for pointer, path in _paths(emd):
        _check_path(pointer, path, collector)


def _paths(emd: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key in PATH_KEYS:
        if isinstance(emd.get(key), str):
            yield child("", key), emd[key]
    for key in ("ModelFile", "ModelFiles"):
        if isinstance(emd.get(key), list):
            for index, path in enumerate(emd[key]):
                if isinstance(path, str):
                    yield child("", key, index), path
    configuration = emd.get("ModelConfiguration")
    if isinstance(configuration, dict):
        for part in ("Architecture", "Config"):
            if isinstance(configuration.get(part), str):
                yield child("", "ModelConfiguration", part), configuration[part]


def _check_path(pointer: str, path: str, collector: Collector) -> None:
    key = pointer[1:].partition("/")[0]
    control = next((char for char in path if ord(char) < 32 or ord(char) == 127), None)
    if control is not None:
        escape = _ESCAPED.get(control)
        cause = f": {escape} in JSON is not a backslash and a letter" if escape else ""
        collector.add(
            "emd/path-control-character",
            f"{key} {quoted(path)} holds a control character{cause}",
            r"Write \\ for each backslash, or / instead.",
            pointer,
        )
        return
    if path != path.strip():
        collector.add(
            "emd/path-whitespace",
            f"{key} {quoted(path)} begins or ends with a blank",
            "Remove the blank.",
            pointer,
        )
    path = path.strip()
    if _INSTALLED.match(path):
        return
    if _DRIVE.match(path) or path[:1] in ("/", "\\") or path.lower().startswith("file:"):
        collector.add(
            "emd/path-absolute",
            f"{key} {quoted(path)} is an absolute path, which other machines do not have",
            "Put the file beside the .emd file and write its name only.",
            pointer,
        )
        return
    if _leaves(path):
        collector.add(
            "emd/path-outside",
            f"{key} {quoted(path)} leads out of the package's folder",
            "Put the file into the package and write its path from the .emd file.",
            pointer,
        )
    if "\\" in path:
        collector.add(
            "emd/path-backslash",
            f"{key} {quoted(path)} holds a backslash, which only Windows takes for a separator",
            f"Write {quoted(_portable(path))} if the package should run on Linux servers, too.",
            pointer,
        )


def _leaves(path: str) -> bool:
    depth = 0
    for part in re.split(r"[\\/]", path):
        if part == "..":
            depth -= 1
            if depth < 0:
                return True
        elif part not in ("", "."):
            depth += 1
    return False


def _portable(path: str) -> str:
    parts = [part for part in re.split(r"[\\/]", path) if part not in ("", ".")]
    return "/".join(parts) or "."
