"""What a cluster costs and brings, on this machine: scheduling, efficiency, messages.

Workers are processes on this machine, started and warm before anything is timed. Overhead is
measured with a function that sleeps in every block, so that other work on the machine does not
blur it; efficiency with a small convolutional network; the scheduler's load with ranges in which
nothing is done.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

import dlpk
from benchmarks.common import median_ratio, parser, report, write_scene
from dlpk.classification.cluster import spread as spreading
from dlpk.classification.cluster.connect import connected
from dlpk.classification.cluster.job import Job, PackageRef, Report
from dlpk.classification.finished.journal import Journal
from dlpk.classification.loaded_model import LoadedModel
from dlpk.raster.grid import BlockGrid

FUNCTION = """
import time
import numpy as np
import torch
class Measured:
    def initialize(self, **kwargs):
        torch.manual_seed(0)
        self.layers = [torch.randn(16, 3, 3, 3), *(torch.randn(16, 16, 3, 3) for _ in range(8))]
    def getParameterInfo(self):
        return [{"name": "raster", "dataType": "raster"},
                {"name": "seconds", "dataType": "numeric", "value": 0}]
    def getConfiguration(self, **scalars):
        self.seconds = float(scalars["seconds"])
        return {"tx": 256, "ty": 256, "padding": 32, "inputMask": True, "fixedTileSize": 0}
    def updateRasterInfo(self, **kwargs):
        kwargs["output_info"].update(bandCount=1, pixelType="u1")
        return kwargs
    def updatePixels(self, tlc, shape, props, **pixelBlocks):
        pixels = pixelBlocks["raster_pixels"]
        if self.seconds:
            time.sleep(self.seconds)
        else:
            with torch.no_grad():
                found = torch.from_numpy(pixels.astype("f4"))[None]
                for weights in self.layers:
                    found = torch.nn.functional.conv2d(found, weights, padding=1).relu()
            pixels = found[0].numpy()
        return {"output_pixels": (pixels[:1, 32:-32, 32:-32] > 100).view("u1")}
