"""How far a run is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Optional

from tqdm import tqdm

# Takes the pixels that are done and those of the whole raster; an answer of False stops the run.
Progress = Callable[[int, int], Optional[bool]]


@contextmanager
def progress_bar(name: str = "classify") -> Iterator[Progress]:
    """A bar on standard error, if that is a terminal: logs and pipes stay clean."""
    bar: Any = None

    def show(done: int, total: int) -> None:
        nonlocal bar
        if bar is None:
            bar = tqdm(
                total=total / 1e6,
                desc=name,
                disable=None,
                bar_format="{desc}: {percentage:3.0f}% |{bar}| {n:.2f}/{total:.2f} Mpx "
                "[{elapsed}<{remaining}, {rate_fmt}]",
                unit="Mpx",
            )
        bar.update(done / 1e6 - bar.n)

    try:
        yield show
    finally:
        if bar is not None:
            bar.close()
