"""The table of all rules that packages are judged by.

``python -m dlpk.validation.rules docs/rules.md`` writes the tables of that page anew.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Final

from schemas.emd import rules as emd_rules
from schemas.emd.rules import Rule

from ..lint import (
    arcpy_calls as check_arcpy,
)
from ..lint import (
    arguments as check_arguments,
)
from ..lint import (
    blocks as check_blocks,
)
from ..lint import (
    definition as check_definition,
)
from ..lint import (
    function as check_function,
)
from ..lint import (
    imports as check_imports,
)
from ..lint import (
    initialize as check_phases,
)
from ..lint import (
    process as check_pitfalls,
)
from ..lint import (
    returns as check_returns,
)
from ..lint import (
    scalars as check_scalars,
)
from ..lint import (
    signatures as check_signatures,
)
from ..lint import (
    versions as check_versions,
)
from ..lint.environments import BASE, PRO, PYTHON, SHIPPED, VERSIONS
from ..package import rules as container_rules
from ..testing import rules as run_rules
from ..weights import files as check_weights
from ..weights import manifest as check_files

__all__ = ["RULES", "rewrite", "tables"]

_TABLES: Final[tuple[ModuleType, ...]] = (
    container_rules,
    emd_rules,
    check_function,
    check_signatures,
    check_returns,
    check_phases,
    check_blocks,
    check_definition,
    check_pitfalls,
    check_arcpy,
    check_arguments,
    check_scalars,
    check_imports,
    check_versions,
    check_weights,
    check_files,
    run_rules,
)

GROUPS: Final = {
    "container": "The container: the .dlpk file or the folder",
    "emd": "The model definition (.emd)",
    "function": "The raster function",
    "arguments": "The arguments",
    "imports": "What the function imports",
    "versions": "Python and library versions",
    "weights": "The weights",
    "manifest": "The manifest of packages built by `dlpk build`",
    "golden": "The golden chips of packages that test themselves",
    "run": "What running the package shows (`--run`)",
}
"""Heading of each group of rules, by the first part of their names."""

BEGIN: Final = (
    "<!-- The tables below are written by `python -m dlpk.validation.rules docs/rules.md`. -->"
)


def _all() -> Iterator[tuple[str, Rule]]:
    seen: set[str] = set()
    for module in _TABLES:
        for name, rule in module.RULES.items():
            if name in seen:
                raise AssertionError(f"two rules are named {name!r}")
            seen.add(name)
            yield name, rule


RULES: Final[dict[str, Rule]] = dict(_all())
"""All rules by name, in the order in which they are documented."""


def tables() -> str:
    """Return the rules and the known environments as Markdown tables."""
    groups: dict[str, list[str]] = {group: [] for group in GROUPS}
    for name, rule in RULES.items():
        cells = (f"`{name}`", rule.severity.value, rule.reason, rule.source)
        groups[name.partition("/")[0]].append(_row(cells))
    parts = []
    for group, rows in groups.items():
        head = [_row(("Rule", "Severity", "Why it matters", "Source")), _row(("---",) * 4)]
        parts.append("\n".join([f"## {GROUPS[group]}", "", *head, *rows]))
    return "\n\n".join([*parts, _environments()]) + "\n"


def _environments() -> str:
    rows = [_row(("Module", *(f"Pro {pro}" for pro in PRO))), _row(("---",) * (len(PRO) + 1))]
    rows.append(_row(("Python", *(".".join(map(str, PYTHON[pro])) for pro in PRO))))
    for library, versions in VERSIONS.items():
        rows.append(_row((library, *(".".join(map(str, versions[pro])) for pro in PRO))))
    ranges: dict[tuple[str, str], list[str]] = {}
    for module, (first, last) in SHIPPED.items():
        if module not in VERSIONS:
            ranges.setdefault((first, last), []).append(module)
    for (first, last), modules in ranges.items():
        low, high = PRO.index(first), PRO.index(last)
        marks = ["yes" if low <= index <= high else "–" for index in range(len(PRO))]
        rows.append(_row((", ".join(sorted(modules, key=str.lower)), *marks)))
    return "\n".join(
        [
            "## What each ArcGIS Pro is taken to have",
            "",
            *rows,
            "",
            "Taken to be in every ArcGIS Pro without the deep learning libraries, not verified for"
            " each release: " + ", ".join(sorted(BASE, key=str.lower)) + ".",
        ]
    )


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def rewrite(page: str) -> str:
    """Return a page with its tables, which end it, written anew.

    Parameters
    ----------
    page : str
        Markdown with the line `BEGIN`.
    """
    introduction, mark, _ = page.partition(BEGIN)
    if not mark:
        raise ValueError(f"the page has no line {BEGIN!r}: add it where the tables belong")
    return introduction + BEGIN + "\n\n" + tables()


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_bytes(rewrite(path.read_text("utf-8")).encode("utf-8"))
