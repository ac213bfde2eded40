"""All files that a raster consists of: members of mosaics, sidecars, the archive around it."""

from __future__ import annotations

import html
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from osgeo import gdal

from ..errors import RasterError
from .gdal_files import collecting_failures

# What may stand around the name of a file in a longer text.
AROUND = re.compile(r"""[/\\:"'{}=,|?&;\[\]()<>\s]""")
LONGEST_NAME = 4096
NETWORK = re.compile(r"/vsi(curl|s3|gs|az|adls|oss|swift|webhdfs|hdfs)(_streaming)?/|://")


def files_of(names: Iterable[str]) -> Iterator[str]:
    """All files that rasters or vector layers consist of.

    Parameters
    ----------
    names : iterable of str
        Anything GDAL opens: files, subdatasets, paths into archives, virtual rasters, whose own
        sources are followed at any depth.

    Yields
    ------
    str
        Names of ordinary files, and of what GDAL reads over a network.

    Raises
    ------
    RasterError
        One is a pipe, socket or device: reading it would wait for ever.
    """
    waiting, seen = list(names), set()
    while waiting:
        name = waiting.pop()
        if name in seen or "\0" in name:
            continue
        seen.add(name)
        check_kind(name)
        if os.path.lexists(name) or "/vsi" in name or "://" in name:
            yield name
        yield from () if os.path.exists(name) else named_files(name)
        # The text first: opening a virtual raster may open its sources, a pipe among them.
        virtual = _virtual_sources(name)
        waiting += virtual
        if NETWORK.search(name) and not virtual:  # a server would be asked for all of its files
            continue
        # What is wrong with it is said when it is opened to be read.
        with collecting_failures(), suppress(RuntimeError):
            if not os.path.isdir(name) and gdal.IdentifyDriverEx(name) is not None:
                waiting += gdal.OpenEx(name).GetFileList() or []


def named_files(text: str) -> Iterator[str]:
    """Ordinary files whose names stand in a text: a connection, a path into an archive."""
    if len(text) > LONGEST_NAME or "\0" in text:
        return
    places = [match.start() for match in AROUND.finditer(text)]
    for start in (0, *(place + 1 for place in places)):
        for end in (len(text), *reversed(places)):
            if end <= start:
                break
            if os.path.isfile(text[start:end]):
                yield text[start:end]
                break


def check_kind(path: str) -> None:
    """Refuse to open what is neither a file nor a folder.

    Raises
    ------
    RasterError
        It is a pipe, socket or device.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):  # no file: whoever opens it knows what it is
        return
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise RasterError(f"{path} is a pipe, socket or device: copy it to an ordinary file")


def file_states(names: Iterable[str]) -> dict[str, tuple[int, int, int]]:
    """Which file a name leads to, its size and time of change, for `check_unchanged`."""
    found = {}
    # Functions may change the working directory.
    for name in map(os.path.abspath, filter(os.path.isfile, names)):
        status = os.stat(name)
        found[name] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return found


def check_unchanged(before: Mapping[str, tuple[int, int, int]]) -> None:
    """Check that files are as they were, so that a result is not of two states of them.

    Raises
    ------
    RasterError
        One has grown, changed or gone.
    """
    now = file_states(before)
    changed = [name for name, state in before.items() if now.get(name) != state]
    if changed:
        raise RasterError(
            f"{changed[0]} changed while it was read: classify it again when it is complete"
        )


def _virtual_sources(name: str) -> list[str]:
    """Everything in a virtual raster's text that may name a file: also masks and overviews."""
    text = name if name.lstrip().startswith("<VRTDataset") else _vrt_text(name)
    folder = os.path.dirname(name) if text is not name else ""
    found = []
    for piece in {html.unescape(a or b) for a, b in re.findall(r'>([^<>]+)<|="([^"<>]+)"', text)}:
        if "://" in piece and f">{piece}</Source" in text:
            found.append(piece)
        beside = os.path.join(folder, piece)
        found += [beside] if os.path.lexists(beside) else []
        found += [piece] if "/vsi" in piece or any(named_files(piece)) else []
    return found


def _vrt_text(name: str) -> str:
    with collecting_failures():
        driver = gdal.IdentifyDriverEx(name, allowed_drivers=["VRT"])
    if driver is None or not (file := gdal.VSIFOpenL(name, "rb")):
        return ""
    try:
        size = gdal.VSIStatL(name).size
        return bytes(gdal.VSIFReadL(1, size, file)).decode("utf-8", "surrogateescape")
    finally:
        gdal.VSIFCloseL(file)