"""
EMD = {
    "ModelType": "ImageClassification",
    "InferenceFunction": "Measured.py",
    "ImageHeight": 256,
    "ImageWidth": 256,
    "ExtractBands": [0, 1, 2],
    "Classes": [{"Value": 1, "Name": "bright", "Color": [255, 0, 0]}],
}
# The default: ranges of a minute.
MINUTE = 60.0


def main() -> None:
    """Measure and report."""
    options = parser(__doc__)
    options.add_argument("--blocks", type=int, default=400, help="of the run with sleep")
    options.add_argument("--sleep", type=float, default=0.25, help="seconds per block")
    options.add_argument("--side", type=int, default=2048, help="of the scene for efficiency")
    options.add_argument("--only-efficiency", action="store_true")
    given = options.parse_args()
    rows: list[dict[str, str]] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        package = folder / "Measured"
        package.mkdir()
        (package / "Measured.py").write_text(FUNCTION)
        (package / "Measured.emd").write_text(json.dumps(EMD))
        if not given.only_efficiency:
            rows += _overhead(folder, package, given.blocks, given.sleep)
            rows += _nothing(folder)
        rows += _efficiency(folder, package, given)
    notes = [
        f"overhead: {given.blocks} blocks that sleep {given.sleep} s, ranges of {MINUTE:g} s, one "
        "worker, against the same run without a cluster",
        f"efficiency: nine convolutions in PyTorch on {given.side} pixels a side, blocks of 256, "
        f"one thread per worker, {torch.get_num_threads()} in the one process; {os.cpu_count()} "
        "processors; processor time is that of scheduler, client and workers",
        "nothing: ranges of 500 blocks whose workers answer at once",
    ]
    name = "cluster_efficiency" if given.only_efficiency else "cluster"
    report(name, "A cluster on one machine", rows, notes, device="cpu", save=given.save)


def _row(what: str, value: str) -> dict[str, str]:
    return {"measured": what, "value": value}


def _overhead(folder: Path, package: Path, blocks: int, sleep: float) -> list[dict[str, str]]:
    arguments = {"seconds": sleep}
    scene, side = folder / "sleeping.tif", 256 * round(blocks**0.5)
    write_scene(scene, side)
    with connected(1) as client, dlpk.open(package, device="cpu") as model:
        warm = folder / "warm.tif"
        small = (500000.0, 5500000.0 - 25.6, 500000.0 + 25.6, 5500000.0)
        model.classify(scene, warm, extent=small)
        model.classify(scene, warm, extent=small, client=client)
        counted = _Counted(client)
        start = time.perf_counter()
        model.classify(scene, folder / "one.tif", arguments=arguments)
        alone = time.perf_counter() - start
        start = time.perf_counter()
        with counted:
            model.classify(
                *(scene, folder / "many.tif"),
                arguments=arguments,
                client=client,
                range_seconds=MINUTE,
            )
        spread = time.perf_counter() - start
    pixels = side * side / 1e6
    assert (folder / "one.tif").read_bytes() == (folder / "many.tif").read_bytes()
    print(f"overhead {spread / alone - 1:.2%}", file=sys.stderr, flush=True)
    return [
        _row("overhead of scheduling", f"{spread / alone - 1:.1%}"),
        _row("ranges", str(counted.ranges)),
        _row("messages per range, all parties", f"{counted.messages / counted.ranges:.0f}"),
        _row("bytes of messages per range", f"{counted.bytes / counted.ranges:,.0f}"),
        _row("read, compressed bytes per pixel", f"{scene.stat().st_size / pixels / 1e6:.2f}"),
        _row("parts, bytes per pixel", f"{counted.parts / pixels / 1e6:.3f}"),
        _row("parts to GeoTIFF", f"{pixels / counted.writing:.0f} Mpx/s"),
    ]


class _Counted:
    """Messages between scheduler, workers and client; bytes of parts; time of writing the file."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.messages = self.bytes = self.ranges = self.parts = 0
        self.writing = 0.0

    def _now(self) -> tuple[int, int]:
        scheduler = self._client.cluster.scheduler
        streams = [*scheduler.stream_comms.values(), *scheduler.client_comms.values()]
        found = [(s.message_count, s.byte_count) for s in streams]
        found.append((self._client.scheduler_comm.message_count, 0))
        found += self._client.run(_worker_messages).values()
        return sum(m for m, _ in found), sum(b for _, b in found)

    def __enter__(self) -> None:
        self._before = self._now()
        self._spread, self._removed = spreading._Spread.run, Journal.remove
        counted = self

        def run(spread: Any, told: Any) -> None:
            counted._spread(spread, told)
            journal = Path(spread._job.folder)
            parts = list(journal.glob("*.part"))
            counted.ranges, counted.parts = len(parts), sum(p.stat().st_size for p in parts)
            counted._start = time.perf_counter()

        def remove(journal: Journal) -> None:
            counted.writing = time.perf_counter() - counted._start
            counted._removed(journal)

        spreading._Spread.run, Journal.remove = run, remove  # type: ignore[method-assign]

    def __exit__(self, *error: object) -> None:
        spreading._Spread.run, Journal.remove = self._spread, self._removed  # type: ignore[method-assign]
        now = self._now()
        self.messages, self.bytes = now[0] - self._before[0], now[1] - self._before[1]


def _worker_messages(dask_worker: Any) -> tuple[int, int]:
    stream = dask_worker.batched_stream
    return stream.message_count, stream.byte_count


