"""The Python files of a package as text: parsed, placed, never run."""

from __future__ import annotations

import ast
import re
import sys
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO, StringIO
from pathlib import Path
from typing import Final

from ..package.files import NotAFileError, read_file

__all__ = [
    "Problem",
    "Source",
    "constant_text",
    "local_nodes",
    "own_attribute",
    "parse",
    "parse_file",
    "subscript_key",
    "unreadable_before",
]

MAX_SOURCE: Final = 1024 * 1024
"""Largest Python file in bytes that is looked into."""

_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_SCOPES: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
# What newer Pythons read and this one may not, by the first version that does.
_NEWER: Final = (
    ((3, 11), re.compile(r"\s*except\s*\*")),
    ((3, 12), re.compile(r"\s*(type\s+\w+\s*(\[.*\]\s*)?=|(async\s+)?(def|class)\s+\w+\s*\[)")),
)
_F_STRING: Final = re.compile(r"\b(f|rf|fr)['\"][^'\"]*\{", re.IGNORECASE)
_MINORS: Final = (9, 10, 11, 12, 13)


@dataclass(frozen=True)
class Problem:
    """Why a file cannot be parsed.

    Parameters
    ----------
    message : str
        What Python says of it.
    line, column : int or None
        Place, both from 1.
    version : (int, int) or None
        The first Python that may read it although this one does not; None for a plain mistake.
    limit : bool
        Whether it is beyond a limit of this module, so that nothing is known of the file.
    """

    message: str
    line: int | None = None
    column: int | None = None
    version: tuple[int, int] | None = None
    limit: bool = False


@dataclass(frozen=True, eq=False)
class Source:
    """A Python file.

    Parameters
    ----------
    path : Path
        Where it is.
    name : str
        Its path in the package, with '/', for reports.
    text : str
        Its text, decoded as Python would.
    tree : ast.Module
        The same, parsed.
    """

    path: Path
    name: str
    text: str
    tree: ast.Module

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """All nodes of the tree."""
        return list(ast.walk(self.tree))

    @cached_property
    def _lines(self) -> list[str]:
        return _LINE_END.split(self.text)

    @cached_property
    def _parents(self) -> dict[ast.AST, ast.AST]:
        return {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}

    def place(self, node: ast.AST) -> tuple[int | None, int | None]:
        """Return line and column of a node, both from 1, columns in characters."""
        line = getattr(node, "lineno", None)
        offset = getattr(node, "col_offset", None)
        if line is None or offset is None or line > len(self._lines):
            return line, None
        # Python counts the bytes of UTF-8.
        before = self._lines[line - 1].encode("utf-8", "surrogatepass")[:offset]
        return line, len(before.decode("utf-8", "replace")) + 1

    def parent(self, node: ast.AST) -> ast.AST | None:
        """Return what a node stands in."""
        return self._parents.get(node)

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """Iterate over what a node stands in, from the inside out."""
        above = self._parents.get(node)
        while above is not None:
            yield above
            above = self._parents.get(above)

    def inside(self, node: ast.AST, *kinds: type[ast.AST]) -> bool:
        """Tell whether a node stands in a node of one of these kinds."""
        return any(isinstance(above, kinds) for above in self.ancestors(node))

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


def local_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Iterate over what is in a function, but not in functions and classes inside it."""
    stack = list(ast.iter_child_nodes(node))[::-1]
    while stack:
        part = stack.pop()
        yield part
        if not isinstance(part, _SCOPES):
            stack.extend(reversed(list(ast.iter_child_nodes(part))))


def constant_text(node: ast.AST | None) -> str | None:
    """Return the value of a text constant; None for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return None


def subscript_key(node: ast.AST, owner: str | None = None) -> str | None:
    """Return the text between the brackets of ``owner["text"]``; None for anything else."""
    if not isinstance(node, ast.Subscript):
        return None
    if owner is not None and not (isinstance(node.value, ast.Name) and node.value.id == owner):
        return None
    return constant_text(node.slice)


