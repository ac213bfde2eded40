"""Many scenes, one after the other or side by side: one that fails stops no other."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from builder.target import check_targets

from ..errors import ArgumentsError, ClusterError, DlpkError, OutputError
from ..installation import own_version
from ..output.geotiff import result_files
from ..raster.files import files_of
from ..raster.identity import raster_identities
from ..raster.scenes import Scene, scene_targets, scenes_of
from .loaded_model import LoadedModel
from .result import Classified

MANIFEST = "manifest.jsonl"
ONE_ONLY = ("png", "polygons")
# What does not change a result.
MANNERS = ("client", "range_seconds", "progress", "quiet", "resume", "debug_block")
MOST_LISTED = 6
# A scene, its result, and what tells it from others.
_Left = tuple[Scene, Path, str]


def classify_each(
    model: LoadedModel,
    classify: Callable[..., Classified],
    rasters: str | Path | Sequence[str | Path],
    folder: str | Path,
    **options: Any,
) -> Iterator[Classified]:
    """See `dlpk.classification.model.Model.classify_each`; `classify` is for one scene."""
    for name in ONE_ONLY:
        if options.get(name) is not None:
            raise ArgumentsError(
                f"--{name} is for one result; classify the images one at a time for it"
            )
    words = [rasters] if isinstance(rasters, (str, Path)) else rasters
    scenes = scenes_of([str(word) for word in words])
    targets = scene_targets(scenes, Path(folder))
    manifest = _Manifest(Path(folder) / MANIFEST)
    results = [file for target in targets for file in result_files(target)]
    check_targets([*results, manifest.path], files_of(scene.raster for scene in scenes))
    marks = [_mark(model, scene, options) for scene in scenes]
    left = [
        (scene, target, mark)
        for scene, target, mark in zip(scenes, targets, marks)
        if not manifest.has(target, mark)
    ]
    if options.get("client") is not None:
        ended = _side_by_side(model, classify, left, options)
    else:
        ended = _one_by_one(classify, left, options)
    failed: list[tuple[Scene, DlpkError]] = []
    for (scene, target, mark), outcome, seconds in ended:
        manifest.add(scene, target, mark, seconds, outcome)
        if isinstance(outcome, Classified):
            yield outcome
        else:
            failed.append((scene, outcome))
    if failed:
        raise _summary(failed, len(scenes), manifest.path)


def _one_by_one(
    classify: Callable[..., Classified], left: Sequence[_Left], options: Mapping[str, Any]
) -> Iterator[tuple[_Left, Classified | DlpkError, float]]:
    for scene, target, mark in left:
        start = time.monotonic()
        outcome: Classified | DlpkError
        try:
            outcome = classify(scene.raster, target, **options)
        except ClusterError:  # it would be the same for all others
            raise
        except DlpkError as error:
            outcome = error
        yield (scene, target, mark), outcome, time.monotonic() - start


def _side_by_side(
    model: LoadedModel,
    classify: Callable[..., Classified],
    left: Sequence[_Left],
    options: Mapping[str, Any],
) -> Iterator[tuple[_Left, Classified | DlpkError, float]]:
    """Small scenes whole, a worker each; then large ones, which all workers share."""
    from .cluster.scenes import classify_whole, is_small

    small = [part for part in left if is_small(part[0].raster)]
    yield from classify_whole(model, small, options)
    yield from _one_by_one(classify, [part for part in left if part not in small], options)


def _summary(failed: Sequence[tuple[Scene, DlpkError]], total: int, manifest: Path) -> DlpkError:
    if len(failed) == 1:
        scene, error = failed[0]
        error.add_lines(f"in the image {scene.raster}")
        return error
    summary = DlpkError(f"{len(failed)} of {total} images failed, {manifest} says why:")
    for scene, error in failed[:MOST_LISTED]:
        summary.add_lines(f"{scene.raster}: {str(error).splitlines()[0]}")
    return summary


def _mark(model: LoadedModel, scene: Scene, options: Mapping[str, Any]) -> str:
    """What has to be the same for a scene's result to be the same."""
    known, unknown = raster_identities([scene.raster])
    said = {name: value for name, value in options.items() if name not in MANNERS}
    identity = [own_version(), model.package.sha256, model.device, known, unknown, said]
    text = json.dumps(identity, sort_keys=True, default=_as_json)
    return hashlib.sha256(text.encode()).hexdigest()


def _as_json(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return value.tolist() if hasattr(value, "tolist") else str(value)


class _Manifest:
    """A line of JSON for each scene that came to an end, the newest last."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._done: dict[str, str] = {}
        try:
            lines = path.read_text("utf-8", "replace").splitlines() if path.is_file() else []
        except OSError:
            lines = []
        for line in lines:
            try:
                entry = json.loads(line)
                state = entry["mark"] if entry["state"] == "done" else ""
                self._done[str(entry["result"])] = str(state)
            except (ValueError, KeyError, TypeError, RecursionError):  # cut off, or not ours
                continue

    def has(self, target: Path, mark: str) -> bool:
        """Whether a scene is done, and its result still there."""
        return self._done.get(target.name) == mark and target.is_file()

    def add(
        self,
        scene: Scene,
        target: Path,
        mark: str,
        seconds: float,
        outcome: Classified | DlpkError,
    ) -> None:
        """Note how a scene has ended."""
        result = outcome if isinstance(outcome, Classified) else None
        entry: dict[str, Any] = {"scene": scene.raster, "result": target.name, "mark": mark}
        entry["state"] = "failed" if result is None else "incomplete" if result.failed else "done"
        entry["seconds"] = round(seconds, 3)
        if result is not None:
            names = {item.value: item.name for item in result.legend}
            entry["failed"] = list(result.failed)
            entry["pixels"] = result.width * result.height
            entry["values"] = [
                {"value": value, "class": names.get(value), "pixels": number}
                for value, number in sorted(result.counts.items())
            ]
        else:
            entry["error"] = str(outcome)
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        except (OSError, UnicodeError) as problem:
            raise OutputError(f"{self.path} cannot be written: {problem}") from problem
