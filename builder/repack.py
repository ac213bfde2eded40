"""A finished package with other defaults, as a new package."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from schemas.emd.validate import validate_emd

from .archive import write_zip
from .clipseg.emd import emd_bytes
from .errors import BuildError
from .manifest import MANIFEST_FILE, file_hash
from .staging import check_target, staged


def repack(
    package: Path, emd: Path, out: Path, change: Callable[[dict[str, Any]], dict[str, Any]]
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

    Returns
    -------
    str
        SHA-256 of the new file.

    Raises
    ------
    BuildError
        The new definition is not valid, or the file cannot be written; nothing is left behind.
    """
    definition = change(json.loads(emd.read_bytes()))
    content = emd_bytes(definition)
    report = validate_emd(content, file=emd.name, profile="package")
    if not report.ok:
        raise BuildError(f"the changed model definition is not valid:\n{report.to_text()}")
    with staged(check_target(out)) as (copy, finished):
        shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
        (copy / emd.name).write_bytes(content)
        _update_manifest(copy, emd.name)
        write_zip(copy, finished)
        return file_hash(finished)


def _update_manifest(package: Path, changed: str) -> None:
    path = package / MANIFEST_FILE
    if not path.is_file():
        return
    manifest = json.loads(path.read_bytes())
    file = package / changed
    manifest["files"][changed] = {"sha256": file_hash(file), "size": file.stat().st_size}
    text = json.dumps(manifest, indent=2, sort_keys=True) + "\n"
    path.write_bytes(text.encode("ascii"))
