"""A stand-in for the part of arcpy that raster functions touch.

It is there only while a function runs, and only where the real arcpy is not. What it lacks fails
with a message that names the attribute.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


class StandIn(ModuleType):
    """A module that says what it is when something is missing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(
            f"{self.__name__}.{name} is not part of the stand-in for arcpy that runs functions "
            "outside ArcGIS; run this function in ArcGIS, or do without it"
        )


@contextmanager
def arcpy_installed(message: Callable[[str, str], None], *, gpu: int | None) -> Iterator[None]:
    """Have ``import arcpy`` work for the length of a ``with`` block.

    Parameters
    ----------
    message : callable
        Takes the level (``message``, ``warning`` or ``error``) and the text of what the function
        says through ``arcpy.AddMessage`` and its like.
    gpu : int or None
        Number of the graphics card in use, None for the processor.
    """
    if "arcpy" in sys.modules or _real_arcpy():
        yield
        return
    modules = _modules(message, gpu)
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name, module in modules.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


def _real_arcpy() -> bool:
    from importlib.util import find_spec

    try:
        return find_spec("arcpy") is not None
    except (ImportError, ValueError):
        return False


def _modules(message: Callable[[str, str], None], gpu: int | None) -> dict[str, ModuleType]:
    arcpy, ia = StandIn("arcpy"), StandIn("arcpy.ia")
    util, env = StandIn("arcpy.ia.util"), StandIn("arcpy.env")
    for module in (arcpy, ia):
        vars(module)["__path__"] = []  # packages: `import arcpy.ia.util` has to work
    vars(env).update(
        processorType="CPU" if gpu is None else "GPU",
        gpuId=-1 if gpu is None else gpu,
        cellSize="MAXOF",
        extent=None,
        workspace=None,
        scratchWorkspace=None,
        overwriteOutput=False,
        parallelProcessingFactor="0",
    )

    def get_available_device(*args: Any, **kwargs: Any) -> int:
        return -1 if gpu is None else gpu

    vars(util).update(get_available_device=get_available_device)
    vars(ia).update(util=util)
    vars(arcpy).update(
        env=env,
        ia=ia,
        AddMessage=lambda text: message("message", str(text)),
        AddWarning=lambda text: message("warning", str(text)),
        AddError=lambda text: message("error", str(text)),
    )
    return {"arcpy": arcpy, "arcpy.env": env, "arcpy.ia": ia, "arcpy.ia.util": util}
