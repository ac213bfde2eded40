"""Interpreters on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ASK = "import sys; print('%d.%d' % sys.version_info[:2])"
# A shim that asks something on the network shall not hold us up.
SECONDS = 60


def find_python(version: str) -> str | None:
    """Path of an interpreter of a version such as 3.11; None if there is none that starts."""
    return next((path for path in _candidates(version) if version_of(path) == version), None)


def version_of(python: str) -> str | None:
    """Version of an interpreter, as 3.11; None if it does not start."""
    try:
        done = subprocess.run(
            [python, "-I", "-c", ASK], capture_output=True, text=True, timeout=SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _candidates(version: str) -> Iterator[str]:
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        yield getattr(sys, "_base_executable", None) or sys.executable
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        found = shutil.which(f"python{version}", path=folder)
        if found is not None:
            yield found
    # Those that pyenv keeps are on the path as words that only work where they are chosen.
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from map(str, sorted(pyenv.glob(f"versions/{version}.*/bin/python"), reverse=True))
