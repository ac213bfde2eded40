"""The manifest of a package: provenance, licences, and the hash of every file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from schemas.manifest import our_manifest

from .errors import BuildError
from .licences import Licence

MANIFEST_FILE = "manifest.json"
# Of the package format, which `schemas/manifest.schema.json` describes.
FORMAT = 1
# As in pyproject.toml: what an installation happens to say must not change a package's bytes.
VERSION = "0.1.0"


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def manifest_bytes(files: Mapping[str, Path], record: Mapping[str, Any]) -> bytes:
    """Compose the manifest.

    Parameters
    ----------
    files : mapping
        Every other file of the package, by its path in it.
    record : mapping
        What is known of the package: ``name``, ``licences`` and so on.

    Returns
    -------
    bytes
        JSON with sorted keys, in ASCII. No date: the same input gives the same bytes on any day.
    """
    manifest = {
        **record,
        "format": FORMAT,
        "created_by": {"name": "dlpk", "version": VERSION},
        "files": {
            name: {"sha256": file_hash(path), "size": path.stat().st_size}
            for name, path in files.items()
        },
    }
    return (json.dumps(manifest, indent=2, sort_keys=True) + "\n").encode("ascii")


def read_record(folder: Path, name: str, licence: str | None = None) -> dict[str, Any]:
    """What is known of the package in a folder.

    Parameters
    ----------
    folder : Path
    name : str
        For people, where the folder has no manifest of ours.
    licence : str, optional
        Of the whole package: SPDX identifier or words.

    Returns
    -------
    dict
        From its manifest, if it was built before, so that what it says of weights and licences
        stays.

    Raises
    ------
    BuildError
        It holds a ``manifest.json`` that is not ours.
    """
    path = folder / MANIFEST_FILE
    record: dict[str, Any] = {"name": name, "weights": {"source": "local folder", "kind": "folder"}}
    if path.is_file():
        ours = our_manifest(path.read_bytes())
        if ours is None:
            raise BuildError(
                f"{path} is not a manifest of ours, and a package has one under that name: give "
                "the file another name"
            )
        record |= ours
    if licence or "licences" not in record:
        whole = Licence("the whole package", licence or "not stated", "its author")
        record["licences"] = [whole.to_dict()]
    return record
