"""Gathers findings about files of a package, by rule."""

from __future__ import annotations

import ast

from ..findings import Collector as FindingCollector
from ..findings import halves
from .source import Source

__all__ = ["Collector", "halves"]


class Collector(FindingCollector):
    """A collector that takes places in Python files."""

    def at(self, source: Source, node: ast.AST, rule: str, message: str, remedy: str) -> None:
        """Note that a rule is broken at a node of a Python file."""
        line, column = source.place(node)
        self.add(rule, message, remedy, source.name, line, column)
