"""Figures that pages repeat stand in results that scripts wrote."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Page, the heading whose section is looked at, and where its figures come from.
PAGES = (
    ("README.md", "With real weights", "benchmarks/results/example-*.md"),
    ("docs/prompts.md", "Synonyms first", "docs/accuracy.md"),
    (
        "builder/clipseg/mini/README.md",
        "A miniature CLIPSeg, for demonstration",
        "training/held_out.md",
    ),
)


@pytest.mark.parametrize(("page", "heading", "results"), PAGES)
def test_figures(page: str, heading: str, results: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    section = re.split(r"^#+ ", text.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.M)[0]
    known = "".join(path.read_text("utf-8") for path in ROOT.glob(results))
    lines = [line for line in section.splitlines() if "make demo" not in line]
    figures = set(re.findall(r"\b0\.\d{3}\b", "\n".join(lines)))
    assert figures
    assert {figure for figure in figures if figure not in known} == set()
