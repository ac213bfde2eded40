"""Judging the methods of a raster function by what they return, as far as their text tells."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final, NamedTuple

from schemas.emd.rules import Rule
from schemas.findings import Report, Severity

from .classes import FunctionClass
from .collector import Collector
from .names import Names, constant_text
from .source import Source

__all__ = ["RULES", "check_returns", "local_nodes", "returned"]

_E, _W = Severity.ERROR, Severity.WARNING
_REFERENCE = "Esri/raster-functions: Reference.py, the methods of a raster function"
_MESSAGES = "messages of ArcGIS Pro in public field notes"

RULES: dict[str, Rule] = {
    "function/returns-nothing": Rule(_E, "ArcGIS needs the method's answer.", _REFERENCE),
    "function/returns-none": Rule(
        _W, "Where the optional method is defined, its answer is used.", _REFERENCE
    ),
    "function/return-type": Rule(
        _E,
        'ArcGIS refuses the answer: "... is not a python list", "... a non-dictionary object".',
        _MESSAGES,
    ),
    "function/no-output": Rule(
        _E, "Without output_pixels (or output_vectors) there is no result.", _REFERENCE
    ),
    "function/output-missing": Rule(
        _W, "The blocks go back as they came: the result is the input raster.", _REFERENCE
    ),
}


class _Answer(NamedTuple):
    """What a method has to return."""

    kind: str
    remedy: str
    optional: bool = False


_ANSWERS: Final[dict[str, _Answer]] = {
    "getParameterInfo": _Answer("list", "Return a list of dictionaries, one per parameter."),
    "getConfiguration": _Answer("dict", "Return a dictionary, such as {'padding': 0}."),
    "updateRasterInfo": _Answer("dict", "End the method with `return kwargs`."),
    "updatePixels": _Answer(
        "dict", "Set pixelBlocks['output_pixels'] and end the method with `return pixelBlocks`."
    ),
    "vectorize": _Answer("dict", "Return {'output_vectors': json.dumps(features)}."),
    "getFields": _Answer("str", "Return the fields as JSON text: json.dumps(fields)."),
    "getGeometryType": _Answer("any", "Return the number of the geometry type (4 for polygons)."),
    "updateKeyMetadata": _Answer("dict", "End the method with `return keyMetadata`.", True),
    "selectRasters": _Answer("any", "Return a tuple of names, such as ('raster',).", True),
    "isLicensed": _Answer("dict", "Return {'okToRun': True}.", True),
}
_OUTPUT: Final = {"updatePixels": "output_pixels", "vectorize": "output_vectors"}
_KINDS: Final[dict[str, tuple[type[ast.AST], ...]]] = {
    "list": (ast.Tuple, ast.Dict, ast.Set, ast.DictComp, ast.SetComp, ast.GeneratorExp),
    "dict": (ast.Tuple, ast.List, ast.Set, ast.ListComp, ast.SetComp, ast.GeneratorExp),
    "str": (ast.Tuple, ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp),
    "any": (),
}
_WORDS: Final = {"list": "a list", "dict": "a dictionary", "str": "a text"}
_SCOPES: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
# Numpy functions that give an array whatever comes in.
_ARRAYS: Final = ("array", "asarray", "zeros", "ones", "full", "where", "stack", "concatenate")


def check_returns(function: FunctionClass) -> Report:
    """Find methods that return nothing, or nothing that ArcGIS can use."""
    findings = Collector(RULES)
    for name, answer in _ANSWERS.items():
        method = function.methods.get(name)
        if method is not None and method.node is not None:
            _check(method.source, method.node, answer, findings)
    return findings.report()


def local_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Iterate over what is in a function, but not in functions and classes inside it."""
    stack = [node]
    while stack:
        part = stack.pop()
        if part is not node:
            yield part
        if part is node or not isinstance(part, _SCOPES):
            stack.extend(reversed(list(ast.iter_child_nodes(part))))


def returned(node: ast.FunctionDef) -> list[ast.expr]:
    """Return the values that a function returns, but for None."""
    return [
        part.value
        for part in local_nodes(node)
        if isinstance(part, ast.Return)
        and part.value is not None
        and not (isinstance(part.value, ast.Constant) and part.value.value is None)
    ]


