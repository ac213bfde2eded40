"""Reading, computing and writing at the same time, in order and with bounded memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from ..harness.memory import give_back_free_memory

Task = TypeVar("Task")
Input = TypeVar("Input")
Result = TypeVar("Result")

# Memory is tidied up no more often than this: it takes some milliseconds.
TIDY_SECONDS = 0.25


def run_stages(
    tasks: Iterable[Task],
    read: Callable[[Task], Input],
    compute: Callable[[Task, Input], Result],
    write: Callable[[Task, Result], None],
    finished: Callable[[Task], None] = lambda task: None,
) -> None:
    """Take tasks through three stages: one thread reads ahead, one writes, the caller's computes.

    Every stage takes the tasks one by one and in order, so what is written does not depend on how
    the stages overlap, and a stage needs no locks of its own. One task is read ahead, one written
    behind; `finished` is called in the calling thread after each was computed. Between tasks, when
    the function holds none, memory is tidied up.

    Raises
    ------
    BaseException
        What a stage raised; what was computed before is written unless it is writing that failed.
    """
    with ThreadPoolExecutor(1, "dlpk-reader") as reader, ThreadPoolExecutor(1) as writer:

        def submitted() -> Iterator[tuple[Task, Future[Input]]]:
            for task in tasks:
                yield task, reader.submit(read, task)

        ahead = submitted()
        current, writing, tidied = next(ahead, None), None, time.monotonic()
        while current is not None:
            task, reading = current
            inputs = reading.result()
            current = next(ahead, None)
            result = compute(task, inputs)
            del inputs, reading
            if writing is not None:
                writing.result()
            writing = writer.submit(write, task, result)
            del result
            finished(task)
            if time.monotonic() - tidied > TIDY_SECONDS:
                give_back_free_memory()
                tidied = time.monotonic()
        if writing is not None:
            writing.result()
