"""The arguments of a raster function: how they are declared, and how they are read."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from .parameters import MISSING, UNKNOWN, Parameter, Parameters
from .source import Source, constant_text, local_nodes, own_attribute, subscript_key
from .subject import Subject

__all__ = ["check_declared", "check_reading"]

_DOCUMENTED: Final = {"numeric", "string", "raster", "rasters", "boolean"}
# Written by arcgis.learn and by functions in use, so that they work.
_SEEN: Final = {"GPLong", "GPDouble", "GPString", "GPStringKeyword", "GPBoolean", "float"}
_NUMERIC: Final = {"numeric", "GPLong", "GPDouble", "float"}
_PIXELS: Final = re.compile(r"""["'](?!output_)\w+_pixels["']""")
_WORD: Final = re.compile(r"\w+")
_STANDARD: Final = ("raster", "rasters", "model", "device")
_BOOLEANS: Final = {"true", "false"}
_ARITHMETIC: Final = (ast.Sub, ast.Div, ast.FloorDiv, ast.Pow, ast.MatMult)
_ORDER: Final = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_NOTHING: Final = (MISSING, UNKNOWN, None)


# --- declared -------------------------------------------------------------------------------


def check_declared(subject: Subject) -> None:
    """Judge the parameters of getParameterInfo that are in plain sight."""
    parameters = subject.parameters
    if parameters is None:
        return
    form = "Write {'name': …, 'dataType': …, 'value': …, 'required': …} for each parameter."
    for stray in parameters.strays:
        message = "the list of getParameterInfo holds something that is no dictionary"
        subject.at(parameters.source, stray, "arguments/entry", message, form)
    for entry in parameters.entries:
        called = f"the parameter {entry.name!r}" if entry.name is not None else "a parameter"
        for rule, problem, remedy in _problems(entry, parameters.settled):
            subject.at(parameters.source, entry.node, rule, f"{called} {problem}", remedy)
    kinds = [entry.get("dataType") for entry in parameters.entries]
    # Long ago types were numbers: what these mean is not known.
    without = all(isinstance(kind, str) and kind not in ("raster", "rasters") for kind in kinds)
    reads = _PIXELS.search(parameters.source.text)
    if parameters.closed and not parameters.strays and without and reads:
        subject.at(
            parameters.source,
            parameters.node,
            "arguments/no-raster",
            "getParameterInfo declares no parameter of dataType 'raster'",
            "Begin the list with {'name': 'raster', 'dataType': 'raster', 'required': True}.",
        )


def _problems(entry: Parameter, settled: bool) -> Iterator[tuple[str, str, str]]:
    for key in ("name", "dataType"):
        if entry.get(key) in (MISSING, None):
            yield "arguments/entry", f"has no {key!r}", f"Add {key!r}."
    kind, domain, value = entry.get("dataType"), entry.get("domain"), entry.get("value")
    if kind not in _NOTHING and kind not in _DOCUMENTED | _SEEN:
        remedy = f"Write one of {', '.join(sorted(_DOCUMENTED))}."
        yield "arguments/data-type", f"has the dataType {kind!r}", remedy
    if value in (*_NOTHING, "") or not settled or entry.name in _STANDARD:
        return
    if isinstance(domain, (list, tuple)) and not _allows(domain, value):
        remedy = f"Choose one of {', '.join(map(str, domain))}."
        yield "arguments/default", f"has the default {value!r}, not in its domain", remedy
    number = not isinstance(value, (list, tuple, dict)) and _number(value) is not None
    flag = str(value).lower() in _BOOLEANS
    if (kind in _NUMERIC and not number and not isinstance(value, bool)) or (
        kind == "boolean" and not flag and str(value) not in "01"
    ):
        problem = f"is of dataType {kind!r}, which its default {value!r} is not"
        yield "arguments/default", problem, "Give it a default of its type, or another dataType."


def _allows(domain: list[Any] | tuple[Any, ...], value: object) -> bool:
    if str(value) in {str(choice) for choice in domain}:
        return True
    number, ends = _number(value), [_number(choice) for choice in domain]
    # Two numbers are a range in arcgis.learn.
    if number is None or len(ends) != 2 or ends[0] is None or ends[1] is None:
        return False
    return ends[0] <= number <= ends[1]


def _number(value: object) -> float | None:
    try:
        return None if isinstance(value, bool) else float(str(value).replace(",", "."))
    except ValueError:
        return None


# --- read -----------------------------------------------------------------------------------


def check_reading(subject: Subject) -> None:
    """Judge how getConfiguration reads its keywords, which come as text."""
    method = subject.function.methods.get("getConfiguration")
    if method is None or method.node is None or method.node.args.kwarg is None:
        return
    reading = _Reading(method.source, method.node, method.node.args.kwarg.arg)
    _check_defaults(subject, reading)
    _check_numbers(subject, reading)
    _check_flags(subject, reading)
    _check_commas(subject, reading)
    if subject.parameters is not None and subject.parameters.closed and not reading.handed_on:
        _check_use(subject, subject.parameters)


class _Reading:
    """Where a method reads its keywords."""

    def __init__(self, source: Source, node: ast.FunctionDef, keywords: str) -> None:
        self.source, self.keywords = source, keywords
        self.parts = list(local_nodes(node))
        self.asked = {
            text
            for part in self.parts
            if isinstance(part, ast.Compare)
            and any(isinstance(op, (ast.In, ast.NotIn)) for op in part.ops)
            and (text := constant_text(part.left)) is not None
        } | {key for part in self.parts if isinstance(part, ast.Call) and (key := self.key(part))}
        self.handed_on = any(
            isinstance(part, ast.Name) and part.id == keywords and not self._understood(part)
            for part in self.parts
        )
        names = [part for part in self.parts if isinstance(part, ast.Name)]
        stores = Counter(name.id for name in names if isinstance(name.ctx, ast.Store))
        # Names that stand for one argument as it came.
        self.names = {
            part.targets[0].id: key
            for part in self.parts
            if isinstance(part, ast.Assign)
            and len(part.targets) == 1
            and isinstance(part.targets[0], ast.Name)
            and (key := self.key(part.value)) is not None
            and stores[part.targets[0].id] == 1
        }

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
        if isinstance(node, ast.Subscript):
            return subscript_key(node, self.keywords)
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "get"
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == self.keywords
            and node.args
        ):
            return constant_text(node.args[0])
        return None

    def text(self, node: ast.AST | None) -> str | None:
        """Return which argument an expression is, be it by a name."""
        return self.names.get(node.id) if isinstance(node, ast.Name) else self.key(node)


