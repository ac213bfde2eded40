"""The parameters that a raster function declares, read from the text of getParameterInfo."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from .classes import FunctionClass
from .source import Source, constant_text, local_nodes

__all__ = ["MISSING", "UNKNOWN", "Parameter", "Parameters", "declared", "returned"]

MISSING = object()
"""What a key that is not there has for a value."""

UNKNOWN = object()
"""What a value has that only shows when the function runs."""


@dataclass(frozen=True)
class Parameter:
    """One entry of the list.

    Parameters
    ----------
    node : ast.AST
        The entry.
    keys : dict
        Key to value: a constant (lists and tuples of constants included) or `UNKNOWN`.
    complete : bool
        Whether `keys` holds all keys.
    certain : bool
        Whether the entry is there in any case, not only under a condition.
    """

    node: ast.AST
    keys: dict[str, object]
    complete: bool
    certain: bool

    def get(self, key: str) -> object:
        """Return the value of a key: `MISSING`, `UNKNOWN` or a constant."""
        return self.keys.get(key, MISSING if self.complete else UNKNOWN)

    @property
    def name(self) -> str | None:
        """Its name, if it stands there as text."""
        name = self.keys.get("name")
        return name if isinstance(name, str) else None


@dataclass
class Parameters:
    """What a function declares.

    Parameters
    ----------
    source : Source
        The file with the declarations.
    node : ast.FunctionDef
        The method getParameterInfo.
    entries : list of Parameter
        Those that are in plain sight, in their order.
    closed : bool
        Whether there are no others.
    settled : bool
        Whether nothing changes the entries, or their order, after they are written down.
    strays : list of ast.expr
        Elements of the list that are no dictionaries.
    """

    source: Source
    node: ast.FunctionDef
    entries: list[Parameter] = field(default_factory=list)
    closed: bool = True
    settled: bool = True
    strays: list[ast.expr] = field(default_factory=list)

    def named(self, name: str) -> Parameter | None:
        """Return the parameter of a name."""
        return next((entry for entry in self.entries if entry.name == name), None)

    @property
    def names(self) -> list[str]:
        """The names in plain sight."""
        return [entry.name for entry in self.entries if entry.name is not None]


def declared(function: FunctionClass) -> Parameters | None:
    """Read the parameters that a function declares.

    Returns
    -------
    Parameters or None
        None if the class has no method getParameterInfo whose text is known.
    """
    method = function.methods.get("getParameterInfo")
    if method is None or method.node is None:
        return None
    reader = _Reader(method.source, method.node)
    found = Parameters(method.source, method.node)
    values = returned(method.node)
    if len(values) != 1:
        found.closed = False
    for value in values:
        reader.read(value, found, certain=len(values) == 1)
    found.settled = reader.settled
    return found


def returned(node: ast.FunctionDef) -> list[ast.expr]:
    """Return the values that a function returns, but for None."""
    return [
        part.value
        for part in local_nodes(node)
        if isinstance(part, ast.Return)
        and part.value is not None
        and not (isinstance(part.value, ast.Constant) and part.value.value is None)
    ]


class _Reader:
    """Follows lists through the statements of a method."""

    def __init__(self, source: Source, node: ast.FunctionDef) -> None:
        self._source = source
        self._method = node
        self._lists: dict[str, list[tuple[ast.expr, bool, bool]]] = {}
        self._open: set[str] = set()
        self.settled = True
        self._following: set[str] = set()
        # What comes in from outside may hold entries already.
        self._open |= {part.arg for part in ast.walk(node.args) if isinstance(part, ast.arg)}
        for part in local_nodes(node):
            self._take(part)

    def read(self, value: ast.expr, found: Parameters, *, certain: bool) -> None:
        """Add the entries of a list expression to what was found."""
        if isinstance(value, (ast.List, ast.Tuple)):
            for element in value.elts:
                if isinstance(element, ast.Starred):
                    self.read(element.value, found, certain=certain)
                else:
                    self._add(element, found, certain)
        elif isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
            self.read(value.left, found, certain=certain)
            self.read(value.right, found, certain=certain)
        elif isinstance(value, ast.IfExp):
            self.read(value.body, found, certain=False)
            self.read(value.orelse, found, certain=False)
        elif isinstance(value, ast.Name) and value.id in self._lists:
            if value.id in self._open:
                found.closed = False
            if value.id in self._following:
                found.closed = False
                return
            self._following.add(value.id)
            for part, single, always in self._lists[value.id]:
                if single:
                    self._add(part, found, certain and always)
                else:
                    self.read(part, found, certain=certain and always)
            self._following.discard(value.id)
        else:
            found.closed = False

    def _add(self, element: ast.expr, found: Parameters, certain: bool) -> None:
        if isinstance(element, ast.Name):
            parts = self._lists.get(element.id, [])
            if len(parts) == 1 and element.id not in self._open:
                element = parts[0][0]
        if isinstance(element, ast.Dict):
            keys = {
                key: _constant(value)
                for node, value in zip(element.keys, element.values)
                if (key := constant_text(node)) is not None
            }
            complete = all(constant_text(node) is not None for node in element.keys)
            found.entries.append(Parameter(element, keys, complete, certain))
        elif isinstance(element, (ast.Constant, ast.List, ast.Tuple, ast.JoinedStr)):
            found.strays.append(element)
        else:
            found.closed = False

    def _take(self, part: ast.AST) -> None:
        """Note what a statement does to lists."""
        always = self._source.parent(part) is self._method
        if isinstance(part, (ast.Assign, ast.AnnAssign)):
            targets = part.targets if isinstance(part, ast.Assign) else [part.target]
            for target in targets:
                if isinstance(target, ast.Name) and part.value is not None:
                    if target.id in self._lists:  # given anew: too much to follow
                        self._open.add(target.id)
                    self._lists.setdefault(target.id, []).append((part.value, False, always))
                elif isinstance(target, ast.Subscript):
                    self.settled = False
        elif isinstance(part, ast.AugAssign) and isinstance(part.target, ast.Name):
            self._lists.setdefault(part.target.id, []).append((part.value, False, always))
        elif isinstance(part, ast.Call):
            self._take_call(part)

    def _take_call(self, call: ast.Call) -> None:
        statement = self._source.parent(call)
        always = self._source.parent(statement) is self._method if statement is not None else False
        owner = call.func.value if isinstance(call.func, ast.Attribute) else None
        if isinstance(owner, ast.Name) and isinstance(call.func, ast.Attribute):
            attribute, values = call.func.attr, call.args
            if attribute == "append" and len(values) == 1:
                self._lists.setdefault(owner.id, []).append((values[0], True, always))
            elif attribute == "insert" and len(values) == 2:
                self._lists.setdefault(owner.id, []).append((values[1], True, always))
                self.settled = False
            elif attribute == "extend" and len(values) == 1:
                self._lists.setdefault(owner.id, []).append((values[0], False, always))
            elif attribute in ("remove", "pop", "clear", "update", "setdefault"):
                self._open.add(owner.id)
        for value in [*call.args, *(keyword.value for keyword in call.keywords)]:
            if isinstance(value, ast.Name) and not _looks(call):
                # Handed to something that may add to it.
                self._open.add(value.id)


def _looks(call: ast.Call) -> bool:
    """Whether a call certainly leaves its arguments as they are."""
    return (
        isinstance(call.func, ast.Name)
        and call.func.id in ("len", "any", "all", "isinstance", "print", "str", "repr", "enumerate")
    ) or (isinstance(call.func, ast.Attribute) and call.func.attr in ("append", "extend"))


def _constant(node: ast.expr) -> object:
    """Return the value of a constant, of a list of constants, or `UNKNOWN`."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, (ast.List, ast.Tuple)):
        values = [_constant(element) for element in node.elts]
        if UNKNOWN in values:
            return UNKNOWN
        return values if isinstance(node, ast.List) else tuple(values)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _constant(node.operand)
        return -value if isinstance(value, (int, float)) else UNKNOWN
    return UNKNOWN
