"""Benchmarks are not run here, but what they import, in code for other processes too, is there."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "benchmarks").rglob("*.py"))
IMPORT = re.compile(
    r"^\s*from ((?:dlpk|builder|model_extension|schemas)[\w.]*) import ([\w, ]+)$", re.MULTILINE
)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_what_it_imports_is_there(module: Path) -> None:
    for source, names in IMPORT.findall(module.read_text(encoding="utf-8")):
        made = import_module(source)
        for name in names.split(","):
            first = name.split(" as ")[0].strip()
            if not hasattr(made, first):
                import_module(f"{source}.{first}")
