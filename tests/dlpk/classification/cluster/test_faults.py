"""Workers are killed, stopped and short of everything: nothing is lost, done twice or left behind.

On real processes; the function's blocks are cheap.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from distributed import Future
from osgeo import gdal

import dlpk
from dlpk.classification.cluster import spread
from dlpk.classification.cluster.connect import connected, needing
from dlpk.classification.finished.journal import journal_path
from dlpk.classification.finished.parts import finished_ranges
from dlpk.classification.result import Classified
from dlpk.cli.main import main
from dlpk.errors import ClusterError, DlpkError, OutputError
from tests.support.clusters import (
    BLOCKS,
    cluster,
    corner,
    everything,
    scene,
    separate_cluster,
)
from tests.support.runs import make_package

ROOT = Path(__file__).parents[4]
KILLS = 10  # in each of three runs


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with cluster(3) as connected:
        yield connected


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a package, a raster, and its result on one machine."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "one").mkdir()
    package = make_package(folder / "P", "Steady")
    dlpk.classify(package, scene(folder / "scene.tif"), folder / "one" / "r.tif", device="cpu")
    return folder


class Run:
    """One run, in a folder of its own."""

    def __init__(self, made: Path, folder: Path) -> None:
        self.package, self.raster, self.out = made / "P", made / "scene.tif", folder / "r.tif"
        self.expected = everything(made / "one" / "r.tif")
        self.said: list[str] = []

    def __call__(self, client: Any, seconds: float = 0.05, **options: Any) -> Classified:
        def say(level: str, text: str) -> None:
            self.said.append(text)

        return dlpk.classify(
            *(self.package, self.raster, self.out),
            **{"device": "cpu", "say": say, "client": client, "range_seconds": seconds, **options},
        )

    def nothing_left(self) -> bool:
        return list(self.out.parent.iterdir()) == []

    def same(self, *but: str) -> bool:
        """Whether the result is that of one machine, which has other arguments in its tags."""
        names = {path.name for path in self.out.parent.iterdir()}
        files = {f"r.tif{end}" for end in self.expected}
        pixels = [gdal.Open(str(path)).ReadAsArray() for path in (self.out, self.made_alone())]
        return names == files | set(but) and bool((pixels[0] == pixels[1]).all())

    def kept(self) -> int:
        """Number of blocks in the journal."""
        journal = journal_path(self.out)
        ranges = finished_ranges(journal) if journal.exists() else []
        return sum(last + 1 - first for first, last in ranges)

    def made_alone(self) -> Path:
        return self.package.parent / "one" / "r.tif"


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Run:
    return Run(made, tmp_path)


@pytest.fixture(autouse=True)
def all_there(request: pytest.FixtureRequest) -> None:
    """What a test before has killed is there again."""
    if "client" in request.fixturenames:
        request.getfixturevalue("client").wait_for_workers(3, timeout=120)


@contextmanager
def killing(client: Any, count: int, pause: float) -> Iterator[list[int]]:
    """Workers are killed, one after the other, as long as the block lasts."""
    killed: list[int] = []
    over = threading.Event()

    def kill() -> None:
        chance = random.Random(0)
        while len(killed) < count and not over.wait(chance.uniform(0, 2 * pause)):
            pid = chance.choice(pids(client) or [0])
            if pid:
                with suppress(ProcessLookupError):  # gone, and its nanny does not know yet
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def pids(client: Any) -> list[int]:
    """Processes of the workers that are there."""
    return [nanny.pid for nanny in client.cluster.workers.values() if nanny.pid is not None]


@pytest.mark.parametrize("number", range(3))
def test_workers_are_killed(run: Run, client: Any, number: int) -> None:
    with killing(client, KILLS, 0.25) as killed:
        result = run(client, arguments={"seconds": 0.05})
        while len(killed) < KILLS:
            time.sleep(0.05)
    assert result.failed == ()
    assert run.same()


def test_a_worker_that_hangs(
    run: Run, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spread, "LATE_SECONDS", 0.5)
    monkeypatch.setattr(spread, "LOOK", 0.2)
    stopped = tmp_path.parent / f"{tmp_path.name}-stopped"
    trouble = f"{corner(4, 5)} stop {stopped}"
    result = run(client, arguments={"trouble": trouble, "seconds": 0.01})
    try:
        assert result.failed == ()
        assert run.same()
    finally:
        with suppress(ProcessLookupError):  # Dask itself may have given it up
            os.kill(int(stopped.read_text()), signal.SIGCONT)
    time.sleep(0.3)
    assert run.same()  # what the late worker does is of no consequence


def test_a_worker_that_hangs_before_it_has_reported(
    run: Run, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has done is done again, and nothing else waits for it."""
    original, asked = Future.result, []

    def result(self: Future, timeout: float | None = None) -> Any:
        asked.append(timeout)
        if len(asked) == 2:
            raise TimeoutError
        return original(self, timeout)

    monkeypatch.setattr(Future, "result", result)
    assert run(client).failed == ()
    assert run.same()
    assert len(asked) > 2 and None not in asked


@pytest.mark.parametrize("kind", ["raise", "kill"])
def test_a_block_that_always_fails(run: Run, client: Any, tmp_path: Path, kind: str) -> None:
    gate = tmp_path.parent / f"{tmp_path.name}-gate"
    gate.mkdir()
    arguments = {"trouble": f"{corner(7, 5)} {kind} {gate}"}
    result = run(client, arguments=arguments)
    assert len(result.failed) == 1
    words = "this block fails" if kind == "raise" else "process ended"
    assert result.failed[0].startswith("column 336, row 240, 48 by 48 pixels: ")
    assert words in result.failed[0]
    assert "incomplete: 1 blocks failed" in result.to_text()
    dataset = gdal.Open(str(run.out))
    assert dataset.GetMetadataItem("DLPK_INCOMPLETE") == f"1 of {BLOCKS} blocks failed"
    assert (dataset.ReadAsArray(336, 240, 48, 48) == 0).all()
    gate.rmdir()
    assert run(client, arguments=arguments, resume=True).failed == ()
    assert run.same()
    assert gdal.Open(str(run.out)).GetMetadataItem("DLPK_INCOMPLETE") is None


