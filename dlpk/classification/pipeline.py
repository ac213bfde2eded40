"""Reading, computing and writing at the same time, in order and with bounded memory."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Generic, TypeVar

Task = TypeVar("Task")
Input = TypeVar("Input")
Result = TypeVar("Result")
Item = TypeVar("Item")

# Blocks that wait between two stages: one ready, while the next is being made, keeps a stage busy.
DEPTH = 1
# How often a stage that waits looks whether another one has failed, in seconds.
GLANCE = 0.1


class Pipeline(Generic[Task, Input, Result]):
    """Three stages: one thread reads ahead, the calling thread computes, one thread writes.

    Every stage takes the tasks one by one and in order, so that what is written does not depend
    on how the stages overlap, and a stage needs no locks of its own.

    Parameters
    ----------
    read : callable
        Makes of a task what is computed from; called in a thread of its own.
    compute : callable
        Makes of that what is written; called in the calling thread.
    write : callable
        Takes a task and the result; called in a thread of its own.
    """

    def __init__(
        self,
        read: Callable[[Task], Input],
        compute: Callable[[Task, Input], Result],
        write: Callable[[Task, Result], None],
    ) -> None:
        self._read = read
        self._compute = compute
        self._write = write
        # Nobody goes on, because nothing can be written any more.
        self._stop = threading.Event()
        # Nothing more is read; what was computed is still written.
        self._halt = threading.Event()
        self._failure: BaseException | None = None
        self._ready: queue.Queue[tuple[Task, Input] | None] = queue.Queue(DEPTH)
        self._done: queue.Queue[tuple[Task, Result] | None] = queue.Queue(DEPTH)

    def run(self, tasks: Iterable[Task], finished: Callable[[Task], None]) -> None:
        """Take all tasks through the stages.

        Parameters
        ----------
        tasks : iterable
        finished : callable
            Called in the calling thread after a task was computed.

        Raises
        ------
        BaseException
            What the first failing stage raised; the others have stopped by then, and what was
            computed before is written unless it is writing that failed.
        """
        threads = [
            threading.Thread(target=self._reader, args=(tasks,), name="dlpk-reader", daemon=True),
            threading.Thread(target=self._writer, name="dlpk-writer", daemon=True),
        ]
        for thread in threads:
            thread.start()
        try:
            while True:
                item = _get(self._ready, self._stop)
                if item is None:
                    break
                task, inputs = item
                del item
                result = self._compute(task, inputs)
                del inputs
                _put(self._done, (task, result), self._stop)
                del result
                finished(task)
        except _StoppedError:
            pass
        except BaseException as error:
            self._fail(error)
        self._halt.set()
        _end(self._done, self._stop)
        for thread in threads:
            thread.join()
        if self._failure is not None:
            raise self._failure

    def _reader(self, tasks: Iterable[Task]) -> None:
        try:
            for task in tasks:
                _put(self._ready, (task, self._read(task)), self._halt)
        except _StoppedError:
            return
        except BaseException as error:
            self._fail(error)
        _end(self._ready, self._halt)

    def _writer(self) -> None:
        try:
            while True:
                item = _get(self._done, self._stop)
                if item is None:
                    return
                self._write(*item)
                del item
        except _StoppedError:
            pass
        except BaseException as error:
            self._fail(error)
            self._stop.set()
            self._halt.set()

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error


def _get(source: queue.Queue[Item], stop: threading.Event) -> Item:
    while not stop.is_set():
        try:
            return source.get(timeout=GLANCE)
        except queue.Empty:
            continue
    raise _StoppedError


def _put(target: queue.Queue[Item], item: Item, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            target.put(item, timeout=GLANCE)
            return
        except queue.Full:
            continue
    raise _StoppedError


def _end(target: queue.Queue[Item | None], stop: threading.Event) -> None:
    """Tell the next stage that nothing follows."""
    with suppress(_StoppedError):
        _put(target, None, stop)


class _StoppedError(Exception):
    """Another stage has failed."""
