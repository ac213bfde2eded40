"""A stand-in for the part of arcpy that raster functions touch.

It is there only while a function runs, and only where the real arcpy is not. What it lacks fails
with a message that names the attribute.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

from .devices import CPU, free_device


class StandIn(ModuleType):
    """A module that says what it is when something is missing.

    Parameters
    ----------
    later : mapping, optional
        Attributes that are found out when they are first read.
    """

    def __init__(self, name: str, later: dict[str, Callable[[], Any]] | None = None) -> None:
        super().__init__(name)
        self.__dict__["_later"] = later or {}

    def __getattr__(self, name: str) -> Any:
        if name in self.__dict__.get("_later", {}):
            self.__dict__[name] = value = self.__dict__["_later"][name]()
            return value
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
        Number of the graphics card in use, -2 for any that is free, None for the processor.
    """
    if "arcpy" in sys.modules or is_real_arcpy_there():
        yield
        return
    modules = _modules(message, CPU if gpu is None else gpu)
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name, module in modules.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


def is_real_arcpy_there() -> bool:
    """Whether ArcGIS's own arcpy can be imported."""
    from importlib.util import find_spec

    if isinstance(sys.modules.get("arcpy"), StandIn):
        return False
    try:
        return find_spec("arcpy") is not None
    except (ImportError, ValueError):
        return False


def _modules(message: Callable[[str, str], None], device: int) -> dict[str, ModuleType]:
    arcpy, ia, util = StandIn("arcpy"), StandIn("arcpy.ia"), StandIn("arcpy.ia.util")
    # Which card is free costs an import of torch: only functions that ask pay for it.
    env = StandIn(
        "arcpy.env",
        {
            "processorType": lambda: "CPU" if free_device(device) < 0 else "GPU",
            "gpuId": lambda: free_device(device),
        },
    )
    for module in (arcpy, ia):
        vars(module)["__path__"] = []  # packages: `import arcpy.ia.util` has to work
    vars(env).update(
        cellSize="MAXOF",
        extent=None,
        workspace=None,
        scratchWorkspace=None,
        overwriteOutput=False,
        parallelProcessingFactor="0",
    )

    def get_available_device(*args: Any, **kwargs: Any) -> int:
        return free_device(device)

    def say(level: str) -> Callable[[Any], None]:
        def add(text: Any = "", *rest: Any) -> None:
            message(level, str(text))

        return add

    vars(util).update(get_available_device=get_available_device)
    vars(ia).update(util=util)
    vars(arcpy).update(
        env=env,
        ia=ia,
        AddMessage=say("message"),
        AddWarning=say("warning"),
        AddError=say("error"),
        SpatialReference=_spatial_reference,
        RasterToNumPyArray=_whole_raster,
    )
    return {"arcpy": arcpy, "arcpy.env": env, "arcpy.ia": ia, "arcpy.ia.util": util}


def _whole_raster(in_raster: Any) -> Any:
    """As ``RasterToNumPyArray`` gives it: (bands, rows, columns), or without bands."""
    from osgeo import gdal

    return gdal.Open(str(in_raster)).ReadAsArray()


def _spatial_reference(item: Any = None, *rest: Any, **named: Any) -> SimpleNamespace:
    """What functions ask of ``SpatialReference``, from an EPSG code or well-known text."""
    from osgeo import osr

    osr.UseExceptions()
    system = osr.SpatialReference()
    if isinstance(item, int) or str(item).isdigit():
        system.ImportFromEPSG(int(item))
    else:
        system.ImportFromWkt(str(item))
    code = system.GetAuthorityCode(None)
    geographic = bool(system.IsGeographic())
    return SimpleNamespace(
        type="Geographic" if geographic else "Projected",
        name=system.GetName(),
        factoryCode=int(code) if code and code.isdigit() else 0,
        metersPerUnit=0.0 if geographic else system.GetLinearUnits(),
        linearUnitName="" if geographic else system.GetLinearUnitsName(),
    )
