"""How far a run is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

from tqdm import tqdm

# Takes the pixels that are done and those of the whole raster; an answer of False stops the run.
Progress = Callable[[int, int], Optional[bool]]


class Bar:
    """A bar on standard error, if that is a terminal: logs and pipes stay clean.

    Parameters
    ----------
    name : str
        What is being done.

    Attributes
    ----------
    note : str
        What else is shown, such as the number of blocks.
    """

    def __init__(self, name: str) -> None:
        self.note = ""
        self._name = name
        self._bar: Any = None

    def __call__(self, done: int, total: int) -> None:
        """Show that `done` of `total` pixels are done."""
        if self._bar is None:
            self._bar = tqdm(
                total=total / 1e6,
                desc=self._name,
                disable=None,
                bar_format="{desc}: {percentage:3.0f}% |{bar}| {n:.2f}/{total:.2f} Mpx "
                "[{elapsed}<{remaining}, {rate_fmt}{postfix}]",
                unit="Mpx",
            )
        self._bar.set_postfix_str(self.note, refresh=False)
        self._bar.update(done / 1e6 - self._bar.n)

    def close(self) -> None:
        """Leave it as it is."""
        if self._bar is not None:
            self._bar.close()
