"""Files into a package: the same bytes everywhere, with a manifest. Knows no model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from schemas.manifest import validate_manifest

from .archive import write_zip
from .errors import BuildError
from .manifest import MANIFEST_FILE, file_hash, manifest_bytes
from .staging import check_target, staged


class Contents(NamedTuple):
    """What a package is to hold.

    Parameters
    ----------
    files : mapping
        Path in the package to file; where the files lie does not matter.
    record : mapping
        What the manifest says of the package: ``name``, ``licences`` and so on.
    notes : tuple of str
        What the user should know.
    """

    files: Mapping[str, Path]
    record: Mapping[str, Any]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Built:
    """A package that was built.

    Parameters
    ----------
    path : Path
        The .dlpk file.
    sha256 : str
        Of the file.
    size : int
        Bytes.
    notes : tuple of str
        What the user should know.
    """

    path: Path
    sha256: str
    size: int
    notes: tuple[str, ...]


def pack(
    out: str | Path, fill: Callable[[Path], Contents], inputs: Iterable[str | Path] = ()
) -> Built:
    """Write a package.

    Parameters
    ----------
    out : path
        The .dlpk file to write; replaced if it exists, once the new one is complete.
    fill : callable
        Takes an empty folder beside `out` for files that are made on the way, and returns what
        the package is to hold.
    inputs : iterable of path
        What `fill` reads, which `out` must not be, as it must be none of the package's files.

    Returns
    -------
    Built

    Raises
    ------
    BuildError
        Says what is wrong and what to do; nothing is left behind.
    """
    out = check_target(Path(out), inputs)
    with staged(out) as (folder, finished):
        contents = fill(folder)
        check_target(out, contents.files.values())
        files = {name: path for name, path in contents.files.items() if name != MANIFEST_FILE}
        manifest = manifest_bytes(files, contents.record)
        report = validate_manifest(manifest, file=MANIFEST_FILE)
        if not report.ok:
            raise BuildError(f"the manifest does not pass our own schema:\n{report.to_text()}")
        (folder / MANIFEST_FILE).write_bytes(manifest)
        write_zip({**files, MANIFEST_FILE: folder / MANIFEST_FILE}, finished)
        return Built(out, file_hash(finished), finished.stat().st_size, contents.notes)
