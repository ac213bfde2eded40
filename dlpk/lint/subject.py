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


@dataclass(frozen=True)
class Subject:
    """A raster function that is being checked, with the package's modules around it.

    `function` has no methods if there is no such class; `parameters` is what it declares, as far
    as that can be read; of `sources` the function's file is first, then what it imports.
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
