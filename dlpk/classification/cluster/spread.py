"""The client's part: a bounded number of ranges on their way, until all blocks are in parts."""

from __future__ import annotations

import asyncio
import logging
import queue
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ...errors import CancelledError as StoppedError
from ...errors import ClusterError, OutputError
from ...harness.environment import Say
from ...raster.grid import Block, BlockGrid
from ..finished.journal import Journal
from ..finished.parts import finished_ranges
from ..progress import Bar, Progress
from .job import Job, Report
from .ranges import RANGE_SECONDS, Ranges, gaps
from .worker import run_range

LOG = logging.getLogger("dlpk.cluster")
# Ranges on their way per worker: one that is processed and one that waits.
IN_FLIGHT = 2
# How often a block is tried, each time on whatever worker is free.
ATTEMPTS = 3
# A range that is the last one is given to another worker too when it takes this many times as long
# as others, and at least so many seconds.
LATE, LATE_SECONDS = 4, 10.0
# How often the connection is looked at, and how long a cluster may be without workers, in seconds.
LOOK, WORKERLESS = 1.0, 300.0
# How long a worker may take to hand over the report of a range that it has finished.
REPORTING = 30.0
# What Dask's client raises when there is nobody to ask any more.
LOST = (OSError, RuntimeError, TimeoutError, asyncio.TimeoutError)


@dataclass
class _Sent:
    first: int
    last: int
    at: float = field(default_factory=time.monotonic)


