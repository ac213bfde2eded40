"""Real clusters of processes on this machine, and something cheap to run on them."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask
import numpy as np
from distributed.utils import get_mp_context

from dlpk.classification.cluster.connect import connected
from dlpk.output.geotiff import result_files
from tests.support.runs import TRANSFORM, make_raster

ROOT = Path(__file__).parents[2]
PRELOADED = ["distributed", "dlpk.classification.cluster.worker"]
SIDE = 48 * 9 + 20
BLOCKS = 10 * 10


@contextmanager
def cluster(workers: int) -> Iterator[Any]:
    """A client of a cluster whose workers are quick to be there again when they are killed.

    What Dask leaves to the garbage collector is not the tests' matter.
    """
    method = {"distributed.worker.multiprocessing-method": "forkserver"}
    with warnings.catch_warnings(), dask.config.set(method):
        warnings.simplefilter("ignore")
        get_mp_context().set_forkserver_preload(PRELOADED)
        with connected(workers) as client:
            yield client


@contextmanager
def separate_cluster(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address of a scheduler that is a process of its own, with a worker; and that process."""
    file, quiet = folder / "scheduler.json", {"stderr": subprocess.DEVNULL}
    start = [sys.executable, "-m", "distributed.cli.dask_"]
    alone = ["--scheduler-file", str(file), "--host", "127.0.0.1", "--no-dashboard"]
    scheduler = subprocess.Popen([*start[:2], f"{start[2]}scheduler", *alone, "--port=0"], **quiet)
    worker = subprocess.Popen(
        [*start[:2], f"{start[2]}worker", *alone, "--no-nanny", "--nthreads=1"], cwd=ROOT, **quiet
    )
    try:
        while not file.exists() and scheduler.poll() is None:
            time.sleep(0.05)
        yield json.loads(file.read_text())["address"], scheduler
    finally:
        for process in (scheduler, worker):
            process.kill()
            process.wait()


def scene(path: Path, dtype: type = np.uint8) -> Path:
    """A raster of noise, of 10 by 10 blocks of the function Steady, some of them without data."""
    pixels = np.random.default_rng(0).integers(1, np.iinfo(dtype).max, (3, SIDE, SIDE), dtype)
    pixels[:, 60:200, 100:300] = 0
    return make_raster(path, pixels, epsg=None, nodata=0)


def corner(across: int, down: int) -> str:
    """Easting and northing of a block of that raster."""
    return f"{TRANSFORM[0] + across * 48 * 10} {TRANSFORM[3] - down * 48 * 10}"


def everything(path: Path) -> dict[str, str]:
    """Hashes of a result and of all files beside it."""
    return {
        file.name.removeprefix(path.name): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in result_files(path)
        if file.exists()
    }
