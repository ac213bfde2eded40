"""What runs in the other environment: the dialog and kept calls, with nothing but numpy at hand.

The code is our own harness, found by `START`, which shows that environment nothing else of ours.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..errors import DlpkError
from ..harness.calls import Function
from ..harness.environment import Environment
from ..harness.features import geometry_type, vectorize
from ..harness.loader import function_path, load_class
from ..harness.phases import started
from ..harness.replay import load_call, ready
from ..package.open import open_package

ANSWER = "answer.json"
START: Final = """
import sys
from importlib.machinery import PathFinder

class Own:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if path is None and name in {own!r}:
            return PathFinder.find_spec(name, [{home!r}], target)

sys.meta_path.insert(0, Own)
from dlpk.environments.runner import run
run(*sys.argv[1:])
"""


def run(package: str, calls: str, folder: str, device: str) -> None:
    """Open a package's dialog and make the calls that are kept in folders 0, 1, … of `calls`.

    Writes `ANSWER` into `folder`, and what came back of each call as `result_name` says.
    """
    answer: dict[str, Any] = {"said": []}
    place = Path(folder)
    try:
        _run(package, Path(calls), place, int(device), answer)
    except DlpkError as error:
        answer["error"] = str(error)
        answer["missing"] = _missing(error)
    answer["versions"] = versions()  # once everything is imported
    half = place / f"{ANSWER}.part"
    half.write_text(json.dumps(answer), encoding="utf-8")
    os.replace(half, place / ANSWER)


def result_name(number: int) -> str:
    """Name of the arrays that came back of a call."""
    return f"result-{number}.npz"


def _run(package: str, calls: Path, place: Path, device: int, answer: dict[str, Any]) -> None:
    def say(level: str, text: str) -> None:
        if level != "message":
            answer["said"].append(text)

    with ExitStack() as stack:
        opened = stack.enter_context(open_package(package))
        stack.enter_context(Environment(opened, say, device=device))
        start = time.perf_counter()
        made = load_class(function_path(opened))
        _, declared = started(made, opened)
        answer["seconds"] = time.perf_counter() - start
        answer["parameters"] = [str(parameter["name"]) for parameter in declared]
        function: Function | None = None
        for number in range(len(list(calls.glob("*/call.json")))):
            call = load_call(calls / str(number))
            if function is None:
                function = ready(made, opened, call)
            request = call.request
            if function.has("vectorize"):
                found = vectorize(function, request.blocks, geometry_type(function))
                outlines = [[corner for part in one.parts for corner in part] for one in found]
                np.savez(place / result_name(number), *map(np.asarray, outlines))
            else:
                pixels, mask = function.pixels(
                    request.tlc, request.shape, request.props, request.blocks
                )
                valid = np.ones_like(pixels, "u1") if mask is None else mask
                np.savez(place / result_name(number), pixels=pixels, mask=valid)


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that are in use here."""
    found = {"Python": platform.python_version()}
    for name in ("numpy", "torch", "torchvision", "transformers"):
        text = getattr(sys.modules.get(name), "__version__", None)
        if text is not None:
            found[name] = str(text)
    return found


def _missing(error: BaseException | None) -> str:
    """The module that could not be found, if that is the reason."""
    while error is not None:
        if isinstance(error, ModuleNotFoundError) and error.name:
            return error.name.split(".")[0]
        error = error.__cause__ or error.__context__
    return ""
