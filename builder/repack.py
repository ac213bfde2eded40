"""A finished package with other defaults, as a new package."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from schemas.emd.validate import validate_emd

from .archive import files_below
from .errors import BuildError
from .json_files import emd_bytes
from .manifest import read_record
from .pack import Contents, pack


def repack(
    package: Path,
    emd: Path,
    out: Path,
    change: Callable[[dict[str, Any]], dict[str, Any]],
    more: Mapping[str, bytes] | None = None,
) -> str:
    """Write a package anew with a changed model definition; everything else stays as it is.

    Parameters
    ----------
    package : Path
        Folder of the package, unpacked.
    emd : Path
        Its model definition.
    out : Path
        The .dlpk file to write; replaced if it exists.
    change : callable
        Takes the model definition and returns the new one.
    more : mapping, optional
        Path in the package to the bytes of a file to add.

    Returns
    -------
    str
        SHA-256 of the new file.

    Raises
    ------
    BuildError
        The new definition is not valid, or the file cannot be written; nothing is left behind.
    """
    content = emd_bytes(change(json.loads(emd.read_bytes())))
    report = validate_emd(content, file=emd.name, profile="package")
    if not report.ok:
        raise BuildError(f"the changed model definition is not valid:\n{report.to_text()}")

    def fill(folder: Path) -> Contents:
        (folder / emd.name).write_bytes(content)
        files = {**files_below(package), emd.name: folder / emd.name}
        for name, data in (more or {}).items():
            files[name] = folder / Path(name).name
            files[name].write_bytes(data)
        return Contents(files, read_record(package, emd.stem))

    return pack(out, fill).sha256