def _check_defaults(subject: Subject, reading: _Reading) -> None:
    judged = set(reading.asked)
    for part in reading.parts:
        key = reading.key(part) if isinstance(part, ast.Subscript) else None
        if key is None or key in judged or reading.source.inside(part, ast.Try):
            continue
        if not isinstance(getattr(part, "ctx", None), ast.Load):
            continue
        judged.add(key)
        message = f"{reading.keywords}[{key!r}] fails if the argument is not passed"
        parameters = subject.parameters
        if parameters is not None and parameters.closed and key not in parameters.names:
            message += f", and getParameterInfo does not declare {key!r}"
        remedy = f"Write {reading.keywords}.get({key!r}, default)."
        subject.at(reading.source, part, "arguments/no-default", message, remedy)


def _check_numbers(subject: Subject, reading: _Reading) -> None:
    for source, part, key in _calculations(subject, reading):
        if key in _STANDARD or _is_word(subject.parameters, key):  # the device is a number
            continue
        subject.at(
            source,
            part,
            "arguments/not-converted",
            f"the argument {key!r} is used as a number, and it may be a text",
            f"Convert it in getConfiguration: float(…) or int(…) of"
            f" {reading.keywords}.get({key!r}, default).",
        )


def _is_word(parameters: Parameters | None, key: str) -> bool:
    """Whether an argument is declared as a text that is no number."""
    entry = parameters.named(key) if parameters is not None else None
    if entry is None or entry.get("dataType") in _NUMERIC:
        return False
    value = entry.get("value")
    return value not in _NOTHING and _number(value) is None


def _calculations(subject: Subject, reading: _Reading) -> Iterator[tuple[Source, ast.AST, str]]:
    """Find where an argument is compared or calculated with as it came."""
    for part in reading.parts:
        for operand in _operands(part):
            key = reading.text(operand)
            if key is not None and not _is_typed(reading.source, part):
                yield reading.source, part, key
    kept = _kept(subject, reading)
    for source, method in subject.function.own():
        if method.name in ("__init__", "initialize") or not kept:
            continue
        for part in ast.walk(method):
            for operand in _operands(part):
                key = kept.get(own_attribute(operand) or "")
                if key is not None and not _is_typed(source, part):
                    yield source, part, key


