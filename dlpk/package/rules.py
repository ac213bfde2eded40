"""The rules that a package's container is judged by: `rules.json`."""

from __future__ import annotations

from ..findings import Collector, Rule, read_rules

__all__ = ["RULES", "Rule", "collector"]

RULES = read_rules(__file__)


def collector(file: str) -> Collector:
    """Return a collector of what breaks these rules in the package or file of this name."""
    return Collector(RULES, file)
