"""What tells a raster from a changed one: its content, not its name and date."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from typing import Any

from osgeo import gdal

from .files import NETWORK, files_of, named_files

# Files up to this size are read whole; of larger ones, samples, and their dates count too.
READ_WHOLE = 64 << 20
SAMPLES, SAMPLE = 128, 64 << 10
ARCHIVE = re.compile(r".*?\.(zip|kmz|tar|tgz|gz|7z|rar)(?=/|$)", re.IGNORECASE)
HEADERS = ("etag", "last-modified", "content-length")


def raster_identities(names: Iterable[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """What tells rasters, and every file they are made of, from changed ones.

    Returns
    -------
    known : list of dict
        Ready for JSON, sorted by name.
    unknown : list of str
        Names of which nothing tells whether they are still the same.
    """
    known, unknown = [], []
    for name in names:
        files = sorted(set(files_of([name])))
        if not files:
            unknown.append(name)
        for file in files:
            found = file_identity(file)
            if found is not None:
                known.append({"name": file if "/vsi" in file else os.path.abspath(file), **found})
            elif not any(named_files(file)):  # in an archive, which is known itself
                unknown.append(file)
    return known, unknown


def file_identity(name: str) -> dict[str, Any] | None:
    """What tells a file from a changed one; None if nothing does.

    For files here: size and hash of the content, of large ones that of samples, and dates. For
    files on a network: what the server says of them (ETag or Last-Modified, length).
    """
    if NETWORK.search(name):
        start = max(name.rfind("/vsi", 0, match.end()) for match in NETWORK.finditer(name))
        archive = ARCHIVE.match(name, start) if start else None
        served = archive[0] if archive else name[max(start, 0) :]
        return _served(served) if served.startswith("/vsi") else None
    return _content(name) if os.path.isfile(name) or name.startswith("/vsimem/") else None


def _served(name: str) -> dict[str, Any] | None:
    gdal.VSICurlPartialClearCache(name)
    try:
        headers = gdal.GetFileMetadata(name, "HEADERS") or {}
    except RuntimeError:
        headers = {}
    said = {key.lower(): value for key, value in headers.items() if key.lower() in HEADERS}
    return said if "etag" in said or {"last-modified", "content-length"} <= set(said) else None


def _content(name: str) -> dict[str, Any] | None:
    status, file = gdal.VSIStatL(name), gdal.VSIFOpenL(name, "rb")
    if status is None or not file:
        return None
    digest, size = hashlib.sha256(), status.size
    step = SAMPLE if size <= READ_WHOLE else (size - SAMPLE) // (SAMPLES - 1)
    try:
        for start in range(0, size, step):
            gdal.VSIFSeekL(file, start, 0)
            digest.update(gdal.VSIFReadL(1, SAMPLE, file) or b"")
    finally:
        gdal.VSIFCloseL(file)
    found: dict[str, Any] = {"size": size, "sha256": digest.hexdigest()}
    if size > READ_WHOLE and os.path.isfile(name):
        dates = os.stat(name)
        found["dates"] = [dates.st_mtime_ns, dates.st_ctime_ns]
    return found
