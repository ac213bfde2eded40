"""What holds for all tests."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Take interrupts where the shell ignores them for what runs in the background.

    Programs that tests start inherit that, and could not be interrupted.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
