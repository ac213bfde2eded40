"""The manifest of a package: provenance, licences, and the hash of every file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from model_extension.clipseg.contract.definition import FORMAT

from .clipseg.provenance import VERSION, Licence
from .clipseg.sources import Weights
from .clipseg.tokenizer_files import TokenizerFiles
from .clipseg.vocabulary import Vocabulary

MANIFEST_FILE = "manifest.json"


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def weights_record(
    source: Weights, vocabulary: Vocabulary | None, tokenizer: TokenizerFiles | None
) -> dict[str, Any]:
    """Where weights and vocabulary come from, exactly enough to know them again.

    Parameters
    ----------
    source : Weights
    vocabulary : Vocabulary or None
        The frozen vocabulary.
    tokenizer : TokenizerFiles or None
        The tokenizer that the package holds.

    Returns
    -------
    dict
        Source, revision and the hash of every file that was read. Folders are not named: what
        they are called says nothing elsewhere, and would change the package's bytes.
    """
    files = dict(source.files)
    if vocabulary is not None:
        files.update(vocabulary.files)
    if tokenizer is not None:
        files.update({path.name: path for path in tokenizer.files})
    record: dict[str, Any] = {
        "source": "local folder" if source.kind == "folder" else source.source,
        "kind": source.kind,
        "files": {name: file_hash(path) for name, path in files.items()},
    }
    if source.revision:
        record["revision"] = source.revision
    if vocabulary is not None:
        record["vocabulary"] = {"names": len(vocabulary.names), "origin": vocabulary.origin}
    return record


def manifest_bytes(
    package: Path,
    *,
    name: str,
    precision: str,
    weights: Mapping[str, Any],
    licences: Sequence[Licence],
) -> bytes:
    """Compose the manifest.

    Parameters
    ----------
    package : Path
        Folder with every other file of the package.
    name : str
        For people.
    precision : str
        ``fp16`` or ``fp32``.
    weights : mapping
        From `weights_record`.
    licences : sequence of Licence

    Returns
    -------
    bytes
        JSON with sorted keys, in ASCII. No date: the same input gives the same bytes on any day.
    """
    manifest = {
        "format": FORMAT,
        "name": name,
        "created_by": {"name": "dlpk", "version": VERSION},
        "precision": precision,
        "weights": weights,
        "licences": [licence.to_dict() for licence in licences],
        "files": {
            path.relative_to(package).as_posix(): {
                "sha256": file_hash(path),
                "size": path.stat().st_size,
            }
            for path in package.rglob("*")
            if path.is_file()
        },
    }
    return (json.dumps(manifest, indent=2, sort_keys=True) + "\n").encode("ascii")
