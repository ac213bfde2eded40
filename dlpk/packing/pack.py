"""A folder with a model definition, a function and weights into a .dlpk."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from builder.archive import files_below
from builder.golden import GOLDEN_FOLDER
from builder.manifest import MANIFEST_FILE, read_record
from builder.naming import plain_text
from builder.pack import Built, Contents
from builder.pack import pack as write_package
from schemas.findings import Report

from ..errors import PackageError
from ..package.folder import is_inside, walk
from ..package.names import is_junk
from ..validation.validate import validate


def pack(
    folder: str | Path,
    out: str | Path,
    *,
    name: str | None = None,
    licence: str | None = None,
    golden: str | Path | None = None,
    arguments: Mapping[str, Any] | None = None,
    device: str = "auto",
) -> Built:
    """Make a package of whatever model lies in a folder.

    The folder is validated first, and nothing is written if that finds an error. The package has
    a manifest with the hash of every file, and the same folder gives the same bytes on any
    machine. What Python, git and file managers leave behind stays out.

    Parameters
    ----------
    folder : path
        With an .emd file and what it refers to; not changed.
    out : path
        The .dlpk file to write; replaced if it exists, once the new one is complete.
    name : str, optional
        For people; that of the file by default.
    licence : str, optional
        Of the whole package, as an SPDX identifier such as ``MIT`` or in words.
    golden : path, optional
        Raster to cut golden chips from, which `dlpk.test` compares with later. Runs the
        function; without it none of the package's code is run.
    arguments : mapping, optional
        Of the function, for the golden chips.
    device : str
        For the golden chips: ``auto``, ``cpu`` or ``cuda:N``.

    Returns
    -------
    Built
        Its notes are what validation warns of.

    Raises
    ------
    PackageError
        The folder is none, or has errors: the message is the report.
    DlpkError
        The package cannot be written, or the golden chips cannot be made.
    """
    folder, out = Path(folder), Path(out)
    if not folder.is_dir():
        raise PackageError(f"{folder} is no folder: name the one with the .emd file")
    if is_inside(out.parent, folder):
        raise PackageError(f"{out} lies in the folder that is packed: write it elsewhere")
    record = read_record(folder, plain_text(name or out.stem), licence)
    if name:
        record["name"] = plain_text(name)
    # What an old manifest says of the files is about to be written anew.
    report = Report.of(f for f in validate(folder) if f.file != MANIFEST_FILE)
    report = Report.of(f for f in report if not f.rule.startswith("manifest/"))
    if not report.ok:
        raise PackageError(f"{folder} is no sound package; nothing was written\n{report.to_text()}")
    files = {}
    for path, status in walk(folder):
        if stat.S_ISLNK(status.st_mode) and (folder / path).is_dir():
            raise PackageError(
                f"{folder / path} is a link to a folder: put the folder itself there"
            )
        if (folder / path).is_file() and not is_junk(path.split("/")):
            files[path] = folder / path

    def fill(staging: Path) -> Contents:
        if golden is not None:
            from ..testing.golden_chips import make_golden

            make_golden(folder, golden, staging, arguments=arguments, device=device)
            for path in [path for path in files if path.split("/")[0] == GOLDEN_FOLDER]:
                del files[path]
            files.update(files_below(staging))
        return Contents(files, record, tuple(finding.to_text() for finding in report.warnings))

    return write_package(out, fill, [] if golden is None else [golden])