def test_full_disk(run: Run, client: Any) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    client.run(resource.setrlimit, resource.RLIMIT_FSIZE, (500, hard))
    try:
        with pytest.raises(OutputError, match=r"cannot write: .*File too large"):
            run(client)
        assert list(run.out.parent.iterdir()) == []
        with pytest.raises(OutputError, match="cannot write"):
            run(client, resume=True)
    finally:
        client.run(resource.setrlimit, resource.RLIMIT_FSIZE, (soft, hard))
    run(client, resume=True)
    assert run.same()


def test_another_package(run: Run, client: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    package = make_package(tmp_path_factory.mktemp("other") / "P", "Steady", emd={"Note": "other"})
    with dlpk.open(package, device="cpu", say=lambda *said: run.said.append(said[1])) as model:
        assert model.package.sha256
        (package / "Steady.py").write_text((package / "Steady.py").read_text() + "\n# other\n")
        with pytest.raises(ClusterError, match=r"finds another package at .*P: its hash differs"):
            model.classify(run.raster, run.out, client=client)
    assert run.nothing_left()
    assert sum("takes no part" in text for text in run.said) == 3


def test_too_little_memory(run: Run, client: Any) -> None:
    arguments = {"batch_size": 4, "memory": 2}
    with pytest.raises(DlpkError, match="out of memory"):
        run(None, arguments=arguments)
    run(client, arguments=arguments)
    assert run.same()
    assert any("goes on with a batch_size of 2" in text for text in run.said)


def test_the_whole_job_is_killed(run: Run, client: Any, tmp_path: Path) -> None:
    counting = tmp_path.parent / f"{tmp_path.name}-counting"
    counting.mkdir()
    words = ["classify", run.package, run.raster, run.out, "--device=cpu", "-q", "--resume"]
    words += ["--scheduler", client.scheduler.address, "--range-seconds=0.1"]
    words += ["--arg=seconds=0.02", f"--arg=counting={counting}"]
    command = [sys.executable, "-m", "dlpk", *map(str, words)]
    for kept in (20, 60):
        process = subprocess.Popen(command, cwd=ROOT)
        while process.poll() is None and run.kept() < kept:
            time.sleep(0.01)
        process.kill()
        process.wait()
    assert not run.out.exists()
    time.sleep(0.5)  # what workers were at comes to its end
    done = run.kept()
    before = len((counting / "calls").read_text())
    assert main(list(map(str, words))) == 0
    assert run.same()
    assert len((counting / "calls").read_text()) - before <= BLOCKS - done


def test_the_scheduler_is_lost(run: Run, tmp_path_factory: pytest.TempPathFactory) -> None:
    with separate_cluster(tmp_path_factory.mktemp("dask")) as (address, scheduler):

        def stop(done: int, total: int) -> None:
            if done > total / 3:
                scheduler.kill()

        with connected(scheduler=address) as own:
            words = f"the connection to the scheduler at {address} is lost\\n.*blocks are kept"
            with pytest.raises(ClusterError, match=words):
                run(own, arguments={"seconds": 0.01}, progress=stop, resume=True)
    assert run.kept() >= BLOCKS // 3
    assert not run.out.exists()


def test_nobody_answers(capsys: pytest.CaptureFixture[str], run: Run) -> None:
    words = ["classify", run.package, run.raster, run.out, "--scheduler", "nonsense://x:1"]
    assert main(list(map(str, words))) == 1
    assert "dlpk: error: no scheduler answers at nonsense://x:1: " in capsys.readouterr().err
    with pytest.raises(ClusterError, match="answers at nonsense: "), connected(None, "nonsense"):
        pass
    assert run.nothing_left()


def test_without_dask(run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    words = ["classify", run.package, run.raster, run.out, "--workers", "2"]
    assert main(list(map(str, words))) == 1
    error = capsys.readouterr().err
    assert error.startswith("dlpk: error: classify needs Dask distributed (")
    assert "pip install 'dlpk[run,cluster]'" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--workers", "0"], "it must be at least 1"),
        (["--workers", "2", "--scheduler", "tcp://x:1"], "either a number of workers or"),
        (["--workers", "2", "--isolate"], "--isolate is for one process"),
    ],
)
def test_options(
    run: Run, capsys: pytest.CaptureFixture[str], words: list[str], error: str
) -> None:
    assert main(["classify", *map(str, (run.package, run.raster, run.out)), *words]) == 1
    assert error in capsys.readouterr().err
    assert run.nothing_left()


def test_the_command(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spread, "WORKERLESS", 0.1)
    monkeypatch.setattr(spread, "LOOK", 0.1)
    with cluster(1) as own:
        words = ["--scheduler", own.scheduler.address, "--range-seconds", "0.1", "--verbose"]
        words = ["classify", *map(str, (run.package, run.raster, run.out)), "-q", *words]
        assert main([*words, "--device", "cpu"]) == 0
        assert run.same()
        lines = capsys.readouterr().err.splitlines()
        assert sum("blocks " in line and "Mpx, tcp://" in line for line in lines) > 3
        with pytest.raises(ClusterError, match="has no workers with card=1"), needing(["card=1"]):
            run(own)