class _Spread:
    """One job on a cluster."""

    def __init__(
        self, client: Any, job: Job, grid: BlockGrid, journal: Journal, seconds: float, say: Say
    ) -> None:
        from dask.base import get_annotations

        self._client, self._job, self._grid, self._say = client, job, grid, say
        self.done = [*finished_ranges(journal.path), *((n, n) for n in journal.blocks())]
        self._seconds = seconds
        self._needed: dict[str, float] = get_annotations().get("resources", {})
        self._ranges = Ranges(gaps(len(grid), self.done), seconds)
        self._again: deque[tuple[int, int]] = deque()
        self._sent: dict[Any, _Sent] = {}
        self._ready: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._tries: Counter[int] = Counter()
        self._unfit: dict[str, str] = {}
        self._said: set[str] = set()
        self.failed: dict[int, str] = {}
        self.finished = len(grid) - self._ranges.remaining
        self.pixels = sum(
            block.used_width * block.used_height
            for first, last in self.done
            for block in grid.blocks(first, last)
        )

    def run(self, told: Callable[[int, int], None]) -> None:
        """Have all blocks processed; `told` hears of finished pixels and the number of workers."""
        alone_since = time.monotonic()
        try:
            while True:
                workers = self._workers()
                if workers:
                    alone_since = time.monotonic()
                elif time.monotonic() - alone_since > WORKERLESS:
                    raise ClusterError(f"{self._where()} has no workers{self._fit()}: start some")
                while len(self._sent) < IN_FLIGHT * max(1, len(workers)) and self._send(workers):
                    pass
                if not self._sent:
                    return
                try:
                    future = self._ready.get(timeout=LOOK)
                except queue.Empty:
                    self._check_connection()
                    self._copy_late_ones(workers)
                    continue
                if future in self._sent:
                    self._take(future)
                    told(self.pixels, len(workers))
        finally:
            self._forget(list(self._sent))

    def _ask(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Call a method of Dask's client."""
        try:
            return getattr(self._client, method)(*arguments, **options)
        except LOST as error:
            raise self._lost() from error

    def _where(self) -> str:
        scheduler = getattr(self._client, "scheduler", None)
        return f"the scheduler at {getattr(scheduler, 'address', 'unknown address')}"

    def _fit(self) -> str:
        needed = ", ".join(f"{name}={number:g}" for name, number in self._needed.items())
        return f" with {needed}" if needed else ""

    def _workers(self) -> list[str]:
        """Addresses of those that may take part."""
        known = self._ask("scheduler_info").get("workers", {})
        return [
            address
            for address, worker in known.items()
            if address not in self._unfit
            and all(worker["resources"].get(name, 0) >= n for name, n in self._needed.items())
        ]

    def _send(self, workers: list[str]) -> bool:
        piece = self._again.popleft() if self._again else self._ranges.take(max(1, len(workers)))
        if piece is None:
            return False
        self._submit(*piece, only=workers if self._unfit else None)
        return True

    def _submit(self, first: int, last: int, only: list[str] | None = None) -> None:
        key = f"dlpk-{first}-{last}-{uuid.uuid4().hex[:8]}"
        future = self._ask(
            "submit",
            *(run_range, self._job, first, last),
            key=key,
            pure=False,
            workers=only or None,
            allow_other_workers=bool(only),  # those may be gone when it is their turn
        )
        self._sent[future] = _Sent(first, last)
        future.add_done_callback(self._ready.put)

    def _forget(self, futures: list[Any]) -> None:
        for future in futures:
            del self._sent[future]
        if futures and self._client.status == "running":
            with suppress(*LOST):
                self._client.cancel(futures, force=True)

    def _take(self, future: Any) -> None:
        """Take note of a range that has come to an end, in whatever way."""
        sent = self._sent.pop(future)
        try:
            error = future.exception()
            report = None if error else future.result(timeout=REPORTING)
        except CancelledError as lost:  # not by us: those are not waited for
            raise self._lost() from lost
        except (TimeoutError, asyncio.TimeoutError):  # it hangs, with the report in its hands
            LOG.info("blocks %d-%d: no report comes, they are done again", sent.first, sent.last)
            same = (sent.first, sent.last)
            if same not in ((s.first, s.last) for s in self._sent.values()):
                self._again.append(same)
            return
        if report is None:
            self._take_error(sent, error)
        else:
            self._take_report(sent, report)

    def _take_report(self, sent: _Sent, report: Report) -> None:
        for level, text in report.said:
            if text not in self._said:
                self._said.add(text)
                self._say(level, text)
        if report.broken:
            raise OutputError(f"{report.worker} cannot write: {report.refused}")
        if report.refused:
            if report.worker not in self._unfit:
                self._say("warning", f"{report.worker} takes no part: {report.refused}")
            self._unfit[report.worker] = report.refused
            if not self._workers():
                raise ClusterError(f"no worker can take part: {report.refused}")
            self._again.append((sent.first, sent.last))
            return
        same = (sent.first, sent.last)
        self._forget([f for f, s in self._sent.items() if (s.first, s.last) == same])
        self._ranges.learn(sent.last + 1 - sent.first, report.computed, report.seconds)
        self.pixels += report.pixels
        self.finished += sent.last + 1 - sent.first
        LOG.info(
            "blocks %d-%d: %.1f s, %.2f Mpx, %s",
            *(sent.first, sent.last, report.seconds, report.pixels / 1e6, report.worker),
        )
        for number, text in report.failed.items():
            self._failed(number, text)

    def _take_error(self, sent: _Sent, error: BaseException) -> None:
        from distributed import KilledWorker

        if not isinstance(error, KilledWorker):
            raise ClusterError(
                f"workers cannot run the blocks ({type(error).__name__}: {error}): they need dlpk "
                "and Dask in the versions that are here"
            ) from error
        if sent.first < sent.last:  # one of them may be the reason
            middle = (sent.first + sent.last) // 2
            self._again += [(sent.first, middle), (middle + 1, sent.last)]
        else:
            self._failed(sent.first, "the worker's process ended, each time it was tried")

    def _failed(self, number: int, text: str) -> None:
        self._tries[number] += 1
        if self._tries[number] < ATTEMPTS:
            self._again.append((number, number))
            return
        block = next(self._grid.blocks(number, number))
        self.failed[number] = f"{_window(block)}: {text}"
        LOG.warning("block %d failed: %s", number, self.failed[number])

    def _lost(self) -> ClusterError:
        return ClusterError(f"the connection to {self._where()} is lost")

    def _check_connection(self) -> None:
        if self._client.status not in ("running", "newly-created"):
            raise self._lost()

    def _copy_late_ones(self, workers: list[str]) -> None:
        """Give ranges that are late to others too: the first to finish counts."""
        if len(self._sent) >= IN_FLIGHT * len(workers):
            return
        holders = None
        latest = {(sent.first, sent.last): sent for sent in self._sent.values()}
        for (first, last), sent in latest.items():
            usual = self._ranges.seconds_per_block * (last + 1 - first) or self._seconds
            if time.monotonic() - sent.at < max(LATE_SECONDS, LATE * usual):
                continue
            holders = holders or self._ask("processing")
            keys = {f.key for f, s in self._sent.items() if (s.first, s.last) == (first, last)}
            others = [name for name in workers if not keys & set(holders.get(name, ()))]
            if others:
                LOG.info("blocks %d-%d are late, another worker gets them", first, last)
                self._submit(first, last, only=others)


def spread(
    client: Any,
    job: Job,
    grid: BlockGrid,
    journal: Journal,
    *,
    seconds: float | None = None,
    say: Say,
    progress: Progress | None = None,
) -> dict[int, str]:
    """Have the blocks of a run processed by the workers of a cluster, into its journal.

    Parameters
    ----------
    client : distributed.Client
        Connected; it stays open.
    seconds : float, optional
        That a range of blocks is to take.
    say : callable
        Takes level and text of what the function says on workers, each once.
    progress : callable, optional
        Told how many pixels of how many are done; may answer False to stop.

    Returns
    -------
    dict
        Numbers of blocks that failed, with window and reason.

    Raises
    ------
    DlpkError
        The connection is lost, no worker can do the work, the disk is full, or the run is stopped.
    """
    run = _Spread(client, job, grid, journal, seconds or RANGE_SECONDS, say)
    total = grid.width * grid.height

    def told(pixels: int, workers: int) -> None:
        if isinstance(progress, Bar):
            progress.note = f"{run.finished:,}/{len(grid):,} blocks, {workers} workers"
        if progress is not None and progress(min(pixels, total), total) is False:
            raise StoppedError("stopped; the result is not written")

    run.run(told)
    return run.failed


def _window(block: Block) -> str:
    return (
        f"column {block.column}, row {block.row}, {block.used_width} by {block.used_height} pixels"
    )
