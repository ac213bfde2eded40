"""Blocks cut into ranges that are worth a task each."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

# A range takes about this long, in seconds, unless it is told otherwise.
RANGE_SECONDS = 60.0
# Blocks without data cost nothing, and say nothing of those that have some.
MOST_UNKNOWN = 256
# Towards the end ranges get shorter, down to this share, so that all workers end at about one time.
SHORTEST = 0.1


def gaps(total: int, finished: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """What is left of `total` blocks, as first and last block of each gap.

    Parameters
    ----------
    finished : sequence of (int, int)
        First and last blocks of what is done, in any order; they may overlap.
    """
    found, start = [], 0
    for first, last in [*sorted(finished), (total, total)]:
        if first > start:
            found.append((start, min(first, total) - 1))
        start = max(start, last + 1)
    return found


class Ranges:
    """Hands out ranges of blocks as long as measured speed makes them.

    Parameters
    ----------
    left : sequence of (int, int)
        First and last blocks of what is to be done.
    seconds : float
        That a range is to take.
    """

    def __init__(self, left: Sequence[tuple[int, int]], seconds: float = RANGE_SECONDS) -> None:
        self._left = deque(left)
        self._seconds = seconds
        self._unknown = 1
        self._recent: deque[tuple[float, int]] = deque(maxlen=16)
        self.remaining = sum(last + 1 - first for first, last in left)

    def learn(self, blocks: int, computed: int, seconds: float) -> None:
        """Take note of a range: how many blocks it had, for how many of them something was done."""
        if computed:
            self._recent.append((seconds, computed))
        else:
            self._unknown = min(MOST_UNKNOWN, max(self._unknown, 2 * blocks))

    @property
    def seconds_per_block(self) -> float:
        """Of blocks that something is done for; 0 as long as there was none."""
        blocks = sum(computed for _, computed in self._recent)
        return sum(seconds for seconds, _ in self._recent) / blocks if blocks else 0.0

    def take(self, workers: int) -> tuple[int, int] | None:
        """First and last block of the next range; None when all are taken."""
        if not self._left:
            return None
        size = float(self._unknown)
        if self._recent:
            size = self._seconds / max(self.seconds_per_block, 1e-9)
            size = min(size, max(size * SHORTEST, self.remaining / (3 * workers)))
        first, last = self._left.popleft()
        end = min(last, first + max(1, int(size)) - 1)
        if end < last:
            self._left.appendleft((end + 1, last))
        self.remaining -= end + 1 - first
        return first, end
