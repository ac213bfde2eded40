"""Which modules a package brings itself, and which of its files an import leads to."""

from __future__ import annotations

import ast
import contextlib
import re
import stat
from collections import Counter, deque
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

from ..package.files import read_file
from ..package.folder import walk
from .source import Problem, Source, in_body, parse_file

MAX_FILES: Final = 300
"""So many files of the package are followed from its function, not more."""

MAX_TEXT: Final = 64 * 1024 * 1024
"""So many bytes of Python files are searched for a word, not more."""

_ARCHIVES: Final = (".whl", ".egg", ".zip", ".pyz")
_MODULES: Final = (".py", ".pyd", ".so", ".dll", ".pyc")
_CONDITIONS: Final = re.compile(
    r"version|platform|available|hasattr|getattr|find_spec|has_|os\.name"
)
_CATCHES: Final = re.compile(
    r"\b(ImportError|ModuleNotFoundError|AttributeError|Exception|BaseException|OSError)\b"
)


class Modules:
    """The modules in a package's folder.

    Whether a folder is on Python's search path is decided when the function runs, so that a module
    counts as brought along wherever in the package it lies.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.archives = False
        self._homes: dict[str, set[str]] = {}
        self._python: list[tuple[str, int]] = []
        for path, status in walk(root):
            if stat.S_ISDIR(status.st_mode):
                continue
            *folders, file = path.split("/")
            suffix = Path(file).suffix.lower()
            self.archives = self.archives or suffix in _ARCHIVES
            if suffix in _MODULES:
                self._homes.setdefault(file.partition(".")[0], set()).add(path)
                for depth, folder in enumerate(folders, 1):
                    self._homes.setdefault(folder, set()).add("/".join(folders[:depth]))
            if suffix == ".py" and stat.S_ISREG(status.st_mode):
                self._python.append((path, status.st_size))

    def brings(self, module: str) -> bool:
        """Tell whether a top level module lies in the package."""
        return module in self._homes

    def imported(self, source: Source, level: int, module: str) -> list[Path]:
        """Return the Python files that an import with so many dots runs; none if not here."""
        first, *rest = module.split(".")
        if level:
            folder = source.path
            for _ in range(level):
                folder = folder.parent
            if folder != self.root and self.root not in folder.parents:
                return []
            return _package_files(folder, [first, *rest] if module else [])
        homes = self._homes.get(first, ())
        for home in sorted(homes, key=lambda home: (home.count("/"), home)):
            if home.endswith(".py") and not rest:
                return [self.root / home]
            if (self.root / home).is_dir():
                return _package_files(self.root / home, rest)
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
        for path, size in self._python:
            left -= size
            if left < 0:
                break
            with contextlib.suppress(OSError):
                pieces.append(read_file(self.root / path, MAX_TEXT))
        return b"\n".join(pieces)


def _package_files(folder: Path, rest: list[str]) -> list[Path]:
    files = [folder / "__init__.py"]
    for name in rest:
        files.append(folder / f"{name}.py")
        folder = folder / name
        files.append(folder / "__init__.py")
    return [file for file in files if file.is_file()]


class Import(NamedTuple):
    """One imported module: where, its dotted name, what is taken from it, dots before it.

    `guarded` tells whether a failure is caught, `lazy` whether it stands in a function.
    """

    source: Source
    node: ast.AST
    module: str
    names: tuple[str, ...]
    level: int
    guarded: bool
    lazy: bool

    @property
    def top(self) -> str:
        """The top level module."""
        return self.module.partition(".")[0]


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
    for above, inside in source.ancestors(node):
        if isinstance(above, ast.Try):
            caught = in_body(above, inside) and _catches(above)
            if caught or isinstance(inside, ast.ExceptHandler):
                return True
        elif (
            isinstance(above, (ast.If, ast.IfExp))
            and inside is not above.test
            and _CONDITIONS.search(ast.unparse(above.test).lower())
        ):
            return True
    return False


def _catches(node: ast.Try) -> bool:
    for handler in node.handlers:
        if handler.type is None or _CATCHES.search(ast.unparse(handler.type)):
            return not any(isinstance(part, ast.Raise) for part in handler.body)
    return False


def _not_for_running(source: Source, node: ast.AST) -> bool:
    """Whether the node runs for a type checker or as a script only."""
    return any(
        isinstance(above, ast.If)
        and in_body(above, inside)
        and re.search(r"\bTYPE_CHECKING$|__name__ == '__main__'", ast.unparse(above.test))
        for above, inside in source.ancestors(node)
    )


def reachable(start: Source, modules: Modules, *, guarded: bool = True) -> list[Source]:
    """Return a file and those of the package that are imported with it, nearest first.

    Imports whose failure is caught count if `guarded`.
    """
    found = {start.path: start}
    queue = deque([start])
    while queue:
        for item in imports(queue.popleft()):
            for path in _files(item, modules) if guarded or not item.guarded else ():
                if path in found or len(found) >= MAX_FILES:
                    continue
                read = parse_file(path, path.relative_to(modules.root).as_posix())
                if not isinstance(read, Problem):
                    found[path] = read
                    queue.append(read)
    return list(found.values())


def _files(item: Import, modules: Modules) -> list[Path]:
    candidates = [item.module, *(f"{item.module}.{name}".lstrip(".") for name in item.names)]
    return [
        path for module in candidates for path in modules.imported(item.source, item.level, module)
    ]
