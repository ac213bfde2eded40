"""Which modules a package brings itself, and which of its files an import leads to."""

from __future__ import annotations

import ast
import contextlib
import re
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from ..package.files import read_file
from ..package.folder import walk
from .source import Problem, Source, parse_file

__all__ = ["Import", "Modules", "guards", "imports", "reachable"]

MAX_FILES: Final = 300
"""So many files of the package are followed from its function, not more."""

MAX_TEXT: Final = 64 * 1024 * 1024
"""So many bytes of Python files are searched for a word, not more."""

_ARCHIVES: Final = (".whl", ".egg", ".zip", ".pyz")
_BINARIES: Final = (".pyd", ".so", ".dll", ".pyc")
_NOT_RUNNING: Final = {
    "TYPE_CHECKING",
    "typing.TYPE_CHECKING",
    "t.TYPE_CHECKING",
    "__name__ == '__main__'",
}
_CONDITIONS: Final = ("version", "platform", "available", "hasattr", "find_spec", "has_", "os.name")
_CATCHES: Final = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException", "OSError"}


class Modules:
    """The modules in a package's folder.

    Whether a folder is on Python's search path is decided when the function runs, so that a module
    counts as brought along wherever in the package it lies.

    Parameters
    ----------
    root : Path
        The package's folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.archives = False
        self._homes: dict[str, list[str]] = {}
        for path, status in walk(root):
            if stat.S_ISDIR(status.st_mode):
                continue
            parts = path.split("/")
            stem, dot, suffix = parts[-1].partition(".")
            suffix = "." + suffix.rpartition(".")[2].lower() if dot else ""
            if suffix in _ARCHIVES:
                self.archives = True
            elif suffix == ".py" or suffix in _BINARIES:
                self._add(stem, "/".join(parts))
                for depth in range(1, len(parts)):
                    self._add(parts[depth - 1], "/".join(parts[:depth]))
        for homes in self._homes.values():
            homes.sort(key=lambda home: (home.count("/"), home))

    def _add(self, name: str, home: str) -> None:
        homes = self._homes.setdefault(name, [])
        if not homes or homes[-1] != home:
            homes.append(home)

    def brings(self, module: str) -> bool:
        """Tell whether a top level module lies in the package."""
        return module.partition(".")[0] in self._homes

    def files(self, module: str) -> list[Path]:
        """Return the Python files that importing a dotted module runs; none if it is not here."""
        first, *rest = module.split(".")
        for home in dict.fromkeys(self._homes.get(first, ())):
            if home.endswith(".py") and not rest:
                return [self.root / home]
            folder = self.root / home
            if folder.is_dir():
                return _package_files(folder, rest)
        return []

    def mentions(self, word: str) -> bool:
        """Tell whether any Python file of the package holds a word, wherever."""
        return word.encode() in self._text

    @cached_property
    def words(self) -> Counter[str]:
        """How often each word stands in the Python files of the package."""
        return Counter(re.findall(r"\w+", self._text.decode("utf-8", "replace")))

    @cached_property
    def _text(self) -> bytes:
        pieces, left = [], MAX_TEXT
        for path, status in walk(self.root):
            if path.lower().endswith(".py") and stat.S_ISREG(status.st_mode):
                left -= status.st_size
                if left < 0:
                    break
                with contextlib.suppress(OSError):
                    pieces.append(read_file(self.root / path, MAX_TEXT))
        return b"\n".join(pieces)

    def relative(self, source: Source, level: int, module: str) -> list[Path]:
        """Return the Python files that a relative import runs."""
        folder = source.path.parent
        for _ in range(level - 1):
            folder = folder.parent
        if folder != self.root and self.root not in folder.parents:
            return []
        return _package_files(folder, module.split(".") if module else [])


def _package_files(folder: Path, rest: list[str]) -> list[Path]:
    files = [folder / "__init__.py"]
    for name in rest:
        files.append(folder / f"{name}.py")
        folder = folder / name
        files.append(folder / "__init__.py")
    return [file for file in files if file.is_file()]


@dataclass(frozen=True)
class Import:
    """One imported module.

    Parameters
    ----------
    source : Source
        The file with the statement.
    node : ast.AST
        The statement.
    module : str
        Dotted name; of a relative import without its dots.
    names : tuple of str
        What is taken from it, for ``from … import``.
    level : int
        Dots of a relative import.
    guarded : bool
        Whether a failure is caught.
    lazy : bool
        Whether it stands in a function.
    """

    source: Source
    node: ast.AST
    module: str
    names: tuple[str, ...]
    level: int
    guarded: bool
    lazy: bool


def imports(source: Source) -> Iterator[Import]:
    """Iterate over the imports of a file that are meant to run with the function."""
    for node in source.nodes:
        if not isinstance(node, (ast.Import, ast.ImportFrom)) or _not_for_running(source, node):
            continue
        guarded = guards(source, node)
        lazy = source.inside(node, ast.FunctionDef, ast.AsyncFunctionDef)
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(source, node, alias.name, (), 0, guarded, lazy)
        else:
            names = tuple(alias.name for alias in node.names)
            yield Import(source, node, node.module or "", names, node.level, guarded, lazy)


def guards(source: Source, node: ast.AST) -> bool:
    """Tell whether the code around a node sees to it that what it needs may be missing.

    A failure is caught, it is what another failure leads to, or a condition that asks for versions
    or the like decides about it.
    """
    inside: ast.AST = node
    for above in source.ancestors(node):
        if isinstance(above, ast.Try):
            if inside in above.body and _catches(above):
                return True
            if isinstance(inside, ast.ExceptHandler):
                return True
        elif isinstance(above, ast.If) and inside is not above.test:
            test = ast.unparse(above.test).lower()
            if any(word in test for word in _CONDITIONS):
                return True
        inside = above
    return False


def _catches(node: ast.Try) -> bool:
    for handler in node.handlers:
        kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        for kind in kinds:
            if kind is None or (isinstance(kind, ast.Name) and kind.id in _CATCHES):
                return not _raises_again(handler)
    return False


def _raises_again(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(part, ast.Raise) for part in handler.body)


def _not_for_running(source: Source, node: ast.AST) -> bool:
    """Whether the node runs for a type checker or as a script only."""
    inside: ast.AST = node
    for above in source.ancestors(node):
        if isinstance(above, ast.If) and inside in above.body:
            test = ast.unparse(above.test)
            if test in _NOT_RUNNING:
                return True
        inside = above
    return False


def reachable(start: Source, modules: Modules, *, guarded: bool = True) -> list[Source]:
    """Return a file and those of the package that are imported with it, nearest first.

    Parameters
    ----------
    start : Source
        The file.
    modules : Modules
        The package's modules.
    guarded : bool
        Whether imports count whose failure is caught.
    """
    found = {start.path: start}
    queue = [start]
    while queue and len(found) < MAX_FILES:
        source = queue.pop(0)
        for item in imports(source):
            if item.guarded and not guarded:
                continue
            for path in _files(item, modules):
                if path in found or len(found) >= MAX_FILES:
                    continue
                read = parse_file(path, path.relative_to(modules.root).as_posix())
                if not isinstance(read, Problem):
                    found[path] = read
                    queue.append(read)
    return list(found.values())


def _files(item: Import, modules: Modules) -> list[Path]:
    candidates = [item.module, *(f"{item.module}.{name}".lstrip(".") for name in item.names)]
    files: list[Path] = []
    for module in candidates:
        if item.level:
            files += modules.relative(item.source, item.level, module)
        else:
            files += modules.files(module)
    return list(dict.fromkeys(files))
