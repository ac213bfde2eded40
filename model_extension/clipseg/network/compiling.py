"""The network compiled by ``torch.compile``, for long runs on graphics cards."""

from __future__ import annotations

from typing import Any, Callable

import torch
from torch import Tensor

# Compiling takes a minute or two, which only a run of many batches earns back. Nobody says how long
# a run will be, so one that has lasted for so many calls counts as long.
CALLS_BEFORE = 100


class Compiled:
    """A function of tensors that is compiled once it has been called often enough.

    Parameters
    ----------
    function : callable
        Takes a tensor whose first side is the batch, and anything else.
    warn : callable
        Takes a message for the user, should compiling fail; it goes on uncompiled then.
    calls_before : int
        Calls before it is compiled.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        warn: Callable[[str], None],
        calls_before: int = CALLS_BEFORE,
    ) -> None:
        self._plain = self._chosen = function
        self._warn = warn
        self._left = calls_before

    def __call__(self, *args: Any) -> Any:
        """Call the function, compiled or not."""
        if self._left == 0:
            self._compile()
        self._left -= 1
        try:
            return self._chosen(*args)
        except Exception as error:
            # Compilers fail in ways of their own, and only when they see the first batch.
            if self._chosen is self._plain or "out of memory" in str(error).lower():
                raise
            self._give_up(error)
            return self._plain(*args)

    def _compile(self) -> None:
        try:
            self._chosen = torch.compile(self._plain, dynamic=False)
        except Exception as error:  # releases before 2.0, systems without a compiler
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._chosen = self._plain
        reason = str(error).strip().splitlines() or [type(error).__name__]
        self._warn(f"the network could not be compiled and runs as it is: {reason[0][:200]}")


def filled_up(batch: Tensor, size: int) -> Tensor:
    """Fill a batch up with its last image: what is compiled wants batches of one size."""
    missing = size - len(batch)
    if missing <= 0:
        return batch
    return torch.cat([batch, batch[-1:].expand(missing, *batch.shape[1:])])
