"""Which parts of arcpy a function uses that are not there when it runs outside of ArcGIS."""

from __future__ import annotations

import ast
from typing import Final

from schemas.emd.rules import Rule
from schemas.findings import Report, Severity

from .collector import Collector
from .modules import guards
from .names import Names
from .source import Source

__all__ = ["OFFERED", "RULES", "check_arcpy"]

RULES: dict[str, Rule] = {
    "function/arcpy-only": Rule(
        Severity.NOTE,
        "Outside of ArcGIS there is a stand-in for arcpy, with what inference functions need.",
        "this project's harness",
    ),
}
SHOWN: Final = 8
_MODULES: Final = frozenset({"arcpy.env", "arcpy.ia", "arcpy.ia.util"})
OFFERED: Final = frozenset(
    {
        "arcpy.AddMessage",
        "arcpy.AddWarning",
        "arcpy.AddError",
        "arcpy.env.processorType",
        "arcpy.env.gpuId",
        "arcpy.env.cellSize",
        "arcpy.env.extent",
        "arcpy.env.workspace",
        "arcpy.env.scratchWorkspace",
        "arcpy.env.overwriteOutput",
        "arcpy.env.parallelProcessingFactor",
        "arcpy.ia.util.get_available_device",
    }
)
"""What `dlpk.harness.arcpy_standin` has."""


def check_arcpy(sources: list[Source]) -> Report:
    """List what functions use of arcpy and the stand-in lacks.

    Parameters
    ----------
    sources : list of Source
        The files of the function's class.
    """
    findings = Collector(RULES)
    for source in sources:
        names = Names(source)
        used: dict[str, ast.AST] = {}
        for node in ast.walk(source.tree):
            full = ""
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                full = "" if guards(source, node) else names.full(node)
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("arcpy"):
                for alias in node.names:
                    if not guards(source, node):
                        used.setdefault(_missing(f"{node.module}.{alias.name}"), node)
            if full.startswith("arcpy."):
                used.setdefault(_missing(full), node)
        used.pop("", None)
        if used:
            used = dict(sorted(used.items(), key=lambda item: getattr(item[1], "lineno", 0)))
            listed = ", ".join(list(used)[:SHOWN]) + (", …" if len(used) > SHOWN else "")
            findings.at(
                source,
                next(iter(used.values())),
                "function/arcpy-only",
                f"the function uses {listed}, which only ArcGIS has",
                "Nothing, if it is meant for ArcGIS; to run it elsewhere, do without.",
            )
    return findings.report()


def _missing(full: str) -> str:
    """Return the shortest part of a dotted name that the stand-in lacks; empty if it has all."""
    parts = full.split(".")
    for depth in range(2, len(parts) + 1):
        name = ".".join(parts[:depth])
        if parts[depth - 1] == "*" or name in OFFERED:
            return ""
        if name not in _MODULES:
            return name
    return ""
