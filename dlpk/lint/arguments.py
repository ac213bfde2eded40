"""How a raster function reads its arguments."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cached_property
from typing import Final

from .classes import FunctionClass, place
from .parameters import Parameter, Parameters
from .source import Source, constant_text, is_load, name_of, subscript_key
from .subject import Subject

_NUMERIC: Final = {"numeric", "GPLong", "GPDouble", "float"}
_RASTERS: Final = ("raster", "rasters")
_NUMBER: Final = re.compile(r"[-+.,\d]+(e[-+]?\d+)?")
_STANDARD: Final = (*_RASTERS, "model", "device")
_ORDER: Final = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_ARITHMETIC: Final = (ast.Sub, ast.Div, ast.FloorDiv, ast.Pow, ast.MatMult)
_SETUP: Final = ("__init__", "initialize")


def check_reading(subject: Subject) -> None:
    """Judge how getConfiguration reads its keywords, which come as text, and what becomes of it."""
    method = next(subject.function.known("getConfiguration"), None)
    if method is None or method[1].args.kwarg is None:
        return
    reading = _Reading(subject.function, *method, method[1].args.kwarg.arg)
    _check_missing(subject, reading)
    _check_uses(subject, reading)
    parameters = subject.parameters
    if parameters is not None and parameters.closed and not reading.handed_on:
        _check_unread(subject, parameters)


class _Reading:
    """Where getConfiguration reads its keywords, and what keeps them as they came."""

    def __init__(
        self, function: FunctionClass, source: Source, method: ast.FunctionDef, keywords: str
    ) -> None:
        self.function, self.source, self.method, self.keywords = function, source, method, keywords
        self.parts = source.local(method)
        self._kept: dict[str, str] = {}  # by places
        for _ in range(3):  # padding = scalars["padding"], then self.padding = padding, then more
            for name, every in function.given.items():
                given = [g for g in every if g.method.name not in _SETUP]
                keys = {self.text(g.value, g.method) for g in given}
                key = keys.pop() if len(keys) == 1 else None
                if key is not None:
                    self._kept[name] = key

    def key(self, node: ast.AST | None) -> str | None:
        """Return which argument an expression is, as it came; None for anything else."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            got = node.func.attr == "get" and name_of(node.func.value) == self.keywords
            return constant_text(node.args[0]) if got else None
        return None if node is None else subscript_key(node, self.keywords)

    def text(self, node: ast.AST | None, method: ast.FunctionDef) -> str | None:
        """Return which argument an expression is, be it by a variable or an attribute."""
        if isinstance(node, (ast.Name, ast.Attribute)):
            return self._kept.get(place(node, method))
        return self.key(node) if method is self.method else None

    @cached_property
    def asked(self) -> set[str | None]:
        """Arguments that the method looks for, or reads with a default."""
        asked = {self.key(part) for part in self.parts if isinstance(part, ast.Call)}
        for part in self.parts:
            if isinstance(part, ast.Compare) and isinstance(part.ops[0], (ast.In, ast.NotIn)):
                asked.add(constant_text(part.left))
        return asked

    @property
    def handed_on(self) -> bool:
        """Whether something else may read the keywords, too."""
        for part in self.parts:
            above = self.source.parent(part)
            if not isinstance(part, ast.Name) or part.id != self.keywords:
                continue
            call = self.source.parent(above) if isinstance(above, ast.Attribute) else above
            looked_for = isinstance(above, ast.Compare) and part in above.comparators
            if self.key(call) is None and not looked_for:
                return True
        return False


def _check_missing(subject: Subject, reading: _Reading) -> None:
    judged = set(reading.asked)
    for part in reading.parts:
        key = reading.key(part)
        if key is None or key in judged or not is_load(part):
            continue
        if reading.source.inside(part, ast.Try):
            continue
        judged.add(key)
        message = f"{reading.keywords}[{key!r}] fails if the argument is not passed"
        parameters = subject.parameters
        if parameters is not None and parameters.closed and key not in parameters.named:
            message += f", and getParameterInfo does not declare {key!r}"
        remedy = f"Write {reading.keywords}.get({key!r}, default)."
        subject.at(reading.source, part, "arguments/no-default", message, remedy)


