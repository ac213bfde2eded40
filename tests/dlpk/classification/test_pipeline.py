"""The three stages: order, overlap, bounded queues, failures."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from dlpk.classification.pipeline import run_stages


def test_everything_comes_out_in_order() -> None:
    written: list[tuple[int, int]] = []
    done: list[int] = []
    run_stages(
        range(100),
        lambda task: task * 2,
        lambda task, given: given + 1,
        lambda task, m: written.append((task, m)),
        done.append,
    )
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

    run_stages(range(3), read, compute, lambda task, made: written.set(), lambda task: None)


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

    run_stages(range(200), take, compute, lambda task, made: None, lambda task: None)
    assert most <= 2  # in work, and read ahead


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
        run_stages(range(50), *map(fail_at, ("read", "compute", "write", "finished")))
    assert threading.active_count() == before


def test_no_tasks() -> None:
    run_stages([], lambda t: t, lambda t, g: g, lambda t, m: None, lambda t: None)
