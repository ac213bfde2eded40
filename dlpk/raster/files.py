"""All files that a raster consists of: members of mosaics, sidecars, the archive around it."""

from __future__ import annotations

import html
import os
import re
import stat
from collections.abc import Iterable, Iterator

from osgeo import gdal

from ..errors import RasterError

# What may stand around the name of a file in a longer text.
AROUND = re.compile(r"""[/\\:"'{}=,|?&;\[\]()<>\s]""")
LONGEST_NAME = 4096


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
        Names of ordinary files, and of those that GDAL reads over a network.

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
        if os.path.lexists(name) or "/vsi" in name:
            yield name
        yield from () if os.path.exists(name) else named_files(name)
        # The text first: opening a virtual raster may open its sources, a pipe among them.
        waiting += _virtual_sources(name)
        if not os.path.isdir(name) and gdal.IdentifyDriverEx(name) is not None:
            try:
                waiting += gdal.OpenEx(name).GetFileList() or []
            except RuntimeError:  # said when it is opened to be read
                continue


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


def _virtual_sources(name: str) -> list[str]:
    """Everything in a virtual raster's text that may name a file: also masks and overviews."""
    text = name if name.lstrip().startswith("<VRTDataset") else _vrt_text(name)
    folder = os.path.dirname(name) if text is not name else ""
    found = []
    for piece in {html.unescape(a or b) for a, b in re.findall(r'>([^<>]+)<|="([^"<>]+)"', text)}:
        beside = os.path.join(folder, piece)
        found += [beside] if os.path.lexists(beside) else []
        found += [piece] if "/vsi" in piece or any(named_files(piece)) else []
    return found


def _vrt_text(name: str) -> str:
    driver = None if os.path.isdir(name) else gdal.IdentifyDriverEx(name, allowed_drivers=["VRT"])
    if driver is None or not (file := gdal.VSIFOpenL(name, "rb")):
        return ""
    try:
        size = gdal.VSIStatL(name).size
        return bytes(gdal.VSIFReadL(1, size, file)).decode("utf-8", "surrogateescape")
    finally:
        gdal.VSIFCloseL(file)
