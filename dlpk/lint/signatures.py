"""Whether calls fit: ArcGIS's calls of a function's methods, and the function's own; and names."""

from __future__ import annotations

import ast
import re
from inspect import Parameter, Signature
from typing import Any, Final, NamedTuple

from pyflakes.checker import Checker
from pyflakes.messages import UndefinedName

from .source import Source, in_body, is_load, name_of
from .subject import Subject


class _Call(NamedTuple):
    """How ArcGIS calls a method: so many values by position, then keywords."""

    form: str
    positional: int
    keywords: tuple[str, ...] = ()


_CALLS: Final[dict[str, _Call]] = {
    "__init__": _Call("def __init__(self)", 0),
    "initialize": _Call("def initialize(self, **kwargs)", 0, ("model", "device")),
    "getParameterInfo": _Call("def getParameterInfo(self)", 0),
    "getConfiguration": _Call("def getConfiguration(self, **scalars)", 0),
    "updateRasterInfo": _Call("def updateRasterInfo(self, **kwargs)", 0, ("output_info",)),
    "selectRasters": _Call("def selectRasters(self, tlc, shape, props)", 3),
    "updatePixels": _Call("def updatePixels(self, tlc, shape, props, **pixelBlocks)", 3),
    "vectorize": _Call("def vectorize(self, **pixelBlocks)", 0),
    "getFields": _Call("def getFields(self)", 0),
    "getGeometryType": _Call("def getGeometryType(self)", 0),
    "updateKeyMetadata": _Call(
        "def updateKeyMetadata(self, names, bandIndex, **keyMetadata)", 2, ("datatype",)
    ),
    "isLicensed": _Call("def isLicensed(self, **productInfo)", 0, ("productLevel",)),
}
_DICTIONARIES: Final = {"scalars", "kwargs", "arguments", "args", "parameters", "params"}
"""Names that stand for all keywords, where the two stars were forgotten."""
_STANDARD: Final = {"raster", "rasters", "model", "device"}


# --- ArcGIS's calls -------------------------------------------------------------------------


def check_signatures(subject: Subject) -> None:
    """Compare the parameters of each method with how ArcGIS calls it."""
    for source, node in subject.function.known(*_CALLS):
        call = _CALLS[node.name]
        keywords = _keywords(subject, node, call)
        problem = _problem(node, call.positional + 1, keywords)
        if node.name == "initialize" and not problem:  # while the dialog is filled, no device
            problem = _problem(node, 1, tuple(set(keywords) - {"device"}))
        if problem:
            message = f"{node.name} cannot be called: {problem}"
            subject.at(source, node, "function/signature", message, f"{call.form}.")


def _keywords(subject: Subject, node: ast.FunctionDef, call: _Call) -> tuple[str, ...]:
    """Return the keywords of ArcGIS's call, in favour of the method where that is open."""
    named = [argument.arg for argument in node.args.args[1:] + node.args.kwonlyargs]
    beyond = named[call.positional :]
    if node.name in ("updatePixels", "vectorize"):
        blocks = [name for name in beyond if name.endswith(("_pixels", "_mask"))]
        return tuple(blocks) or ("raster_pixels",)
    if node.name not in ("getConfiguration", "updateRasterInfo"):
        return call.keywords
    parameters = subject.parameters
    scalars = {name for name in named if name not in _DICTIONARIES}
    if node.name == "updateRasterInfo":
        infos = {name for name in named if name.endswith("_info")}
        return (*call.keywords, *sorted((scalars | infos) - set(call.keywords)))
    if parameters is None or not parameters.closed:
        return tuple(sorted(scalars)) or ("padding",)
    declared = parameters.named.keys()
    # Whether the raster, the model and the device are among the scalars is not documented.
    return tuple(sorted((declared - _STANDARD) | (declared & scalars)))


