"""What the checks of a raster function look at, and where they put what they find."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property

from ..findings import Collector
from ..package.package import Package
from .classes import FunctionClass
from .modules import Modules
from .parameters import Parameters
from .source import Source

__all__ = ["Subject"]


@dataclass(frozen=True)
class Subject:
    """A raster function that is being checked.

    Parameters
    ----------
    package : Package
        The open package.
    function : FunctionClass
        The function's class; one without methods if there is none.
    parameters : Parameters or None
        What it declares, as far as that can be read.
    modules : Modules
        The package's modules.
    sources : list of Source
        The function's file first, then what it imports of the package.
    findings : Collector
        Takes what is found.
    """

    package: Package
    function: FunctionClass
    parameters: Parameters | None
    modules: Modules
    sources: list[Source]
    findings: Collector

    def at(self, source: Source, node: ast.AST, rule: str, message: str, remedy: str) -> None:
        """Note that a rule is broken at a node of a Python file."""
        self.findings.add(rule, message, remedy, source.name, *source.place(node))

    @cached_property
    def delegates(self) -> bool:
        """Whether code outside of the package may do the function's work."""
        return any(
            "import_module" in source.text
            or "__import__" in source.text
            or any(name.partition(".")[0] == "arcgis" for name in source.imported.values())
            for source in self.sources
        )
