"""Whether calls fit: ArcGIS's calls of a function's methods, and the function's own."""

from __future__ import annotations

import ast
from inspect import Parameter, Signature
from typing import Any, Final, NamedTuple

from .source import own_attribute
from .subject import Subject

__all__ = ["check_own_calls", "check_signatures"]


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


def check_signatures(subject: Subject) -> None:
    """Compare the parameters of each method with how ArcGIS calls it."""
    for name, call in _CALLS.items():
        method = subject.function.methods.get(name)
        if method is None or method.node is None:
            continue
        keywords = _keywords(subject, method.node, call)
        calls = [keywords]
        if name == "initialize":  # while the dialog is being filled there is no device
            calls.append(tuple(word for word in keywords if word != "device"))
        problems = [_problem(method.node, call.positional + 1, words) for words in calls]
        if any(problems):
            message = f"{name} cannot be called: {next(filter(None, problems))}"
            subject.at(method.source, method.node, "function/signature", message, f"{call.form}.")


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
    declared = set(parameters.names)
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


def check_own_calls(subject: Subject) -> None:
    """Find calls of the class's own methods that do not fit, or of methods that it lacks."""
    function = subject.function
    if function.open:
        return
    given = _given(subject)
    asks = any("hasattr" in source.text for source in function.sources)
    for source, method in function.own():
        static = "self" not in [argument.arg for argument in method.args.args[:1]]
        for call in ast.walk(method) if not static else ():
            name = own_attribute(call.func) if isinstance(call, ast.Call) else None
            if name is None or name in given or not isinstance(call, ast.Call):
                continue
            if name not in function.methods:
                if not hasattr(object, name) and not asks and not source.inside(call, ast.Try):
                    message = f"class {function.name} has no method or attribute {name!r}"
                    remedy = "Correct the name, or define it."
                    subject.at(source, call, "function/own-call", message, remedy)
                continue
            node = function.methods[name].node
            plain = not any(isinstance(part, ast.Starred) for part in call.args)
            words = [keyword.arg for keyword in call.keywords]
            if node is None or not plain or None in words:
                continue
            problem = _problem(node, len(call.args) + 1, tuple(word for word in words if word))
            if problem:
                message = f"self.{name} is called in a way that it does not fit: {problem}"
                remedy = f"Call it as it is defined in line {node.lineno}, or change it there."
                subject.at(source, call, "function/own-call", message, remedy)


def _given(subject: Subject) -> set[str]:
    """Return the attributes that something gives a value, so that they may be anything."""
    given: set[str] = set()
    for source in subject.function.sources:
        if any(word in source.text for word in ("setattr(", "__dict__", "vars(self)")):
            return _Everything()
        for node in source.nodes:
            if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
                given.add(node.attr)
            elif isinstance(node, ast.ClassDef):
                given |= {
                    name.id
                    for part in node.body
                    for name in ast.walk(part)
                    if not isinstance(part, (ast.FunctionDef, ast.ClassDef))
                    and isinstance(name, ast.Name)
                    and isinstance(name.ctx, ast.Store)
                }
                given |= {part.name for part in node.body if isinstance(part, ast.ClassDef)}
    return given


class _Everything(set[str]):
    def __contains__(self, name: object) -> bool:
        return True
