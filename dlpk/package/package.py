"""What is known of an open package."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Final

from schemas.findings import Report
from schemas.json_text import MAX_CHARACTERS
from schemas.manifest import our_manifest
from schemas.positions import Positions

from .files import open_file, read_file
from .folder import walk
from .names import is_junk
from .rules import collector

MANIFEST: Final = "manifest.json"
_PIECE: Final = 1024 * 1024


@dataclass(frozen=True)
class Package:
    """An open package.

    Parameters
    ----------
    source : str
        What was opened, as it was given.
    kind : str
        ``dlpk``, ``folder``, ``emd`` (a file in a folder) or ``json`` (the EMD as text).
    name : str
        Name of the package, from that of its file.
    root : Path or None
        Absolute path of the folder with the package's files; None for ``json``.
    emd_path : Path or None
        The .emd file in `root`; None for ``json``.
    emd_text : str
        The EMD as it stands there.
    emd : dict
        The same, parsed.
    report : Report
        Warnings and notes about the container, found on opening.
    archive : Path or None
        The .dlpk file.
    opened : binary file or None
        The same, open: whoever replaces the file meanwhile changes nothing here.
    """

    source: str
    kind: str
    name: str
    root: Path | None
    emd_path: Path | None
    emd_text: str
    emd: dict[str, Any]
    report: Report = field(default_factory=Report, compare=False)
    archive: Path | None = field(default=None, repr=False)
    opened: BinaryIO | None = field(default=None, repr=False, compare=False)

    @cached_property
    def positions(self) -> Positions:
        """Line and column of every value of the EMD, by JSON pointer."""
        return Positions(self.emd_text)

    def place(self, pointer: str) -> tuple[str, int | None, int | None]:
        """Return file, line and column of a value of the EMD, or of the nearest one around it."""
        return (self.emd_path.name if self.emd_path else "", *self.positions.nearest(pointer))

    @cached_property
    def manifest(self) -> dict[str, Any] | None:
        """The manifest of a package of ours, empty if damaged; None in packages of others."""
        if self.root is None or self.kind == "emd":
            return None
        try:
            return our_manifest(read_file(self.root / MANIFEST, MAX_CHARACTERS))
        except OSError:
            return None

    @property
    def is_clipseg(self) -> bool:
        """Whether `dlpk build` made it, with our function and our model definition."""
        return (self.manifest or {}).get("model") == "CLIPSeg"

    @cached_property
    def sha256(self) -> str | None:
        """SHA-256 in hexadecimal that tells this package from others; computed when asked for.

        For ``dlpk`` that of the file, for ``json`` that of the text in UTF-8. For ``folder`` and
        ``emd`` that over the names and contents of the files in `root`, without what operating
        systems and Python leave behind; None if they are too many or cannot be read.
        """
        if self.opened is not None:
            self.opened.seek(0)
            return _hash(self.opened).hex()
        if self.root is not None:
            return _hash_folder(self.root)
        return hashlib.sha256(self.emd_text.encode("utf-8", "surrogatepass")).hexdigest()


def _hash(file: BinaryIO) -> bytes:
    digest = hashlib.sha256()
    for piece in iter(lambda: file.read(_PIECE), b""):
        digest.update(piece)
    return digest.digest()


def _hash_folder(root: Path) -> str | None:
    findings = collector(root.name)
    lines = []
    try:
        for path, status in walk(root, findings):
            if is_junk(path.split("/")) or stat.S_ISDIR(status.st_mode):
                continue
            name = os.fsencode(path)
            if stat.S_ISLNK(status.st_mode):
                lines.append((name, b"link", os.fsencode(os.readlink(root / path))))
            elif stat.S_ISREG(status.st_mode):
                with open_file(root / path) as file:
                    lines.append((name, b"file", _hash(file)))
    except OSError:
        return None
    if findings.has_errors:
        return None
    digest = hashlib.sha256()
    for line in sorted(lines):
        for value in line:
            digest.update(len(value).to_bytes(8, "little") + value)
    return digest.hexdigest()
