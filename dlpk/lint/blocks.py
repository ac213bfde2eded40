"""Judging what a raster function does with pixel blocks and the output's description."""

from __future__ import annotations

import ast
from typing import Final

from schemas.emd.rules import Rule
from schemas.findings import Report, Severity

from .classes import FunctionClass
from .collector import Collector
from .modules import Modules
from .names import constant_text, subscript_key
from .parameters import Parameters
from .returns import local_nodes
from .source import Source

__all__ = ["RULES", "check_blocks"]

_REFERENCE = "Esri/raster-functions: Reference.py, updatePixels and updateRasterInfo"

RULES: dict[str, Rule] = {
    "function/raster-key": Rule(
        Severity.ERROR, "Blocks come under <name of the parameter>_pixels and _mask.", _REFERENCE
    ),
    "function/mask-not-asked": Rule(
        Severity.WARNING, "Masks come only where getConfiguration sets inputMask.", _REFERENCE
    ),
    "function/pixel-type": Rule(
        Severity.WARNING, "ArcGIS is not known to have this pixel type.", _REFERENCE
    ),
}

_TYPES: Final = ("t1", "t2", "t4", "i1", "i2", "i4", "u1", "u2", "u4", "f4", "f8")
_METHODS: Final = ("updatePixels", "vectorize")
_COMPOSITE: Final = "compositeraster"


def check_blocks(
    function: FunctionClass, parameters: Parameters | None, modules: Modules
) -> Report:
    """Judge keys of pixel blocks and pixel types that stand in the text.

    Parameters
    ----------
    function : FunctionClass
        The function's class.
    parameters : Parameters or None
        What it declares, as far as that can be read.
    modules : Modules
        The package's modules.
    """
    findings = Collector(RULES)
    for name in _METHODS:
        method = function.methods.get(name)
        if method is not None and method.node is not None and method.node.args.kwarg is not None:
            _check_keys(method.source, method.node, parameters, modules, findings)
    for source in function.sources:
        _check_types(source, findings)
    return findings.report()


def _check_keys(
    source: Source,
    node: ast.FunctionDef,
    parameters: Parameters | None,
    modules: Modules,
    findings: Collector,
) -> None:
    assert node.args.kwarg is not None
    blocks = node.args.kwarg.arg
    parts = list(local_nodes(node))
    known = _known(parameters)
    asked = {constant_text(part.left) for part in parts if isinstance(part, ast.Compare)}
    stored = _stored(parts, blocks)
    masks = modules.mentions("inputMask")
    for part in parts:
        key = _read(part, blocks)
        if key is None or not isinstance(part, ast.Subscript):
            continue
        if key in asked or _tried(source, part):
            continue
        if stored.get(key, part.lineno) < part.lineno:
            continue
        owner, _, kind = key.rpartition("_")
        if kind not in ("pixels", "mask") or owner in ("output", _COMPOSITE):
            continue
        if known is not None and owner not in known:
            listed = ", ".join(repr(name) for name in known)
            findings.at(
                source,
                part,
                "function/raster-key",
                f"{blocks}[{key!r}] is never there: the raster parameter is named {listed}",
                f"Read {blocks}[{known[0] + '_' + kind!r}], or name the parameter {owner!r}.",
            )
        elif kind == "mask" and not masks:
            findings.at(
                source,
                part,
                "function/mask-not-asked",
                f"{blocks}[{key!r}] is read, and getConfiguration never sets 'inputMask'",
                "Return 'inputMask': True from getConfiguration.",
            )


def _known(parameters: Parameters | None) -> list[str] | None:
    """Return the names of the raster parameters; None if there may be others."""
    if parameters is None or not parameters.closed or parameters.strays:
        return None
    rasters = []
    for entry in parameters.entries:
        kind = entry.get("dataType")
        if entry.name is None or not isinstance(kind, str):
            return None
        if kind in ("raster", "rasters"):
            rasters.append(entry.name)
    return rasters or None


def _read(part: ast.AST, blocks: str) -> str | None:
    return subscript_key(part) if _is_block(part, blocks, ast.Load) else None


def _is_block(part: ast.AST, blocks: str, context: type[ast.expr_context]) -> bool:
    return (
        isinstance(part, ast.Subscript)
        and isinstance(part.ctx, context)
        and isinstance(part.value, ast.Name)
        and part.value.id == blocks
    )


def _stored(parts: list[ast.AST], blocks: str) -> dict[str, int]:
    """Return the keys that the method sets itself, with the first line that does."""
    found: dict[str, int] = {}
    for part in parts:
        key = subscript_key(part) if _is_block(part, blocks, ast.Store) else None
        if key is not None and isinstance(part, ast.Subscript):
            found[key] = min(part.lineno, found.get(key, part.lineno))
    return found


def _tried(source: Source, node: ast.AST) -> bool:
    return any(isinstance(above, ast.Try) for above in source.ancestors(node))


def _check_types(source: Source, findings: Collector) -> None:
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Assign):
            continue
        for target in node.targets:
            if subscript_key(target) != "pixelType" or not isinstance(target, ast.Subscript):
                continue
            if "info" not in ast.unparse(target.value):
                continue
            for value in _choices(node.value):
                text = constant_text(value)
                if text is not None and text not in _TYPES:
                    findings.at(
                        source,
                        value,
                        "function/pixel-type",
                        f"the pixel type {text!r} is none of Reference.py's (bytes, not bits)",
                        f"Write one of {', '.join(_TYPES)}: a letter and the number of bytes.",
                    )


def _choices(value: ast.expr) -> list[ast.expr]:
    return [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