def _signature(node: ast.FunctionDef) -> Signature:
    arguments = node.args
    placed = arguments.posonlyargs + arguments.args
    first = len(placed) - len(arguments.defaults)
    made: list[Parameter] = []
    for index, argument in enumerate(placed):
        early = index < len(arguments.posonlyargs)
        kind = Parameter.POSITIONAL_ONLY if early else Parameter.POSITIONAL_OR_KEYWORD
        default: Any = Parameter.empty if index < first else None
        made.append(Parameter(argument.arg, kind, default=default))
    if arguments.vararg:
        made.append(Parameter(arguments.vararg.arg, Parameter.VAR_POSITIONAL))
    for argument, value in zip(arguments.kwonlyargs, arguments.kw_defaults):
        default = Parameter.empty if value is None else None
        made.append(Parameter(argument.arg, Parameter.KEYWORD_ONLY, default=default))
    if arguments.kwarg:
        made.append(Parameter(arguments.kwarg.arg, Parameter.VAR_KEYWORD))
    return Signature(made)


def _problem(node: ast.FunctionDef, positional: int, keywords: tuple[str, ...]) -> str:
    """Return what Python says of a call, the object itself included; empty if it fits."""
    signature = _signature(node)
    if not signature.parameters:
        return "it does not take the object itself (self)"
    try:
        signature.bind(*[None] * positional, **dict.fromkeys(keywords))
    except TypeError as error:
        return str(error)
    return ""


# --- the function's own calls and names -----------------------------------------------------

# Names and attributes may come from anywhere then.
_OPEN_NAMES: Final = re.compile(r"\b(exec|globals|locals|vars|__builtins__|builtins)\b")
_OPEN_ATTRIBUTES: Final = re.compile(r"setattr\(|__dict__|vars\(self\)")


def check_own_calls(subject: Subject) -> None:
    """Find calls of the class's own methods that do not fit, or of methods that it lacks."""
    function = subject.function
    if function.open or any(_OPEN_ATTRIBUTES.search(source.text) for source in function.sources):
        return
    given = {  # may be anything
        node.attr
        for source in function.sources
        for node in source.nodes
        if isinstance(node, ast.Attribute) and not is_load(node)
    }
    asks = any("hasattr" in source.text for source in function.sources)
    for source, method in function.own():
        for call in source.within(method):
            called = name_of(call.func) if isinstance(call, ast.Call) else ""
            name = called[1:]
            if not isinstance(call, ast.Call) or called[:1] != "." or name in given:
                continue
            problem = remedy = ""
            if name in function.methods:
                problem, remedy = _misfit(call, function.methods[name].node)
            elif not hasattr(object, name) and not asks and not source.inside(call, ast.Try):
                problem = f"class {function.name} has no method or attribute {name!r}"
                remedy = "Correct the name, or define it."
            if problem:
                subject.at(source, call, "function/own-call", problem, remedy)


def _misfit(call: ast.Call, node: ast.FunctionDef | None) -> tuple[str, str]:
    words = tuple(keyword.arg for keyword in call.keywords if keyword.arg)
    starred = any(isinstance(part, ast.Starred) for part in call.args)
    if node is None or starred or len(words) < len(call.keywords):
        return "", ""
    problem = _problem(node, len(call.args) + 1, words)
    message = f"self.{node.name} is called in a way that it does not fit: {problem}"
    remedy = f"Call it as it is defined in line {node.lineno}, or change it there."
    return (message, remedy) if problem else ("", "")


def check_undefined(subject: Subject) -> None:
    """Find names in the files of the function's class that nothing defines, with pyflakes."""
    for source in subject.function.sources:
        if _OPEN_NAMES.search(source.text):
            continue
        missing = {
            (message.lineno, message.col)
            for message in Checker(source.tree, source.name).messages
            if isinstance(message, UndefinedName)
        }
        seen: set[str] = set()
        for node in source.nodes if missing else ():
            if not isinstance(node, ast.Name) or not is_load(node) or node.id in seen:
                continue
            if (node.lineno, node.col_offset) in missing and not _is_harmless(source, node):
                seen.add(node.id)
                message = f"nothing defines the name {node.id!r}"
                remedy = f"Import or define {node.id!r} first, or correct the name."
                subject.at(source, node, "function/undefined-name", message, remedy)


def _is_harmless(source: Source, node: ast.AST) -> bool:
    """Whether the name stands in an annotation, or its failure is caught."""
    return any(
        inside in (getattr(above, "annotation", None), getattr(above, "returns", None))
        or (isinstance(above, ast.Try) and in_body(above, inside))
        for above, inside in source.ancestors(node)
    )
