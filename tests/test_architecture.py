"""The house's rules: which folder may import which, and how large modules and folders grow."""

from __future__ import annotations

from pathlib import Path

import pytest
from importlinter import cli

ROOT = Path(__file__).parents[1]
PACKAGES = ("schemas", "builder", "dlpk", "model_extension", "benchmarks", "training")
MAX_LINES, MAX_MODULES = 400, 15


def test_imports_go_one_way(capsys: pytest.CaptureFixture[str]) -> None:
    """The contracts in pyproject.toml are kept."""
    config = str(ROOT / "pyproject.toml")
    assert cli.lint_imports(config, no_cache=True) == 0, capsys.readouterr().out


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_and_folders_stay_small(package: str) -> None:
    modules = list((ROOT / package).rglob("*.py"))
    long = [m for m in modules if len(m.read_text("utf-8").splitlines()) > MAX_LINES]
    assert not long, "split these modules"
    folders = {module.parent for module in modules}
    crowded = [f for f in folders if len(set(f.glob("*.py")) - {f / "__init__.py"}) > MAX_MODULES]
    assert not crowded, "give some of these folders' modules a folder of their own"
