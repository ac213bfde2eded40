"""Exceptions of a package's code, told to the one who wrote it."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from .arcpy_standin import StandIn

NEEDS = (
    "Install it beside this command (pip install arcgis) together with what the model needs "
    "(torchvision, fastai and so on), or run the package in ArcGIS"
)
# Lines of an exception's own text, frames of libraries below the author's, causes.
TEXT_LINES, LIBRARY_FRAMES, CAUSES = 25, 3, 3


def explain(error: BaseException, folders: Sequence[Path]) -> str:
    """An exception, then the lines that led to it: the author's own first.

    Parameters
    ----------
    folders : sequence of Path
        Where the package's code lies. Frames of the harness are left out.

    Returns
    -------
    str
        What happened and what to do in the first line, a frame in each that follows, the innermost
        first.
    """
    chain = list(_chain(error))
    parts = [f"{_named(error)}{_hint(chain, folders)}", *_frames(error, folders)]
    for cause in chain[1 : CAUSES + 1]:
        parts += [f"because of {_named(cause)}", *_frames(cause, folders)]
    return "\n  ".join(parts)


def message_of_own(error: BaseException, folders: Sequence[Path]) -> str:
    """What an exception says whose class is the package's own, in one line; empty for others.

    Such a class is made to tell users something: where it was raised does not concern them.
    """
    module = sys.modules.get(type(error).__module__)
    file = str(getattr(module, "__file__", None) or "")
    own = isinstance(error, Exception) and file.startswith(_roots(folders))
    return " ".join(_text(error).split()) if own else ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        silenced = following.__suppress_context__
        following = following.__cause__ or (None if silenced else following.__context__)


def _named(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"it ended the program (sys.exit({error.code!r})), which would end ArcGIS too"
    lines = _text(error).splitlines() or ["no message"]
    if len(lines) > TEXT_LINES:
        lines = [*lines[:TEXT_LINES], f"… {len(lines) - TEXT_LINES} more lines"]
    return f"{type(error).__name__}: " + "\n    ".join(lines)


def _text(error: BaseException) -> str:
    try:
        return str(error).strip()
    except Exception as broken:  # whose text cannot be had
        return f"its text cannot be had ({type(broken).__name__})"


def _frames(error: BaseException, folders: Sequence[Path]) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)
    roots = _roots(folders)
    own = [index for index, frame in enumerate(frames) if frame.filename.startswith(roots)]
    below = frames[own[-1] + 1 :] if own else []
    shown = [_shown(frames[index]) for index in reversed(own)]
    return shown + [f"below it {_shown(frame)}" for frame in below[: -LIBRARY_FRAMES - 1 : -1]]


def _roots(folders: Sequence[Path]) -> tuple[str, ...]:
    places = {place for folder in folders for place in (str(folder), os.path.realpath(folder))}
    return tuple(os.path.join(place, "") for place in places)


def _shown(frame: traceback.FrameSummary) -> str:
    line = f": {frame.line}" if frame.line else ""
    return f"{frame.filename}, line {frame.lineno}, in {frame.name}{line}"


def _hint(chain: Sequence[BaseException], folders: Sequence[Path]) -> str:
    for error in chain:
        if isinstance(error, FileNotFoundError) and isinstance(error.filename, str):
            name = error.filename
            if not os.path.isabs(name) and any((folder / name).exists() for folder in folders):
                return (
                    f". {name!r} lies in the package, and relative paths mean ArcGIS's working "
                    "directory: join it to os.path.dirname(kwargs['model'])"
                )
        if not isinstance(error, ImportError) or not error.name:
            continue
        name = error.name.split(".")[0]
        if name == "arcpy" and isinstance(sys.modules.get("arcpy"), StandIn):
            return (
                ". The stand-in for arcpy that runs functions outside ArcGIS does not have it; run "
                "this function in ArcGIS, or do without it"
            )
        if not isinstance(error, ModuleNotFoundError):
            continue
        if name == "arcgis":
            return f". This package is built on the Python package 'arcgis'. {NEEDS}"
        return f". Install {name!r} beside this command to run the package here"
    return ""
