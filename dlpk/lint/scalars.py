"""Judging how a raster function reads its arguments: ArcGIS hands most of them over as text."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from schemas.emd.rules import Rule
from schemas.findings import Report, Severity

from .arguments import is_flag
from .classes import FunctionClass
from .collector import Collector
from .modules import Modules
from .names import constant_text, subscript_key
from .parameters import Parameters
from .returns import local_nodes
from .source import Source

__all__ = ["RULES", "check_scalars"]

_W, _N = Severity.WARNING, Severity.NOTE
_TEXT = "arguments are a table of texts; functions in use convert every one"
_COMMA = "a function in use that replaces the decimal comma of a number typed by the user"
_GUIDE = "Esri/raster-deep-learning: guide to custom inference functions"

RULES: dict[str, Rule] = {
    "arguments/no-default": Rule(_W, "An argument that is not passed ends in a KeyError.", _GUIDE),
    "arguments/not-converted": Rule(
        _W, "Arguments arrive as text: compared or calculated with, it raises or errs.", _TEXT
    ),
    "arguments/truth-of-text": Rule(
        _W, 'The text "False" is true to Python, as any text but the empty one is.', _TEXT
    ),
    "arguments/decimal-comma": Rule(
        _N, "Where numbers are written 0,3 float() raises ValueError.", _COMMA
    ),
    "arguments/without-effect": Rule(
        _N, "The tool asks for a value that the function does not use.", _GUIDE
    ),
}

_ARITHMETIC: Final = (
    ast.Sub,
    ast.Div,
    ast.FloorDiv,
    ast.Pow,
    ast.MatMult,
)
_ORDER: Final = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_GIVEN: Final = ("raster", "rasters", "model", "device")


def check_scalars(
    function: FunctionClass, parameters: Parameters | None, modules: Modules
) -> Report:
    """Judge how getConfiguration reads its keywords.

    Parameters
    ----------
    function : FunctionClass
        The function's class.
    parameters : Parameters or None
        What it declares, as far as that can be read.
    modules : Modules
        The package's modules, to see whether an argument is read anywhere.
    """
    findings = Collector(RULES)
    method = function.methods.get("getConfiguration")
    if method is None or method.node is None or method.node.args.kwarg is None:
        return findings.report()
    reading = _Reading(method.source, method.node, method.node.args.kwarg.arg)
    _check_defaults(reading, parameters, findings)
    _check_numbers(reading, function, findings)
    _check_flags(reading, parameters, findings)
    _check_commas(reading, findings)
    if parameters is not None and parameters.closed and not reading.handed_on:
        _check_use(parameters, modules, findings)
    return findings.report()


class _Reading:
    """Where a method reads its keywords.

    Parameters
    ----------
    source : Source
        The file.
    node : ast.FunctionDef
        The method.
    keywords : str
        Name of its keyword dictionary.
    """

    def __init__(self, source: Source, node: ast.FunctionDef, keywords: str) -> None:
        self.source, self.node, self.keywords = source, node, keywords
        self.parts = list(local_nodes(node))
        self.asked = {
            text
            for part in self.parts
            if isinstance(part, ast.Compare)
            and any(isinstance(op, (ast.In, ast.NotIn)) for op in part.ops)
            and (text := constant_text(part.left)) is not None
        }
        self.asked |= {
            key
            for part in self.parts
            if isinstance(part, ast.Call) and (key := self.key(part)) is not None
        }
        self.handed_on = any(
            isinstance(part, ast.Name) and part.id == keywords and not self._understood(part)
            for part in self.parts
        )
        # Names that stand for one argument as it came.
        self.names = {
            part.targets[0].id: key
            for part in self.parts
            if isinstance(part, ast.Assign)
            and len(part.targets) == 1
            and isinstance(part.targets[0], ast.Name)
            and (key := self.key(part.value)) is not None
        }
        for name in list(self.names):
            if self._times_given(name) > 1:
                del self.names[name]

    def _times_given(self, name: str) -> int:
        return sum(
            isinstance(part, ast.Name) and part.id == name and isinstance(part.ctx, ast.Store)
            for part in self.parts
        )

    def _understood(self, name: ast.Name) -> bool:
        parent = self.source.parent(name)
        if isinstance(parent, ast.Subscript) and parent.value is name:
            return constant_text(parent.slice) is not None
        if isinstance(parent, ast.Attribute) and parent.attr == "get":
            call = self.source.parent(parent)
            return isinstance(call, ast.Call) and self.key(call) is not None
        return isinstance(parent, ast.Compare) and name in parent.comparators

    def key(self, node: ast.AST | None) -> str | None:
        """Return which argument an expression is, as it came; None for anything else."""
        if isinstance(node, ast.Subscript) and self._is_keywords(node.value):
            return subscript_key(node)
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "get"
            and self._is_keywords(node.func.value)
            and node.args
        ):
            return constant_text(node.args[0])
        return None

    def text(self, node: ast.AST | None) -> str | None:
        """Return which argument an expression is, be it by a name."""
        if isinstance(node, ast.Name):
            return self.names.get(node.id)
        return self.key(node)

    def _is_keywords(self, node: ast.AST) -> bool:
        return isinstance(node, ast.Name) and node.id == self.keywords


def _check_defaults(reading: _Reading, parameters: Parameters | None, findings: Collector) -> None:
    judged: set[str] = set()
    for part in reading.parts:
        key = reading.key(part) if isinstance(part, ast.Subscript) else None
        if key is None or key in reading.asked or key in judged or _tried(reading, part):
            continue
        if not isinstance(part, ast.Subscript) or not isinstance(part.ctx, ast.Load):
            continue
        judged.add(key)
        undeclared = parameters is not None and parameters.closed and key not in parameters.names
        message = f"{reading.keywords}[{key!r}] fails if the argument is not passed"
        if undeclared:
            message += f", and getParameterInfo does not declare {key!r}"
        findings.at(
            reading.source,
            part,
            "arguments/no-default",
            message,
            f"Write {reading.keywords}.get({key!r}, default).",
        )


def _tried(reading: _Reading, node: ast.AST) -> bool:
    return any(isinstance(above, ast.Try) for above in reading.source.ancestors(node))


def _check_numbers(reading: _Reading, function: FunctionClass, findings: Collector) -> None:
    for source, part, key in _calculations(reading, function):
        if key in _GIVEN:  # the device is a number
            continue
        findings.at(
            source,
            part,
            "arguments/not-converted",
            f"the argument {key!r} is used as a number, and it may be a text",
            f"Convert it first: float(…) or int(…) of {reading.keywords}.get({key!r}, default).",
        )


def _calculations(
    reading: _Reading, function: FunctionClass
) -> Iterator[tuple[Source, ast.AST, str]]:
    """Find where an argument is compared or calculated with as it came."""
    for part in reading.parts:
        for operand in _operands(part):
            key = reading.text(operand)
            if key is not None and not _is_converted(reading.source, part):
                yield reading.source, part, key
    kept = _kept(reading, function)
    for source, method in function.own():
        for part in local_nodes(method):
            for operand in _operands(part):
                if (
                    isinstance(operand, ast.Attribute)
                    and isinstance(operand.value, ast.Name)
                    and operand.value.id == "self"
                    and operand.attr in kept
                ):
                    yield source, part, kept[operand.attr]


def _is_converted(source: Source, node: ast.AST) -> bool:
    """Whether the code looks at the type before."""
    return any(
        isinstance(above, (ast.If, ast.IfExp)) and "isinstance" in ast.unparse(above.test)
        for above in source.ancestors(node)
    )


def _operands(part: ast.AST) -> list[ast.expr]:
    """Return what must be a number in an expression, as a number stands beside it."""
    if isinstance(part, ast.Compare) and len(part.ops) == 1:
        sides = [part.left, part.comparators[0]]
        if isinstance(part.ops[0], _ORDER):
            return [side for side, other in zip(sides, sides[::-1]) if _is_number(other)]
        if isinstance(part.ops[0], (ast.Eq, ast.NotEq)):
            return [side for side, other in zip(sides, sides[::-1]) if _is_number(other)]
        return []
    if isinstance(part, ast.BinOp):
        if isinstance(part.op, _ARITHMETIC):
            return [part.left, part.right]
        if isinstance(part.op, (ast.Add, ast.Mult)):
            sides = [part.left, part.right]
            return [side for side, other in zip(sides, sides[::-1]) if _is_number(other)]
        return []
    if isinstance(part, ast.UnaryOp) and isinstance(part.op, ast.USub):
        return [part.operand]
    if isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id == "range":
        return list(part.args)
    return []


def _is_number(node: ast.AST) -> bool:
    if isinstance(node, ast.UnaryOp):
        node = node.operand
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, (int, float))
        and not isinstance(node.value, bool)
    )


def _kept(reading: _Reading, function: FunctionClass) -> dict[str, str]:
    """Return attributes of the object that hold an argument as it came, by name."""
    kept: dict[str, str] = {}
    given: dict[str, int] = {}
    for _, method in function.own():
        for part in local_nodes(method):
            if isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store):
                given[part.attr] = given.get(part.attr, 0) + 1
    for part in reading.parts:
        if isinstance(part, ast.Assign) and len(part.targets) == 1:
            target, key = part.targets[0], reading.text(part.value)
            if (
                key is not None
                and isinstance(target, ast.Attribute)
                and isinstance(target.value, ast.Name)
                and target.value.id == "self"
                and given.get(target.attr) == 1
            ):
                kept[target.attr] = key
    return kept


def _check_flags(reading: _Reading, parameters: Parameters | None, findings: Collector) -> None:
    flags = {entry.name for entry in (parameters.entries if parameters else ()) if is_flag(entry)}
    for part in reading.parts:
        tested: list[ast.expr] = []
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Name):
            tested = part.args[:1] if part.func.id == "bool" else []
            key = reading.text(tested[0]) if tested else None
        elif isinstance(part, (ast.If, ast.IfExp, ast.While)):
            test = part.test
            while isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
                test = test.operand
            key = reading.text(test)
            key = key if key in flags else None
        else:
            continue
        if key is not None:
            findings.at(
                reading.source,
                part,
                "arguments/truth-of-text",
                f'the argument {key!r} may be the text "False", which is true to Python',
                f"Write str({reading.keywords}.get({key!r}, 'False')).lower() == 'true'.",
            )


def _check_commas(reading: _Reading, findings: Collector) -> None:
    found: list[tuple[ast.AST, str]] = []
    for part in reading.parts:
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Name):
            key = reading.text(part.args[0]) if part.func.id == "float" and part.args else None
            if key is not None and not _tried(reading, part):
                found.append((part, key))
    if found:
        names = ", ".join(dict.fromkeys(repr(key) for _, key in found))
        findings.at(
            reading.source,
            found[0][0],
            "arguments/decimal-comma",
            f"float() does not read a number with a decimal comma ({names})",
            "Write float(str(value).replace(',', '.')).",
        )


def _check_use(parameters: Parameters, modules: Modules, findings: Collector) -> None:
    for entry in parameters.entries:
        name = entry.name
        if not name or name in _GIVEN or entry.get("dataType") in ("raster", "rasters"):
            continue
        word = rf"(?<!\w){re.escape(name)}(?!\w)"
        here = sum(
            len(re.findall(word, value)) for value in entry.keys.values() if isinstance(value, str)
        )
        if modules.count(word) <= here:
            findings.at(
                parameters.source,
                entry.node,
                "arguments/without-effect",
                f"nothing in the package reads the argument {name!r}",
                "Read it in getConfiguration, or do not declare it.",
            )
