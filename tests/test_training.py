"""The training of the miniature: not run here, but what it imports is still there."""

from __future__ import annotations

import pkgutil
from importlib import import_module

import training


def test_its_modules_import() -> None:
    modules = [
        module.name for module in pkgutil.walk_packages(training.__path__, f"{training.__name__}.")
    ]
    assert {"training.command", "training.data.split"} <= {*modules}
    for name in modules:
        if name != "training.train_mini":  # the script itself
            import_module(name)
