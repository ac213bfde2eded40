"""The class of a raster function: its methods, those of its bases included."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .modules import Modules
from .source import Problem, Source, parse_file

__all__ = ["FunctionClass", "Method", "classes", "find_class"]

MAX_LOOKUPS = 200
"""So many names are followed from a class to its bases, not more."""

Function = ast.FunctionDef


@dataclass(frozen=True)
class Method:
    """A method.

    Parameters
    ----------
    source : Source
        The file it stands in.
    node : ast.FunctionDef or None
        Its definition; None where it comes from elsewhere (an assignment, a decorator that may
        change its parameters).
    """

    source: Source
    node: Function | None


@dataclass
class FunctionClass:
    """A class as far as its text tells.

    Parameters
    ----------
    name : str
        Its name.
    source : Source
        The file it stands in.
    node : ast.ClassDef or None
        Its definition; None if it comes from outside of the package.
    methods : dict
        Name to method, those of bases in the package included.
    open : bool
        Whether it may have methods that are not seen: from a base outside of the package, a
        decorator, a metaclass or ``__getattr__``.
    sources : list of Source
        The files that its methods stand in.
    """

    name: str
    source: Source
    node: ast.ClassDef | None
    methods: dict[str, Method] = field(default_factory=dict)
    open: bool = False
    sources: list[Source] = field(default_factory=list)

    @property
    def bases(self) -> set[str]:
        """The names that it inherits from directly."""
        bases = self.node.bases if self.node is not None else []
        return {base.id for base in bases if isinstance(base, ast.Name)}

    def own(self) -> Iterator[tuple[Source, Function]]:
        """Iterate over the methods whose text is known."""
        for method in self.methods.values():
            if method.node is not None:
                yield method.source, method.node


def classes(source: Source) -> dict[str, ast.ClassDef]:
    """Return the classes at the top of a file, those in conditions included, by name."""
    return {node.name: node for node in _top(source.tree.body) if isinstance(node, ast.ClassDef)}


def find_class(source: Source, name: str, modules: Modules) -> FunctionClass | None:
    """Find a class by the name under which a file has it.

    Parameters
    ----------
    source : Source
        The file.
    name : str
        Name of the class, or of an import or assignment that stands for it.
    modules : Modules
        The package's modules: a class may be imported from them.

    Returns
    -------
    FunctionClass or None
        None if nothing in the file has this name.
    """
    return _Finder(modules).find(source, name)


class _Finder:
    """Follows names to classes, with a limit: bases may form circles and worse."""

    def __init__(self, modules: Modules) -> None:
        self._modules = modules
        self._left = MAX_LOOKUPS
        self._read_before: dict[Path, Source | None] = {}

    def find(self, source: Source, name: str) -> FunctionClass | None:
        found: FunctionClass | None = None
        self._left -= 1
        if self._left < 0:
            return FunctionClass(name, source, None, open=True)
        for node in _top(source.tree.body):
            if isinstance(node, ast.ClassDef) and node.name == name:
                found = self._read(source, node)
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name:
                found = FunctionClass(name, source, None, open=True)
            elif isinstance(node, ast.Assign) and name in _targets(node):
                found = FunctionClass(name, source, None, open=True)
                if isinstance(node.value, ast.Name):
                    found = self.find(source, node.value.id) or found
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                for alias in node.names:
                    if (alias.asname or alias.name) == name:
                        found = self._imported(source, node, alias)
        if found is None and _imports_all(source):
            return FunctionClass(name, source, None, open=True)
        return found

    def _imported(
        self, source: Source, node: ast.Import | ast.ImportFrom, alias: ast.alias
    ) -> FunctionClass:
        outside = FunctionClass(alias.name, source, None, open=True)
        if isinstance(node, ast.Import):
            return outside
        module = node.module or ""
        files = (
            self._modules.relative(source, node.level, module)
            if node.level
            else self._modules.files(module)
        )
        read = self._source(files[-1]) if files else None
        return outside if read is None else self.find(read, alias.name) or outside

    def _source(self, path: Path) -> Source | None:
        if path not in self._read_before:
            read = parse_file(path, path.relative_to(self._modules.root).as_posix())
            self._read_before[path] = None if isinstance(read, Problem) else read
        return self._read_before[path]

    def _read(self, source: Source, node: ast.ClassDef) -> FunctionClass:
        made = FunctionClass(node.name, source, node, sources=[source])
        made.open = bool(node.decorator_list or node.keywords)
        for base in reversed(node.bases):
            if isinstance(base, ast.Name) and base.id == "object":
                continue
            above = None
            if isinstance(base, ast.Name) and base.id != node.name:
                above = self.find(source, base.id)
            if above is None:
                made.open = True
                continue
            made.methods.update(above.methods)
            made.open = made.open or above.open
            made.sources += [item for item in above.sources if item not in made.sources]
        for part in _top(node.body):
            if isinstance(part, ast.FunctionDef):
                made.methods[part.name] = Method(source, None if part.decorator_list else part)
            elif isinstance(part, ast.AsyncFunctionDef):
                made.methods[part.name] = Method(source, None)
            elif isinstance(part, ast.Assign):
                for name in _targets(part):
                    made.methods[name] = Method(source, None)
        made.open = made.open or "__getattr__" in made.methods
        return made


def _imports_all(source: Source) -> bool:
    return any(
        isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)
        for node in _top(source.tree.body)
    )


def _targets(node: ast.Assign) -> set[str]:
    return {target.id for target in node.targets if isinstance(target, ast.Name)}


def _top(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Iterate over statements that run on import, those in conditions and so on included."""
    for statement in body:
        yield statement
        for name in ("body", "orelse", "finalbody"):
            if not isinstance(
                statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
            ) and isinstance(getattr(statement, name, None), list):
                yield from _top(getattr(statement, name))
        for handler in getattr(statement, "handlers", []):
            yield from _top(handler.body)
