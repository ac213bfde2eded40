"""Being told to stop: what is unfinished is removed, whoever tells."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Terminated(KeyboardInterrupt):
    """The process was asked to end (SIGTERM or a closed terminal)."""


@contextmanager
def termination_raises() -> Iterator[None]:
    """Turn signals that would end the process at once into an exception.

    Without it nothing unfinished could be removed. It has the class of an interrupt because code
    that catches `Exception` or `SystemExit`, such as that of a package, must not catch it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: Any) -> None:
        raise Terminated

    kinds = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    # One that is ignored was meant to be (nohup).
    before = {kind: signal.getsignal(kind) for kind in kinds}
    for kind, handler in before.items():
        if handler == signal.SIG_DFL:
            signal.signal(kind, end)
    try:
        yield
    finally:
        for kind, handler in before.items():
            if handler == signal.SIG_DFL:
                signal.signal(kind, handler)
