"""Names that exist nowhere, found with pyflakes."""

from __future__ import annotations

import ast
import re
from typing import Final

from pyflakes.checker import Checker
from pyflakes.messages import UndefinedName

from .source import Source
from .subject import Subject

__all__ = ["check_undefined"]

# Names may come from anywhere then.
_OPEN: Final = re.compile(r"\b(exec|globals|locals|vars|__builtins__|builtins)\b")


def check_undefined(subject: Subject) -> None:
    """Find names in the files of the function's class that nothing defines."""
    for source in subject.function.sources:
        if _OPEN.search(source.text):
            continue
        used = {
            (node.lineno, node.col_offset): node
            for node in source.nodes
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        }
        seen: set[str] = set()
        for message in Checker(source.tree, source.name).messages:
            node = used.get((message.lineno, message.col))
            if not isinstance(message, UndefinedName) or node is None or node.id in seen:
                continue
            if _is_harmless(source, node):
                continue
            seen.add(node.id)
            subject.at(
                source,
                node,
                "function/undefined-name",
                f"nothing defines the name {node.id!r}",
                f"Import or define {node.id!r} first, or correct the name.",
            )


def _is_harmless(source: Source, node: ast.AST) -> bool:
    """Whether the name stands in an annotation, or its failure is caught."""
    inside = node
    for above in source.ancestors(node):
        if inside in (getattr(above, "annotation", None), getattr(above, "returns", None)):
            return True
        if isinstance(above, ast.Try) and inside in above.body:
            return True
        inside = above
    return False
