"""The rules that weights, and files with a manifest, are judged by: `rules.json`."""

from __future__ import annotations

from ..findings import read_rules

RULES = read_rules(__file__)
