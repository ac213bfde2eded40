"""Judging the methods of a raster function by their parameters, which ArcGIS's calls must fit."""

from __future__ import annotations

import ast
from typing import Final, NamedTuple

from schemas.emd.rules import Rule
from schemas.findings import Report, Severity

from .classes import FunctionClass
from .collector import Collector
from .parameters import Parameters
from .source import Source

__all__ = ["RULES", "check_signatures"]

_REFERENCE = "Esri/raster-functions: Reference.py, the methods of a raster function"

RULES: dict[str, Rule] = {
    "function/signature": Rule(
        Severity.ERROR, "ArcGIS's call of the method ends in a TypeError.", _REFERENCE
    ),
    "function/signature-narrow": Rule(
        Severity.WARNING,
        "ArcGIS may pass other keywords than the method takes, which ends in a TypeError.",
        "public field notes on ArcGIS Pro 3.6 (pythonmodule, padding, batch_size, processorType)",
    ),
}


class _Call(NamedTuple):
    """How ArcGIS calls a method: so many values by position, then any keywords or none."""

    form: str
    positional: int
    keywords: bool


_CALLS: Final[dict[str, _Call]] = {
    "__init__": _Call("def __init__(self)", 0, False),
    "initialize": _Call("def initialize(self, **kwargs)", 0, True),
    "getParameterInfo": _Call("def getParameterInfo(self)", 0, False),
    "getConfiguration": _Call("def getConfiguration(self, **scalars)", 0, True),
    "updateRasterInfo": _Call("def updateRasterInfo(self, **kwargs)", 0, True),
    "selectRasters": _Call("def selectRasters(self, tlc, shape, props)", 3, False),
    "updatePixels": _Call("def updatePixels(self, tlc, shape, props, **pixelBlocks)", 3, True),
    "vectorize": _Call("def vectorize(self, **pixelBlocks)", 0, True),
    "getFields": _Call("def getFields(self)", 0, False),
    "getGeometryType": _Call("def getGeometryType(self)", 0, False),
    "updateKeyMetadata": _Call(
        "def updateKeyMetadata(self, names, bandIndex, **keyMetadata)", 2, True
    ),
    "isLicensed": _Call("def isLicensed(self, **productInfo)", 0, True),
}
_GIVEN: Final = {"model", "device"}
"""Keywords of initialize that have been documented."""
_DICTIONARIES: Final = {"scalars", "kwargs", "arguments", "args", "parameters", "params"}
"""Names that stand for all keywords, where the two stars were forgotten."""


def check_signatures(function: FunctionClass, parameters: Parameters | None) -> Report:
    """Compare the parameters of each method with how ArcGIS calls it.

    Parameters
    ----------
    function : FunctionClass
        The function's class.
    parameters : Parameters or None
        What it declares: methods may name these instead of taking a dictionary.
    """
    findings = Collector(RULES)
    closed = parameters is not None and parameters.closed
    declared = set(parameters.names) if parameters is not None else set()
    for name, call in _CALLS.items():
        method = function.methods.get(name)
        if method is not None and method.node is not None:
            given = _Given(name, declared if closed else None)
            _check(method.source, method.node, call, given, findings)
    return findings.report()


class _Given(NamedTuple):
    """Which keywords a method may count on: `declared` is None if that is not known."""

    method: str
    declared: set[str] | None

    def has(self, name: str) -> bool:
        """Whether ArcGIS passes the keyword, or may do so."""
        if self.method in ("updatePixels", "vectorize"):
            return name.endswith(("_pixels", "_mask"))
        if self.method == "updateRasterInfo" and name.endswith("_info"):
            return True
        if self.method in ("getConfiguration", "updateRasterInfo"):
            return name not in _DICTIONARIES and (self.declared is None or name in self.declared)
        return False


def _check(
    source: Source, node: ast.FunctionDef, call: _Call, given: _Given, findings: Collector
) -> None:
    arguments = node.args
    positional = [argument.arg for argument in arguments.posonlyargs + arguments.args]
    if not positional and arguments.vararg is None:
        _report(source, node, call, "it does not take the object itself (self)", findings)
        return
    required = positional[1 : len(positional) - len(arguments.defaults)]
    keyword_only = [
        argument.arg
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults)
        if default is None
    ]
    named = {argument.arg for argument in arguments.args[1:] + arguments.kwonlyargs}
    extra = set(positional[1 + call.positional :]) | named - set(positional)
    unknown = [name for name in required[call.positional :] + keyword_only if not given.has(name)]
    if node.name == "initialize":
        problem = _initialize_problem(source, node, required + keyword_only, named, findings)
    elif unknown:
        problem = f"it wants {', '.join(unknown)}, which ArcGIS does not pass"
    elif len(positional) - 1 < call.positional and arguments.vararg is None:
        problem = f"ArcGIS passes {call.positional} values by position, it takes fewer"
    elif call.keywords and arguments.kwarg is None and not extra:
        problem = "it takes no further keywords, and ArcGIS passes them"
    else:
        problem = ""
        if call.keywords and arguments.kwarg is None:
            _note_narrow(source, node, "it takes certain keywords only", findings)
    if problem:
        _report(source, node, call, problem, findings)


def _note_narrow(source: Source, node: ast.FunctionDef, reason: str, findings: Collector) -> None:
    findings.at(
        source,
        node,
        "function/signature-narrow",
        f"{node.name} may fail: {reason}",
        f"Write {_CALLS[node.name].form}, and read what is there with get.",
    )


def _initialize_problem(
    source: Source,
    node: ast.FunctionDef,
    required: list[str],
    named: set[str],
    findings: Collector,
) -> str:
    """Return why no call can fit; note where only some may not."""
    unknown = [name for name in required if name not in _GIVEN]
    if unknown:
        return f"it wants {', '.join(unknown)}, which ArcGIS does not pass"
    if node.args.kwarg is None and "model" not in named:
        return "it takes no keywords, and ArcGIS passes model"
    if "device" in required:
        reason = "it wants device, which ArcGIS does not pass while its dialog is being filled"
        _note_narrow(source, node, reason, findings)
    elif node.args.kwarg is None:
        _note_narrow(source, node, "it takes certain keywords only", findings)
    return ""


def _report(
    source: Source, node: ast.FunctionDef, call: _Call, problem: str, findings: Collector
) -> None:
    findings.at(
        source,
        node,
        "function/signature",
        f"{node.name} cannot be called: {problem}",
        f"Write {call.form}.",
    )