def _efficiency(folder: Path, package: Path, given: Any) -> list[dict[str, str]]:
    scene = folder / "scene.tif"
    write_scene(scene, given.side)
    wall: dict[str, list[float]] = {}
    used: dict[str, list[float]] = {}
    for _ in range(given.rounds):  # in turn: the machine is not the same all the time
        for name, seconds, processor in _once(package, scene, folder):
            wall.setdefault(name, []).append(seconds)
            used.setdefault(name, []).append(processor)
            print(name, f"{seconds:.1f} s, {processor:.1f} s used", file=sys.stderr, flush=True)
    rows = []
    for name in ("1 workers", "2 workers", "4 workers"):
        ratio = median_ratio(used["one process"], used[name])
        rows.append(
            _row(f"{name}: processor time of one process, as a share of theirs", f"{ratio:.2f}")
        )
    for name, seconds in wall.items():
        rows.append(_row(f"{name}: time that passed", f"{statistics.median(seconds):.1f} s"))
    return rows


def _once(package: Path, scene: Path, folder: Path) -> Iterator[tuple[str, float, float]]:
    small = (500000.0, 5500000.0 - 51.2, 500000.0 + 51.2, 5500000.0)
    with dlpk.open(package, device="cpu") as model:
        model.classify(scene, folder / "warm.tif", extent=small)
        start, before = time.perf_counter(), time.process_time()
        model.classify(scene, folder / "one.tif")
        yield "one process", time.perf_counter() - start, time.process_time() - before
        for workers in (1, 2, 4):
            with _one_thread_each(), connected(workers) as client:
                client.wait_for_workers(workers, timeout=300)
                for _ in range(3):  # all of them have opened the package then
                    model.classify(*(scene, folder / "warm.tif"), client=client, range_seconds=0.01)
                before = _processor_time(client)
                start = time.perf_counter()
                model.classify(scene, folder / "many.tif", client=client, range_seconds=5)
                seconds = time.perf_counter() - start
                yield f"{workers} workers", seconds, _processor_time(client) - before


def _processor_time(client: Any) -> float:
    """Of scheduler and client, which are this process, and of all workers."""
    return time.process_time() + sum(client.run(time.process_time).values())


@contextmanager
def _one_thread_each() -> Iterator[None]:
    from dlpk.classification.cluster import connect

    before = connect.processors
    connect.processors = lambda: 1
    try:
        yield
    finally:
        connect.processors = before


def _nothing(folder: Path, blocks: int = 1_000_000, size: int = 500) -> list[dict[str, str]]:
    journal_folder = folder / "nothing.journal"
    grid = BlockGrid(16 * 1000, 16 * blocks // 1000, 16, 16, False)
    with connected(2) as client:
        journal = Journal(journal_folder, {"run": "nothing"})
        job = Job(
            *("nothing", PackageRef(LoadedModel, "", "", "cpu", "", "/"), (), None, None),
            *(dlpk.Settings(), {}, None, str(journal_folder), b""),
        )
        spreading.run_range = nothing
        before = resource.getrusage(resource.RUSAGE_SELF)
        start, most = time.perf_counter(), 0

        def told(done: int, total: int) -> None:
            nonlocal most
            most = max(most, len(client.cluster.scheduler.tasks))

        spreading.spread(client, job, grid, journal, seconds=size / 1000, say=print, progress=told)
        took = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_SELF)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    ranges, memory = blocks / size, (after.ru_maxrss - before.ru_maxrss) / 1024
    return [
        _row("nothing: blocks", f"{blocks:,} in {ranges:,.0f} ranges"),
        _row("nothing: ranges per second", f"{ranges / took:.0f}"),
        _row("nothing: scheduler and client, per range", f"{used / ranges * 1e3:.1f} ms"),
        _row("nothing: most tasks known to the scheduler", str(most)),
        _row("nothing: memory that was added", f"{memory:.0f} MB"),
    ]


def nothing(job: Job, first: int, last: int) -> Report:
    """What a worker does here."""
    blocks = last + 1 - first
    return Report("", first, last, blocks / 1000, 256 * blocks, blocks)


if __name__ == "__main__":
    main()
