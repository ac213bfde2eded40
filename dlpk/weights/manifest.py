"""Judging the files of a package by the manifest that was written when it was built."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from builder.archive import files_below
from builder.manifest import file_hash
from schemas.manifest import validate_golden, validate_manifest

from ..findings import Collector, Report
from ..package.package import MANIFEST, Package
from .rules import RULES

GOLDEN = "golden/golden.json"
_AGAIN = "Build the package again if that is meant, or put the file right."


def check_manifest(package: Package) -> Report:
    """Compare the files with the hashes that were written when the package was built.

    Packages of others have no manifest, which is no fault.
    """
    if package.root is None or package.manifest is None:
        return Report()
    content = (package.root / MANIFEST).read_bytes()
    report = validate_manifest(content, file=MANIFEST)
    golden = package.root / GOLDEN
    if golden.is_file():
        report += validate_golden(golden.read_bytes(), file=GOLDEN)
    if not report.ok:
        return report
    listed: dict[str, dict[str, Any]] = json.loads(content)["files"]
    present = files_below(package.root)
    findings = Collector(RULES)
    for name in sorted({*listed, *present} - {MANIFEST}):
        if name not in present:
            what = f"{name} is listed in {MANIFEST} and is not there"
            findings.add("manifest/file-missing", what, _AGAIN, name)
        elif name not in listed:
            what = f"{name} is not listed in {MANIFEST}"
            findings.add("manifest/file-extra", what, _AGAIN, name)
        elif not _matches(present[name], listed[name]):
            what = f"{name} differs from what {MANIFEST} says of it (SHA-256)"
            findings.add("manifest/file-changed", what, _AGAIN, name)
    return report + findings.report()


def _matches(path: Path, record: dict[str, Any]) -> bool:
    return path.stat().st_size == record.get("size") and file_hash(path) == record.get("sha256")
