"""What a command reads and writes, for a sandbox around it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import IsolationError
from ..harness.isolation import run_isolated


def isolated(words: Sequence[str], options: Mapping[str, Any]) -> int:
    """Run a command in a sandbox that shows what its options name.

    Parameters
    ----------
    words : sequence of str
        The whole command line.
    options : mapping
        Its options, by name.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    DlpkError
        See `dlpk.harness.isolation.run_isolated`.
    """
    from ..polygons.layer import FORMATS, layer_files
    from ..raster.files import files_of, named_files

    if options.get("workers") or options.get("scheduler"):
        raise IsolationError("--isolate is for one process: leave out --workers and --scheduler")
    *rasters, out = options.get("paths") or [""]
    named = [*rasters, *_texts({**options, "paths": ()})]
    reads = {name for text in named for name in _read(text)}
    for text in named:
        reads |= {name for name in files_of([text]) if os.path.lexists(name)}
        reads |= set(named_files(text))
    folders = [Path(options[key]) for key in ("debug_block", "keep") if options.get(key)]
    writes = [Path(options["png"])] if options.get("png") else []
    if options.get("polygons"):
        writes += layer_files(options["polygons"])
    keeps = []
    if out and options.get("phase") != "validation":
        from ..classification.each import MANIFEST
        from ..classification.examples import examples_folder
        from ..classification.finished.journal import journal_path
        from ..output.geotiff import result_files
        from ..raster.scenes import scene_targets, scenes_of

        targets = [Path(out)]
        if targets[0].is_dir():  # one by one
            scenes = scenes_of(rasters)
            reads |= {name for scene in scenes for name in files_of([scene.raster])}
            writes.append(targets[0] / MANIFEST)
            targets = scene_targets(scenes, targets[0])
        for target in targets:
            if target.suffix.lower() in FORMATS:
                writes += layer_files(target)
                continue
            writes += result_files(target)
            folders.append(examples_folder(target))
            if options.get("resume"):
                keeps.append(journal_path(target).absolute())
                keeps[-1].mkdir(exist_ok=True)
    reads -= {str(folder) for folder in folders}
    try:
        return run_isolated([w for w in words if w != "--isolate"], reads, writes + folders, keeps)
    finally:
        for keep in keeps:
            if not any(keep.iterdir()):
                keep.rmdir()


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _texts(part)


def _read(text: str) -> Iterator[str]:
    """What a word of the command line names: a folder, a definition's folder, a kept call's."""
    from ..harness.replay import CALL_FILE, load_call

    try:
        if os.path.isdir(text):
            yield text
            if os.path.isfile(os.path.join(text, CALL_FILE)):
                yield from _read(load_call(Path(text)).package)
        elif os.path.isfile(text):
            yield os.path.dirname(os.path.abspath(text)) if text.endswith(".emd") else text
    except ValueError:  # a zero byte
        return
