"""Many small scenes on a cluster: each is one task, and its worker writes the result."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from osgeo import gdal

from ...errors import ClusterError, DlpkError
from ...raster.gdal_config import threads
from ...raster.gdal_files import absolute
from ...raster.scenes import Scene
from ..loaded_model import LoadedModel
from ..result import Classified
from .job import PackageRef
from .spread import IN_FLIGHT

LOG = logging.getLogger("dlpk.cluster")
# Pixels: larger scenes are shared out among all workers.
LARGE = 1 << 28
# What stays with the client.
CLIENTS = ("client", "range_seconds", "progress", "quiet")
_Left = tuple[Scene, Path, str]


def is_small(raster: str) -> bool:
    """Whether a scene is worth no more than one task; what cannot be opened is, too."""
    try:
        dataset = gdal.Open(absolute(raster))
    except RuntimeError:
        return True
    return bool(dataset.RasterXSize * dataset.RasterYSize <= LARGE)


@dataclass
class _Outcome:
    worker: str
    seconds: float = 0.0
    result: Classified | None = None
    error: str = ""
    said: list[tuple[str, str]] = field(default_factory=list)


def classify_whole(
    model: LoadedModel, left: Sequence[_Left], options: Mapping[str, Any]
) -> Iterator[tuple[_Left, Classified | DlpkError, float]]:
    """Have scenes classified, each by one worker, in the order in which they come to an end."""
    import distributed

    client, package = options["client"], PackageRef.of(model)
    given = {name: value for name, value in options.items() if name not in CLIENTS}
    waiting, sent = iter(left), {}
    done: Any = distributed.as_completed([], loop=client.loop)  # type: ignore[no-untyped-call]

    def send() -> None:
        for part in waiting:
            scene, target, _ = part
            names = absolute(scene.raster), str(target.absolute())
            future = client.submit(run_scene, package, *names, given, pure=False)
            sent[future] = part
            done.add(future)
            return

    for _ in range(IN_FLIGHT * max(1, len(client.scheduler_info()["workers"]))):
        send()
    said: set[str] = set()
    for future in done:
        part = sent.pop(future)
        try:
            problem = future.exception()
            outcome = _Outcome("", error=_in_words(problem)) if problem else future.result()
        except CancelledError as lost:
            raise ClusterError("the connection to the scheduler is lost") from lost
        for level, text in outcome.said:
            if text not in said:
                said.add(text)
                model.say(level, text)
        words = outcome.error or "done"
        LOG.info("%s: %.1f s, %s, %s", part[0].raster, outcome.seconds, outcome.worker, words)
        yield part, outcome.result or DlpkError(outcome.error), outcome.seconds
        send()


def run_scene(
    package: PackageRef, raster: str, target: str, options: Mapping[str, Any]
) -> _Outcome:
    """Classify a scene on a worker, as one machine would."""
    from .worker import LOCK, address, directory, heard, opened_model, share

    outcome, start = _Outcome(address()), time.perf_counter()
    with LOCK, threads(share()):
        try:
            model: Any = opened_model(package)
            with directory(package.directory):
                outcome.result = model.classify(raster, target, **options)
        except (DlpkError, OSError, MemoryError) as error:
            outcome.error = str(error) or type(error).__name__
        outcome.said = heard()
    outcome.seconds = time.perf_counter() - start
    return outcome


def _in_words(problem: BaseException) -> str:
    if type(problem).__name__ == "KilledWorker":
        return "the worker's process ended, each time it was tried"
    return f"{type(problem).__name__}: {problem}"