def _check_uses(subject: Subject, reading: _Reading) -> None:
    """Find where an argument, as it came, is used as a number."""
    commas: dict[str, ast.AST] = {}
    for source, part, key in _uses(reading):
        above = source.parent(part)
        called = getattr(above.func, "id", "") if isinstance(above, ast.Call) else ""
        entry = subject.parameters.named.get(key) if subject.parameters is not None else None
        if above is None:
            continue
        if called == "float":
            if not source.inside(part, ast.Try):
                commas.setdefault(key, above)
        elif called == "range" or _is_calculation(above):
            if key in _STANDARD or _is_typed(source, part) or (entry and _is_word(entry)):
                continue  # the device is a number
            message = f"the argument {key!r} is used as a number, and it may be a text"
            remedy = (
                "Convert it in getConfiguration: float(…) or int(…) of"
                f" {reading.keywords}.get({key!r}, default)."
            )
            subject.at(source, above, "arguments/not-converted", message, remedy)
    if commas:
        message = f"float() does not read a decimal comma ({', '.join(map(repr, commas))})"
        remedy = "Write float(str(value).replace(',', '.'))."
        first = next(iter(commas.values()))
        subject.at(reading.source, first, "arguments/decimal-comma", message, remedy)


def _uses(reading: _Reading) -> Iterator[tuple[Source, ast.AST, str]]:
    for source, method in reading.function.own():
        for part in source.within(method) if method.name not in _SETUP else ():
            key = reading.text(part, method)
            if key is not None and not isinstance(getattr(part, "ctx", None), ast.Store):
                yield source, part, key


def _is_calculation(node: ast.AST) -> bool:
    """Whether both sides of an expression must be numbers."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        sides, certain = [node.left, *node.comparators], isinstance(node.ops[0], _ORDER)
        likely = isinstance(node.ops[0], (ast.Eq, ast.NotEq))
    elif isinstance(node, ast.BinOp):
        sides, certain = [node.left, node.right], isinstance(node.op, _ARITHMETIC)
        likely = isinstance(node.op, (ast.Add, ast.Mult))
    else:
        return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
    values = [side.operand if isinstance(side, ast.UnaryOp) else side for side in sides]
    numbers = [isinstance(v, ast.Constant) and type(v.value) in (int, float) for v in values]
    return certain or (likely and any(numbers))


def _is_typed(source: Source, node: ast.AST) -> bool:
    """Whether the code looks at the type before, or catches what goes wrong."""
    return any(
        (isinstance(above, (ast.If, ast.IfExp)) and "isinstance" in ast.unparse(above.test))
        or isinstance(above, ast.Try)
        for above, _ in source.ancestors(node)
    )


def _is_word(entry: Parameter) -> bool:
    """Whether an argument is declared as a text that is no number."""
    value = entry.keys.get("value")
    number = value is None or _NUMBER.fullmatch(str(value))
    return entry.keys.get("dataType") not in _NUMERIC and not number


def _check_unread(subject: Subject, parameters: Parameters) -> None:
    for entry in parameters.entries:
        name = entry.name
        if not name or name in _STANDARD or entry.keys.get("dataType") in _RASTERS:
            continue
        texts = " ".join(value for value in entry.keys.values() if isinstance(value, str))
        declared = re.findall(r"\w+", texts).count(name)
        if name.isidentifier() and subject.modules.words[name] <= declared:
            message = f"nothing in the package reads the argument {name!r}"
            remedy = "Read it in getConfiguration, or do not declare it."
            subject.at(parameters.source, entry.node, "arguments/without-effect", message, remedy)