def _is_typed(source: Source, node: ast.AST) -> bool:
    """Whether the code looks at the type before, or catches what goes wrong."""
    return any(
        (isinstance(above, (ast.If, ast.IfExp)) and "isinstance" in ast.unparse(above.test))
        or isinstance(above, ast.Try)
        for above in source.ancestors(node)
    )


def _operands(part: ast.AST) -> list[ast.expr]:
    """Return what must be a number in an expression."""
    if isinstance(part, ast.Compare) and len(part.ops) == 1:
        sides = [part.left, part.comparators[0]]
        if isinstance(part.ops[0], _ORDER):
            return sides
        beside = isinstance(part.ops[0], (ast.Eq, ast.NotEq))
    elif isinstance(part, ast.BinOp):
        sides = [part.left, part.right]
        if isinstance(part.op, _ARITHMETIC):
            return sides
        beside = isinstance(part.op, (ast.Add, ast.Mult))
    elif isinstance(part, ast.UnaryOp) and isinstance(part.op, ast.USub):
        return [part.operand]
    elif isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id == "range":
        return list(part.args)
    else:
        return []
    return [side for side, other in zip(sides, sides[::-1]) if beside and _is_number(other)]


def _is_number(node: ast.AST) -> bool:
    node = node.operand if isinstance(node, ast.UnaryOp) else node
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


def _kept(subject: Subject, reading: _Reading) -> dict[str, str]:
    """Return attributes of the object that hold an argument as it came, by name."""
    kept: dict[str, str] = {}
    changed: set[str] = set()
    for _, method in subject.function.own():
        for part in ast.walk(method) if method.name not in ("__init__", "initialize") else ():
            name = own_attribute(part)
            if name is None or isinstance(getattr(part, "ctx", None), ast.Load):
                continue
            above = reading.source.parent(part)
            key = None
            if isinstance(above, ast.Assign) and len(above.targets) == 1:
                key = reading.text(above.value)
            if key is None:
                changed.add(name)
            else:
                kept[name] = key
    return {name: key for name, key in kept.items() if name not in changed}


def _check_flags(subject: Subject, reading: _Reading) -> None:
    entries = subject.parameters.entries if subject.parameters else []
    flags = {entry.name for entry in entries if _is_flag(entry)}
    for part in reading.parts:
        key = None
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Name):
            if part.func.id == "bool" and part.args:
                key = reading.text(part.args[0])
        elif isinstance(part, (ast.If, ast.IfExp, ast.While)):
            test = part.test
            while isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
                test = test.operand
            key = reading.text(test)
            key = key if key in flags else None
        if key is not None:
            subject.at(
                reading.source,
                part,
                "arguments/truth-of-text",
                f'the argument {key!r} may be the text "False", which is true to Python',
                f"Write str({reading.keywords}.get({key!r}, 'False')).lower() == 'true'.",
            )


def _is_flag(entry: Parameter) -> bool:
    """Whether a parameter is a choice between true and false, usually as text."""
    domain = entry.get("domain")
    if entry.get("dataType") == "boolean":
        return True
    if isinstance(domain, (list, tuple)) and domain:
        return {str(value).lower() for value in domain} == _BOOLEANS
    return str(entry.get("value")).lower() in _BOOLEANS


def _check_commas(subject: Subject, reading: _Reading) -> None:
    found: dict[str, ast.AST] = {}
    for part in reading.parts:
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.args:
            key = reading.text(part.args[0]) if part.func.id == "float" else None
            if key is not None and not reading.source.inside(part, ast.Try):
                found.setdefault(key, part)
    if found:
        message = f"float() does not read a decimal comma ({', '.join(map(repr, found))})"
        remedy = "Write float(str(value).replace(',', '.'))."
        first = next(iter(found.values()))
        subject.at(reading.source, first, "arguments/decimal-comma", message, remedy)


def _check_use(subject: Subject, parameters: Parameters) -> None:
    for entry in parameters.entries:
        name = entry.name
        if not name or name in _STANDARD or entry.get("dataType") in ("raster", "rasters"):
            continue
        texts = " ".join(value for value in entry.keys.values() if isinstance(value, str))
        if name.isidentifier() and subject.modules.words[name] <= _WORD.findall(texts).count(name):
            message = f"nothing in the package reads the argument {name!r}"
            remedy = "Read it in getConfiguration, or do not declare it."
            subject.at(parameters.source, entry.node, "arguments/without-effect", message, remedy)
