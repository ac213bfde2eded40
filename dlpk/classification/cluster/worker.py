"""What runs on a worker: a range of blocks, as one machine would process it.

The package is opened once per process and the raster once per job. A process works on one range at
a time, whatever number of threads Dask gives it.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ...errors import ClusterError, DlpkError
from ...harness.devices import has_gpu
from ...installation import own_version
from ...raster.dataset import Raster
from ...raster.gdal_config import processors, threads
from ...raster.grid import Block
from ...raster.mosaic import mosaic, mosaic_label
from ..block_call import BlockInput, BlockResult, read_or_empty, trimmed
from ..finished.parts import PartWriter
from ..loaded_model import LoadedModel
from ..pipeline import run_stages
from ..session import Session
from .job import Job, PackageRef, Report

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
BATCH = "batch_size"


class _OpenJob:
    """A job whose package and raster are open in this process."""

    def __init__(self, job: Job, model: LoadedModel) -> None:
        self.job, self.model = job, model
        self._session: Session | None = None
        self._batch: int | None = None
        with ExitStack() as stack:
            self._raster = Raster(
                mosaic(job.rasters, stack, job.settings.resampling),
                extent=job.extent,
                cell_size=job.cell_size,
                resampling=job.settings.resampling,
                label=mosaic_label(job.rasters),
            )
            self.close = stack.pop_all().close

    @contextmanager
    def _working(self) -> Iterator[Session]:
        if self._session is not None:
            with self.model.again(self._session):
                yield self._session
            return
        job = self.job
        given = (
            dict(job.arguments) if self._batch is None else {**job.arguments, BATCH: self._batch}
        )
        with self.model.session(self._raster, given, job.settings, job.stretch) as session:
            self._session = session
            yield session

    def process(self, report: Report) -> None:
        """Process a range; what fails is left out and noted."""
        number = report.first
        while number <= report.last:
            part: PartWriter | None = None
            try:
                with self._working() as session:
                    with PartWriter(Path(self.job.folder), self.job.mark, number) as part:
                        self._blocks(session, part, report)
                    return
            except (DlpkError, MemoryError) as error:
                if part is None:
                    raise
                number = part.next
                if not self._halved(error, report):
                    report.failed[number] = str(error) or type(error).__name__
                    number += 1
                self._session = None  # it may not be what it was

    def _blocks(self, session: Session, part: PartWriter, report: Report) -> None:
        folder, start = Path(self.job.folder), time.perf_counter()

        def read(block: Block) -> BlockInput | BlockResult:
            if not folder.exists():
                raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(folder))
            return read_or_empty(session, block)

        def compute(block: Block, pixels: BlockInput | BlockResult) -> BlockResult:
            if isinstance(pixels, BlockResult):
                return pixels
            report.computed += 1
            return trimmed(block, session.call(block, pixels))

        def write(block: Block, result: BlockResult) -> None:
            part.add(*result)
            report.pixels += block.used_width * block.used_height

        try:
            blocks = session.grid.blocks(part.first, report.last)
            run_stages(blocks, read, compute, write)
        finally:
            report.seconds += time.perf_counter() - start

    def _halved(self, error: BaseException, report: Report) -> bool:
        """Whether the memory was too small, and half a batch is left to try."""
        if "out of memory" not in str(error).lower() or self._session is None:
            return False
        with suppress(KeyError, ValueError):
            batch = int(float(self._session.scalars[BATCH])) // 2
            if batch:
                self._batch = batch
                text = f"{report.worker} ran out of memory and goes on with a {BATCH} of {batch}"
                report.said.append(("warning", text))
                return True
        return False


# Functions are not made for several threads.
LOCK = threading.Lock()
_open: _OpenJob | None = None
_model: LoadedModel | None = None
_heard: list[tuple[str, str]] = []


def run_range(job: Job, first: int, last: int) -> Report:
    """Process blocks `first` to `last` of a job into parts in its folder.

    Returns
    -------
    Report
        Also of what went wrong: errors do not travel as such.
    """
    with LOCK, threads(share()):
        report = Report(address(), first, last)
        try:
            here = _opened(job)
            with directory(job.package.directory):
                here.process(report)
        except (DlpkError, OSError, MemoryError) as error:
            report.refused = str(error) or type(error).__name__
            report.broken = isinstance(error, OSError) and error.errno in FULL
        report.said += heard()
        return report


def heard() -> list[tuple[str, str]]:
    """What the function has said since this was asked last."""
    said = list(_heard)
    _heard.clear()
    return said


def _hear(level: str, text: str) -> None:
    _heard.append((level, text))


def _opened(job: Job) -> _OpenJob:
    global _open
    if _open is not None and _open.job.run == job.run:
        return _open
    model = opened_model(job.package)
    if not Path(job.folder).is_dir():
        raise ClusterError(f"it does not see {job.folder}: the result's folder has to be shared")
    if _open is not None:
        _open.close()
        _open = None
    _open = _OpenJob(job, model)
    return _open


def opened_model(package: PackageRef) -> LoadedModel:
    """Open a package, once per process; to be used with the `LOCK`.

    Raises
    ------
    DlpkError
        It cannot be opened, another package lies there, or dlpk is of another version here.
    """
    global _model
    if package.version != own_version():
        raise ClusterError(f"it has dlpk {own_version()}, and the job is of {package.version}")
    wanted = (package.sha256, _device(package.device))
    if _model is not None and (_model.package.sha256, _model.device) == wanted:
        return _model
    if _model is not None:
        _model.close()
        _model = None
    model = package.kind(package.source, device=wanted[1], say=_hear)
    if model.package.sha256 != package.sha256:
        model.close()
        raise ClusterError(f"it finds another package at {package.source}: its hash differs")
    _model = model
    return model


def _device(wanted: str) -> str:
    """The card of this worker, where there are several and nobody has shared them out."""
    if wanted != "auto" or not has_gpu():
        return wanted
    import torch
    from distributed import get_worker

    cards, name = torch.cuda.device_count(), str(get_worker().name)
    # dask-cuda puts a worker's own card first.
    own = "CUDA_VISIBLE_DEVICES" in os.environ or not name.isdigit()
    return f"cuda:{0 if own else int(name) % cards}"


def share() -> int:
    """Threads of a worker: its share of the processors, as whoever started it says."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    return int(told) if told.isdigit() and int(told) else processors()


def address() -> str:
    """Of this worker."""
    from distributed import get_worker

    return str(get_worker().address)


@contextmanager
def directory(place: str) -> Iterator[None]:
    """Work in a folder, if there is such a one here."""
    before = os.getcwd()
    with suppress(OSError):
        os.chdir(place)
    try:
        yield
    finally:
        os.chdir(before)
