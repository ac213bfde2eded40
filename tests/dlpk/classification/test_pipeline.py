"""The three stages: order, overlap, bounded queues, failures."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from dlpk.classification.pipeline import DEPTH, Pipeline


def test_everything_comes_out_in_order() -> None:
    written: list[tuple[int, int]] = []
    done: list[int] = []
    made: Pipeline[int, int, int] = Pipeline(
        lambda task: task * 2,
        lambda task, given: given + 1,
        lambda task, m: written.append((task, m)),
    )
    made.run(range(100), done.append)
    assert written == [(n, 2 * n + 1) for n in range(100)]
    assert done == list(range(100))


def test_stages_overlap() -> None:
    """Reading goes on while the first block is computed, writing while the next is."""
    read_ahead, written = threading.Event(), threading.Event()

    def read(task: int) -> int:
        if task == 1:
            read_ahead.set()
        return task

    def compute(task: int, given: int) -> int:
        if task == 0:
            assert read_ahead.wait(10)
        if task == 2:
            assert written.wait(10)
        return given

    Pipeline(read, compute, lambda task, made: written.set()).run(range(3), lambda task: None)


def test_reading_does_not_run_away() -> None:
    read: list[int] = []
    most = 0

    def compute(task: int, given: int) -> int:
        nonlocal most
        most = max(most, len(read) - task)
        return given

    def take(task: int) -> int:
        read.append(task)
        return task

    Pipeline(take, compute, lambda task, made: None).run(range(200), lambda task: None)
    # In work, in the queue, and in the reader's hand.
    assert most <= DEPTH + 2


@pytest.mark.parametrize("stage", ["read", "compute", "write", "finished"])
@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt()])
def test_a_failure_ends_all_stages(stage: str, error: BaseException) -> None:
    def fail_at(name: str) -> Any:
        def act(*args: Any) -> Any:
            if name == stage and args[0] == 3:
                raise error
            return args[-1]

        return act

    before = threading.active_count()
    with pytest.raises(type(error)):
        Pipeline(fail_at("read"), fail_at("compute"), fail_at("write")).run(
            range(50), fail_at("finished")
        )
    assert threading.active_count() == before


def test_no_tasks() -> None:
    Pipeline(lambda t: t, lambda t, g: g, lambda t, m: None).run([], lambda task: None)


def test_a_failing_task_list() -> None:
    def tasks() -> Any:
        yield 1
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        Pipeline(lambda t: t, lambda t, g: g, lambda t, m: None).run(tasks(), lambda task: None)
