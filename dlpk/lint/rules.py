"""The rules that a raster function's text is judged by: `rules.json`."""

from __future__ import annotations

from ..findings import read_rules

RULES = read_rules(__file__)
