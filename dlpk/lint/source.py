"""The Python files of a package as text: parsed, placed, never run."""

from __future__ import annotations

import ast
import re
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Final, NamedTuple

from ..package.files import NotAFileError, read_file

MAX_SOURCE: Final = 1024 * 1024
"""Largest Python file in bytes that is looked into."""

_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_SCOPES: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


class Problem(NamedTuple):
    """Why a file cannot be parsed: by Python's rules, or by a limit of this module."""

    message: str
    line: int | None = None
    column: int | None = None
    limit: bool = False


class _Index(NamedTuple):
    """The nodes of a tree from top to bottom, what each stands in, and what each scope holds."""

    nodes: list[ast.AST]
    parents: dict[ast.AST, ast.AST]
    scopes: dict[ast.AST, list[ast.AST]]


@dataclass(frozen=True, eq=False)
class Source:
    """A Python file: its path in the package as `name`, its text, decoded as Python would.

    `newer` tells why Python 3.9 cannot read it although this one does.
    """

    path: Path
    name: str
    text: str
    tree: ast.Module
    newer: Problem | None = None

    @cached_property
    def _index(self) -> _Index:
        """Everything about the tree that the checks ask for, from one walk: files may be large."""
        index = _Index([], {}, {})
        stack: list[tuple[ast.AST, list[ast.AST]]] = [(self.tree, [])]
        while stack:
            node, scope = stack.pop()
            index.nodes.append(node)
            scope.append(node)
            if isinstance(node, _SCOPES):
                scope = index.scopes[node] = []
            for child in reversed(list(ast.iter_child_nodes(node))):
                if not isinstance(child, ast.expr_context):
                    index.parents[child] = node
                    stack.append((child, scope))
        return index

    @property
    def nodes(self) -> list[ast.AST]:
        """All nodes of the tree, from top to bottom."""
        return self._index.nodes

    def local(self, scope: ast.AST) -> list[ast.AST]:
        """Return what is in a function, but not in functions and classes inside it."""
        return self._index.scopes[scope]

    def within(self, scope: ast.AST) -> Iterator[ast.AST]:
        """Iterate over what is in a function, and in functions and classes inside it."""
        for part in self.local(scope):
            yield part
            if isinstance(part, _SCOPES):
                yield from self.within(part)

    @cached_property
    def calls(self) -> list[ast.Call]:
        """All calls of the file."""
        return [node for node in self.nodes if isinstance(node, ast.Call)]

    @cached_property
    def _lines(self) -> list[str]:
        return _LINE_END.split(self.text)

    def place(self, node: ast.AST) -> tuple[int | None, int | None]:
        """Return line and column of a node, both from 1, columns in characters."""
        line = getattr(node, "lineno", None)
        offset = getattr(node, "col_offset", None)
        if line is None or offset is None or line > len(self._lines):
            return line, None
        text = self._lines[line - 1]
        if not text.isascii():  # Python counts the bytes of UTF-8
            before = text.encode("utf-8", "surrogatepass")[:offset]
            offset = len(before.decode("utf-8", "replace"))
        return line, offset + 1

    def parent(self, node: ast.AST) -> ast.AST | None:
        """Return what a node stands in."""
        return self._index.parents.get(node)

    def ancestors(self, node: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
        """Iterate over what a node stands in, from the inside out, each with its part inside."""
        above = self.parent(node)
        while above is not None:
            yield above, node
            node, above = above, self.parent(above)

    def inside(self, node: ast.AST, *kinds: type[ast.AST]) -> bool:
        """Tell whether a node stands in a node of one of these kinds."""
        return any(isinstance(above, kinds) for above, _ in self.ancestors(node))

    @cached_property
    def imported(self) -> dict[str, str]:
        """What imported names stand for; imports in functions count for all of the file."""
        found: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    top = alias.name.partition(".")[0]
                    found[alias.asname or top] = alias.name if alias.asname else top
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                for alias in node.names:
                    found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        return found

    def full(self, node: ast.AST) -> str:
        """Return the dotted name that an expression means; empty if it is none that is known.

        With ``import numpy as np``, ``np.float`` means ``numpy.float``.
        """
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self.imported:
            return ""
        return ".".join([self.imported[node.id], *reversed(parts)])


def constant_text(node: ast.AST | None) -> str | None:
    """Return the value of a text constant; None for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return None


def subscript_key(node: ast.AST, owner: str | None = None) -> str | None:
    """Return the text between the brackets of ``owner["text"]``; None for anything else."""
    if not isinstance(node, ast.Subscript) or owner not in (None, name_of(node.value)):
        return None
    return constant_text(node.slice)


def name_of(node: ast.AST | None) -> str:
    """Return ``name`` for a variable, ``.name`` for ``self.name``, nothing for anything else."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return "." + node.attr if node.value.id == "self" else ""
    return node.id if isinstance(node, ast.Name) else ""


def in_body(above: ast.If | ast.Try, inside: ast.AST) -> bool:
    """Tell whether a direct part of a statement is in its body, not in what follows that."""
    return getattr(inside, "lineno", 0) <= above.body[-1].lineno


def is_load(node: ast.AST) -> bool:
    """Tell whether a node is read, neither given a value nor deleted."""
    return isinstance(getattr(node, "ctx", None), ast.Load)


# --- reading --------------------------------------------------------------------------------


def parse_file(path: Path, name: str) -> Source | Problem:
    """Read and parse a Python file, to be named so in reports; never raises for what is in it."""
    try:
        data = read_file(path, MAX_SOURCE)
    except NotAFileError:
        return Problem("it is no ordinary file", limit=True)
    except OSError as error:
        return Problem(f"the file cannot be read: {error.strerror or error}")
    if len(data) > MAX_SOURCE:
        return Problem(f"the file is larger than {MAX_SOURCE >> 20} MB", limit=True)
    return parse(data, path, name)


def parse(data: bytes, path: Path, name: str) -> Source | Problem:
    """Parse the content of a Python file; see `parse_file`."""
    try:
        encoding, _ = tokenize.detect_encoding(BytesIO(data).readline)
        text = data.decode(encoding)
    except (SyntaxError, ValueError, LookupError) as error:
        return Problem(f"the text cannot be decoded: {getattr(error, 'msg', None) or error}")
    newer = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in somebody else's texts
            try:
                tree = ast.parse(text, feature_version=(3, 9))
            except SyntaxError as error:
                newer = Problem(error.msg, error.lineno, error.offset or None)
                tree = ast.parse(text)
            # Finds a `return` outside of a function and the like.
            compile(tree, "<package>", "exec", dont_inherit=True)
    except SyntaxError as error:
        return Problem(error.msg or "invalid syntax", error.lineno, error.offset or None)
    except ValueError as error:
        return Problem(str(error))
    except (RecursionError, MemoryError):
        return Problem("the code nests too deeply", limit=True)
    return Source(path, name, text, tree, newer)
