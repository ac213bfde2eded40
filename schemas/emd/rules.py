"""The rules that model definitions and manifests are judged by: `rules.json`, with its sources."""

from __future__ import annotations

from ..findings import Rule, read_rules

__all__ = ["RULES", "Rule"]

RULES = read_rules(__file__)