def own_attribute(node: ast.AST) -> str | None:
    """Return the name after the dot of ``self.name``; None for anything else."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return node.attr if node.value.id == "self" else None
    return None


# --- reading --------------------------------------------------------------------------------


def parse_file(path: Path, name: str) -> Source | Problem:
    """Read and parse a Python file; nothing of it is run.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        Its name for reports.

    Returns
    -------
    Source or Problem
        Never raises for what is in the file.
    """
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
    tree = _tree(text, None)
    return tree if isinstance(tree, Problem) else Source(path, name, text, tree)


def unreadable_before(source: Source) -> tuple[tuple[int, int], Problem] | None:
    """Find the first Python version, from 3.9, that reads a file.

    Returns
    -------
    version : (int, int)
        Python version; None in place of both if 3.9 reads it.
    problem : Problem
        What the version before it stumbles over.
    """
    problem = None
    for minor in _MINORS:
        if minor > sys.version_info[1]:
            break
        tree = _tree(source.text, (3, minor))
        if not isinstance(tree, Problem):
            break
        problem = tree
    new = _new_f_string(source.text) if sys.version_info >= (3, 12) else None
    if new is not None and minor < 12:
        return (3, 12), new
    return None if problem is None else ((3, minor), problem)


def _new_f_string(text: str) -> Problem | None:
    """Find an f-string that Pythons before 3.12 cannot read.

    There what stands in its braces may hold neither its own kind of quotes nor backslashes,
    comments or, unless the quotes are triple, line ends. This asks for a Python from 3.12 on, which
    takes f-strings apart.
    """
    begins, ends = (getattr(tokenize, f"FSTRING_{word}", None) for word in ("START", "END"))
    quotes: list[str] = []
    try:
        for token in tokenize.generate_tokens(StringIO(text).readline):
            outer = quotes[-1] if quotes else ""
            what = ""
            if token.type in (begins, tokenize.STRING):
                quote = token.string.lstrip("fFrRbBuU")[:3]
                quote = quote if quote in ('"""', "'''") else quote[:1]
                what = "its own quotes" if outer and quote == outer else ""
                if outer and token.type == tokenize.STRING and "\\" in token.string:
                    what = "a backslash"
                if token.type == begins:
                    quotes.append(quote)
            elif token.type == ends and quotes:
                quotes.pop()
            elif outer and token.type == tokenize.COMMENT:
                what = "a comment"
            elif len(outer) == 1 and token.type == tokenize.NL:
                what = "a line end"
            if what:
                line, column = token.start
                return Problem(f"an f-string with {what} in its braces", line, column + 1)
    except (tokenize.TokenError, SyntaxError):
        return None
    return None


def _tree(text: str, version: tuple[int, int] | None) -> ast.Module | Problem:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in somebody else's texts
            tree = ast.parse(text, feature_version=version)
            if version is None:  # finds a `return` outside of a function and the like
                compile(tree, "<package>", "exec", dont_inherit=True)
            return tree
    except SyntaxError as error:
        line = text.splitlines()[error.lineno - 1 : error.lineno] if error.lineno else []
        newer = None if version else _newer(error.msg or "", "".join(line))
        return Problem(error.msg or "invalid syntax", error.lineno, error.offset or None, newer)
    except ValueError as error:
        return Problem(str(error))
    except (RecursionError, MemoryError):
        return Problem("the code nests too deeply", limit=True)


def _newer(message: str, line: str) -> tuple[int, int] | None:
    """Return the Python that may read what this one refuses."""
    # Quotes, backslashes and line ends inside f-strings.
    cut = message.startswith("unterminated string literal") and _F_STRING.search(line)
    if (message.startswith("f-string") or cut) and sys.version_info < (3, 12):
        return 3, 12
    for version, pattern in _NEWER:
        if sys.version_info < version and pattern.match(line):
            return version
    return None
