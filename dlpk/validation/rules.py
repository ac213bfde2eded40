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

from ..lint import rules as function_rules
from ..lint.releases import PRO, VERSIONS
from ..package import rules as container_rules
from ..testing import rules as run_rules
from ..weights import rules as weights_rules

_TABLES: Final[tuple[ModuleType, ...]] = (
    container_rules,
    emd_rules,
    function_rules,
    weights_rules,
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
    for library, versions in VERSIONS.items():
        rows.append(_row((library.replace("python", "Python"), *versions.values())))
    return "\n".join(["## Versions in each ArcGIS Pro", "", *rows])


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
