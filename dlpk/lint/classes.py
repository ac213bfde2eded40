"""The class of a raster function: its methods, those of its bases included."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from .modules import Modules
from .source import Problem, Source, is_load, name_of, parse_file


class Method(NamedTuple):
    """A method: the file it stands in and its definition.

    The definition is None where it does not show: an assignment, or a decorator that may change
    the parameters.
    """

    source: Source
    node: ast.FunctionDef | None

    @property
    def parts(self) -> list[ast.AST]:
        """What is in the method, but not in functions and classes inside it."""
        return [] if self.node is None else self.source.local(self.node)


class Given(NamedTuple):
    """A value that a method gives to something; None where it does not show."""

    value: ast.expr | None
    method: ast.FunctionDef


@dataclass
class FunctionClass:
    """A class as far as its text tells; its methods are those of bases in the package, too.

    It is `open` if it may have methods that are not seen: from a base outside of the package, a
    decorator, a metaclass or ``__getattr__``. `sources` are the files that its methods stand in.
    """

    name: str
    source: Source
    node: ast.ClassDef | None = None
    methods: dict[str, Method] = field(default_factory=dict)
    open: bool = True
    sources: list[Source] = field(default_factory=list)

    def own(self) -> Iterator[tuple[Source, ast.FunctionDef]]:
        """Iterate over the methods whose text is known."""
        for method in self.methods.values():
            if method.node is not None:
                yield method.source, method.node

    def known(self, *names: str) -> Iterator[tuple[Source, ast.FunctionDef]]:
        """Iterate over the methods of these names whose text is known."""
        for name in names:
            method = self.methods.get(name)
            if method is not None and method.node is not None:
                yield method.source, method.node

    @cached_property
    def given(self) -> dict[str, list[Given]]:
        """What its methods give to attributes and variables, by their `place`."""
        found: dict[str, list[Given]] = {}
        for source, method in self.own():
            for part in source.within(method):
                if isinstance(part, (ast.Name, ast.Attribute)) and not is_load(part):
                    above = source.parent(part)
                    value = above.value if isinstance(above, ast.Assign) else None
                    found.setdefault(place(part, method), []).append(Given(value, method))
        found.pop("", None)
        return found

    def resolved(self, node: ast.AST, method: ast.FunctionDef) -> ast.AST:
        """Return what a variable stands for if it is given a value once, in plain sight."""
        given = self.given.get(place(node, method), []) if isinstance(node, ast.Name) else []
        return given[0].value or node if len(given) == 1 else node


def place(node: ast.AST | None, method: ast.FunctionDef) -> str:
    """Return a name for what an expression reads: attributes by theirs, variables per method."""
    name = name_of(node)
    return name if name.startswith(".") or not name else f"{method.name}:{name}"


class Classes:
    """Follows names to classes, through the package's modules; each name once, circles end."""

    def __init__(self, modules: Modules) -> None:
        self._modules = modules
        self._read: dict[Path, Source | None] = {}
        self._names: dict[Path, dict[str, ast.AST]] = {}
        self._found: dict[tuple[Path, str], FunctionClass | None] = {}

    def defined(self, source: Source) -> list[str]:
        """Return the names of the classes at the top of a file."""
        found = self._top(source).items()
        return [name for name, node in found if isinstance(node, ast.ClassDef)]

    def find(self, source: Source, name: str) -> FunctionClass | None:
        """Find a class by the name under which a file has it; None if nothing has the name."""
        key = source.path, name
        if key not in self._found:
            self._found[key] = FunctionClass(name, source)  # for circles
            self._found[key] = self._follow(source, name)
        return self._found[key]

    def _follow(self, source: Source, name: str) -> FunctionClass | None:
        names = self._top(source)
        node = names.get(name)
        found: FunctionClass | None = None
        if isinstance(node, ast.ClassDef):
            return self._class(source, node)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name):
            found = self.find(source, node.value.id)
        elif isinstance(node, ast.ImportFrom):
            found = self._imported(source, node, name)
        return found or (FunctionClass(name, source) if node or "*" in names else None)

    def _top(self, source: Source) -> dict[str, ast.AST]:
        """Return what a file's names are last bound by."""
        if source.path not in self._names:
            self._names[source.path] = dict(_bound(source.tree.body))
        return self._names[source.path]

    def _imported(self, source: Source, node: ast.ImportFrom, name: str) -> FunctionClass | None:
        files = self._modules.imported(source, node.level, node.module or "")
        path = files[-1] if files else None
        if path is None:
            return None
        if path not in self._read:
            read = parse_file(path, path.relative_to(self._modules.root).as_posix())
            self._read[path] = None if isinstance(read, Problem) else read
        target = self._read[path]
        there = next((a.name for a in node.names if (a.asname or a.name) == name), name)
        return None if target is None else self.find(target, there)

    def _class(self, source: Source, node: ast.ClassDef) -> FunctionClass:
        made = FunctionClass(node.name, source, node, sources=[source])
        made.open = bool(node.decorator_list or node.keywords)
        for base in reversed(node.bases):
            if isinstance(base, ast.Name) and base.id == "object":
                continue
            above = self.find(source, base.id) if isinstance(base, ast.Name) else None
            made.open = made.open or above is None or above.open
            if above is not None:
                made.methods.update(above.methods)
                made.sources += [item for item in above.sources if item not in made.sources]
        for name, part in _bound(node.body):
            seen = isinstance(part, ast.FunctionDef) and not part.decorator_list
            made.methods[name] = Method(source, part if seen else None)  # type: ignore[arg-type]
        made.open = made.open or "__getattr__" in made.methods
        return made


def _bound(body: list[ast.stmt]) -> Iterator[tuple[str, ast.AST]]:
    """Iterate over what statements that run on import bind, those in conditions included."""
    for node in body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node
        elif isinstance(node, ast.Assign):
            yield from ((name.id, node) for name in node.targets if isinstance(name, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, node
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from ((alias.asname or alias.name, node) for alias in node.names)
        else:
            for name in ("body", "orelse", "finalbody"):
                yield from _bound(getattr(node, name, []))
            for handler in getattr(node, "handlers", []):
                yield from _bound(handler.body)