def _check(source: Source, node: ast.FunctionDef, answer: _Answer, findings: Collector) -> None:
    parts = list(local_nodes(node))
    if any(isinstance(part, (ast.Yield, ast.YieldFrom)) for part in parts):
        if not answer.optional:
            findings.at(
                source,
                node,
                "function/return-type",
                f"{node.name} is a generator (it uses yield), which ArcGIS cannot use",
                answer.remedy,
            )
        return
    values = returned(node)
    if not values:
        # A method that always raises says so in its own words.
        if not isinstance(node.body[-1], ast.Raise):
            findings.at(
                source,
                node,
                "function/returns-none" if answer.optional else "function/returns-nothing",
                f"{node.name} returns nothing",
                answer.remedy,
            )
        return
    names = Names(source)
    for value in values:
        wrong = _wrong(_resolved(value, parts), answer.kind, names)
        if wrong and not answer.optional:
            findings.at(
                source,
                value,
                "function/return-type",
                f"{node.name} returns {wrong}, not {_WORDS[answer.kind]}",
                answer.remedy,
            )
    if node.name in _OUTPUT:
        _check_output(source, node, values, parts, answer, findings)


def _resolved(value: ast.expr, parts: list[ast.AST]) -> ast.expr:
    """Return what a name stands for if it is given a value once, in plain sight."""
    if not isinstance(value, ast.Name):
        return value
    given = [
        part
        for part in parts
        if isinstance(part, ast.Name)
        and part.id == value.id
        and isinstance(part.ctx, (ast.Store, ast.Del))
    ]
    plain = [
        part.value
        for part in parts
        if isinstance(part, ast.Assign)
        and len(part.targets) == 1
        and isinstance(part.targets[0], ast.Name)
        and part.targets[0].id == value.id
    ]
    return plain[0] if len(given) == 1 and len(plain) == 1 else value


def _wrong(value: ast.expr, kind: str, names: Names) -> str:
    """Return what a value certainly is if that is not of the kind asked for."""
    if isinstance(value, _KINDS[kind]):
        return _described(value)
    if kind == "any":
        return ""
    if isinstance(value, ast.Constant) and not (kind == "str" and isinstance(value.value, str)):
        return f"the value {value.value!r}"
    if isinstance(value, (ast.JoinedStr, ast.Compare)) and kind != "str":
        return "a text" if isinstance(value, ast.JoinedStr) else "a truth value"
    if isinstance(value, ast.Call) and kind != "str":
        called = names.full(value.func)
        if called in {f"numpy.{name}" for name in _ARRAYS} or (
            isinstance(value.func, ast.Attribute) and value.func.attr == "astype"
        ):
            return "an array"
        if called == "json.dumps":
            return "a text"
        if kind == "list" and isinstance(value.func, ast.Name) and value.func.id == "tuple":
            return "a tuple"
    return ""


def _described(value: ast.expr) -> str:
    if isinstance(value, ast.Tuple):
        return "a tuple"
    if isinstance(value, (ast.List, ast.ListComp)):
        return "a list"
    if isinstance(value, (ast.Dict, ast.DictComp)):
        return "a dictionary"
    return "a set" if isinstance(value, (ast.Set, ast.SetComp)) else "a generator"


def _check_output(
    source: Source,
    node: ast.FunctionDef,
    values: list[ast.expr],
    parts: list[ast.AST],
    answer: _Answer,
    findings: Collector,
) -> None:
    wanted = _OUTPUT[node.name]
    for value in values:
        shown = _resolved(value, parts)
        if isinstance(shown, ast.Dict) and value is shown:
            keys = [constant_text(key) for key in shown.keys]
            if None not in keys and wanted not in keys:
                listed = ", ".join(repr(key) for key in keys) or "nothing"
                findings.at(
                    source,
                    value,
                    "function/no-output",
                    f"{node.name} returns no {wanted!r}, only {listed}",
                    answer.remedy,
                )
    blocks = node.args.kwarg.arg if node.args.kwarg else ""
    gives_back = all(isinstance(value, ast.Name) and value.id == blocks for value in values)
    if gives_back and wanted not in source.constants and not _handed_on(parts, blocks):
        findings.at(
            source,
            node,
            "function/output-missing",
            f"{node.name} returns {blocks} without ever setting {wanted!r}",
            answer.remedy,
        )


def _handed_on(parts: list[ast.AST], blocks: str) -> bool:
    """Whether the blocks are given away, or get a key that is not in plain sight."""
    for part in parts:
        if isinstance(part, ast.Call):
            values = [*part.args, *(keyword.value for keyword in part.keywords if keyword.arg)]
            if any(isinstance(value, ast.Name) and value.id == blocks for value in values):
                return True
            owner = part.func.value if isinstance(part.func, ast.Attribute) else None
            if isinstance(owner, ast.Name) and owner.id == blocks:
                return True
        elif (
            isinstance(part, ast.Subscript)
            and isinstance(part.ctx, ast.Store)
            and isinstance(part.value, ast.Name)
            and part.value.id == blocks
            and constant_text(part.slice) is None
        ):
            return True
    return False
