"""What the names in a Python file stand for, as far as its text tells."""

from __future__ import annotations

import ast

from .source import Source

__all__ = ["Names", "constant_text", "subscript_key"]


class Names:
    """The imported names of a file.

    Parameters
    ----------
    source : Source
        The file; imports in functions count for all of it.
    """

    def __init__(self, source: Source) -> None:
        self._full: dict[str, str] = {}
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    top = alias.name.partition(".")[0]
                    self._full[alias.asname or top] = alias.name if alias.asname else top
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                for alias in node.names:
                    self._full[alias.asname or alias.name] = f"{node.module}.{alias.name}"

    def all(self) -> list[str]:
        """Return what all imported names stand for."""
        return list(self._full.values())

    def full(self, node: ast.AST) -> str:
        """Return the dotted name that an expression means; empty if it is none that is known.

        Examples
        --------
        With ``import numpy as np``, ``np.float`` means ``numpy.float``.
        """
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self._full:
            return ""
        return ".".join([self._full[node.id], *reversed(parts)])


def constant_text(node: ast.AST | None) -> str | None:
    """Return the value of a text constant; None for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return None


def subscript_key(node: ast.AST) -> str | None:
    """Return the text between the brackets of ``x["text"]``; None for anything else."""
    return constant_text(node.slice) if isinstance(node, ast.Subscript) else None
