"""The parameters that a raster function declares, read from the text of getParameterInfo."""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

from .classes import FunctionClass, Method
from .source import Source, constant_text

# What certainly leaves a list as it is, or is followed.
_LOOKS: Final = ("len", "any", "all", "isinstance", "print", "str", "repr", "enumerate")
_ADDS: Final = ("append", "insert", "extend")
_CHANGES: Final = ("remove", "pop", "clear", "update", "setdefault")


class Parameter(NamedTuple):
    """One entry of the list, with its constant keys; None stands for values that are worked out."""

    node: ast.AST
    keys: dict[str, object]

    @property
    def name(self) -> str | None:
        """Its name, if it stands there as text."""
        name = self.keys.get("name")
        return name if isinstance(name, str) else None


@dataclass
class Parameters:
    """What getParameterInfo declares in plain sight.

    `closed` tells that there is nothing else.
    """

    source: Source
    node: ast.FunctionDef
    entries: list[Parameter] = field(default_factory=list)
    closed: bool = True

    @cached_property
    def named(self) -> dict[str, Parameter]:
        """The entries whose name is in plain sight, by name."""
        return {entry.name: entry for entry in self.entries if entry.name is not None}


def declared(function: FunctionClass) -> Parameters | None:
    """Read the parameters that a function declares; None if getParameterInfo is not in sight."""
    method = function.methods.get("getParameterInfo")
    if method is None or method.node is None:
        return None
    found = Parameters(method.source, method.node)
    values = returned(method)
    found.closed = len(values) == 1
    reader = _Reader(method)
    for value in values:
        reader.read(value, found)
    return found


def returned(method: Method) -> list[ast.expr]:
    """Return the values that a method returns, but for None."""
    values = [part.value for part in method.parts if isinstance(part, ast.Return) and part.value]
    return [v for v in values if not (isinstance(v, ast.Constant) and v.value is None)]


class _Reader:
    """Follows lists through the statements of a method."""

    def __init__(self, method: Method) -> None:
        # What makes up each list: expressions, and whether each is an element or a list of them.
        self._lists: dict[str, list[tuple[ast.expr, bool]]] = defaultdict(list)
        self._open: set[str] = set()
        self._following: set[str] = set()
        if method.node is not None:  # what comes in from outside may hold entries already
            arguments = ast.walk(method.node.args)
            self._open |= {part.arg for part in arguments if isinstance(part, ast.arg)}
        for part in method.parts:
            if isinstance(part, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
                self._assign(part)
            elif isinstance(part, ast.Call):
                self._call(part)

    def _assign(self, part: ast.Assign | ast.AnnAssign | ast.AugAssign) -> None:
        for target in part.targets if isinstance(part, ast.Assign) else [part.target]:
            if isinstance(target, ast.Name) and part.value is not None:
                if target.id in self._lists and not isinstance(part, ast.AugAssign):
                    self._open.add(target.id)  # given anew: too much to follow
                self._lists[target.id].append((part.value, False))

    def _call(self, call: ast.Call) -> None:
        attribute = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        owner = call.func.value if isinstance(call.func, ast.Attribute) else None
        if isinstance(owner, ast.Name) and attribute in _ADDS and call.args:
            self._lists[owner.id].append((call.args[-1], attribute != "extend"))
        elif isinstance(owner, ast.Name) and attribute in _CHANGES:
            self._open.add(owner.id)
        elif getattr(call.func, "id", "") not in _LOOKS:  # may add to what it is handed
            values = [*call.args, *(keyword.value for keyword in call.keywords)]
            self._open |= {value.id for value in values if isinstance(value, ast.Name)}

    def read(self, value: ast.expr, found: Parameters) -> None:
        """Add the entries of a list expression to what was found."""
        if isinstance(value, (ast.List, ast.Tuple)):
            for element in value.elts:
                if isinstance(element, ast.Starred):
                    self.read(element.value, found)
                else:
                    self._add(element, found)
        elif isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
            self.read(value.left, found)
            self.read(value.right, found)
        elif isinstance(value, ast.IfExp):
            self.read(value.body, found)
            self.read(value.orelse, found)
        elif (
            isinstance(value, ast.Name)
            and value.id in self._lists
            and value.id not in self._following
        ):
            found.closed = found.closed and value.id not in self._open
            self._following.add(value.id)
            for part, single in self._lists[value.id]:
                (self._add if single else self.read)(part, found)
            self._following.discard(value.id)
        else:
            found.closed = False

    def _add(self, element: ast.expr, found: Parameters) -> None:
        if isinstance(element, ast.Name) and element.id not in self._open:
            parts = self._lists.get(element.id, [])
            element = parts[0][0] if len(parts) == 1 else element
        if isinstance(element, ast.Dict):
            pairs = zip(map(constant_text, element.keys), element.values)
            keys = {key: _constant(value) for key, value in pairs if key is not None}
            found.entries.append(Parameter(element, keys))
        else:
            found.closed = False


def _constant(node: ast.expr) -> object:
    """Return the value of a constant, a list of constants included; None for anything else."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        return None
