"""What an isolated process does: it locks itself in, and is the command then."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ..errors import IsolationError
from ..harness.isolation import enter


def main(arguments: Sequence[str]) -> int:
    """Enter the name spaces, then be the command."""
    try:
        enter()
    except (IsolationError, OSError) as error:
        print(f"dlpk: error: {error}", file=sys.stderr)
        return 1
    from .main import main as command  # libraries start threads, which forbid the step before

    return command(arguments)
