"""What the library logs, as lines on standard error."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm

        from schemas.findings import printable

        tqdm.write(printable(self.format(record)), file=sys.stderr)  # a bar stays whole


def tell(text: str) -> None:
    """Say something that is no result."""
    print(f"dlpk: {text}", file=sys.stderr, flush=True)


@contextmanager
def log_lines() -> Iterator[None]:
    """Show what is logged, for the time of a ``with`` block."""
    handler, log = _Lines(), logging.getLogger("dlpk")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    before = log.level
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)
