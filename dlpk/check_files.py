"""Judging the other files of a package: weights by their header, all by the manifest."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from model_extension.clipseg.config import NetworkConfig
from model_extension.clipseg.errors import CLIPSegError, WeightsError
from model_extension.clipseg.safetensors import SafetensorsFile
from model_extension.clipseg.tensors import check_tensors
from schemas.emd_rules import Rule
from schemas.findings import Finding, Report, Severity
from schemas.manifest import validate_manifest

from .container import Package, resolve
from .errors import PackageError

_DOCS = "documentation of the model definition: ModelFile"
_FORMAT = "package format 1"
RULES: dict[str, Rule] = {
    "weights/missing": Rule(
        Severity.ERROR, "The model definition names a file that is not there.", _DOCS
    ),
    "weights/damaged": Rule(
        Severity.ERROR,
        "A weights file with a broken header cannot be loaded.",
        "safetensors format",
    ),
    "weights/other-network": Rule(
        Severity.ERROR, "The tensors are not those that the settings describe.", _FORMAT
    ),
    "manifest/file-missing": Rule(
        Severity.ERROR, "A file of the package was removed after it was built.", _FORMAT
    ),
    "manifest/file-changed": Rule(
        Severity.ERROR, "A file of the package was changed after it was built.", _FORMAT
    ),
    "manifest/file-extra": Rule(
        Severity.WARNING, "A file was added to the package after it was built.", _FORMAT
    ),
}
MANIFEST = "manifest.json"


def check_weights(package: Package) -> Report:
    """Look at the weights file that the model definition names; only its header is read.

    Parameters
    ----------
    package : Package

    Returns
    -------
    Report
    """
    reference = package.emd.get("ModelFile")
    if not isinstance(reference, str) or not reference.strip() or package.root is None:
        return Report()
    try:
        path = resolve(package, reference)
    except PackageError as error:
        # Functions of one's own may do without it, and real packages do.
        needed = "CLIPSeg" in package.emd or not package.emd.get("InferenceFunction")
        severity = Severity.ERROR if needed else Severity.WARNING
        remedy = "Put the file into the package or correct ModelFile."
        return Report.of([Finding(severity, "weights/missing", str(error), remedy, reference)])
    if path.suffix != ".safetensors" or not path.is_file():
        return Report()
    try:
        with SafetensorsFile(path) as file:
            shapes = {name: file.shape(name) for name in file.keys()}
    except WeightsError as error:
        remedy = "Copy the file again, or build the package again."
        return _report("weights/damaged", str(error), remedy, path.name)
    own = package.emd.get("CLIPSeg")
    if isinstance(own, dict) and isinstance(own.get("Network"), dict):
        try:
            check_tensors(NetworkConfig.from_dict(own["Network"]), shapes, path.name)
        except CLIPSegError as error:
            remedy = "Build the package again from one set of weights."
            return _report("weights/other-network", str(error), remedy, path.name)
    return Report()


def check_manifest(package: Package) -> Report:
    """Compare the files with the hashes that were written when the package was built.

    Parameters
    ----------
    package : Package
        Packages of others have no manifest, which is no fault.

    Returns
    -------
    Report
    """
    if package.root is None or not (package.root / MANIFEST).is_file():
        return Report()
    content = (package.root / MANIFEST).read_bytes()
    report = validate_manifest(content, file=MANIFEST)
    if not report.ok or "CLIPSeg" not in package.emd:
        return report if "CLIPSeg" in package.emd else Report()
    listed: dict[str, dict[str, Any]] = json.loads(content)["files"]
    present = {
        path.relative_to(package.root).as_posix(): path
        for path in package.root.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    for name, record in sorted(listed.items()):
        if name not in present:
            report += _report(
                "manifest/file-missing",
                f"{name} is listed in {MANIFEST} and is not there",
                "Build the package again, or restore the file.",
                name,
            )
        elif not _matches(present[name], record):
            report += _report(
                "manifest/file-changed",
                f"{name} differs from what {MANIFEST} says of it (SHA-256)",
                "Build the package again if the change is meant.",
                name,
            )
    for name in sorted(set(present) - set(listed) - {MANIFEST}):
        report += _report(
            "manifest/file-extra",
            f"{name} is not listed in {MANIFEST}",
            "Remove it, or build the package again.",
            name,
        )
    return report


def _matches(path: Path, record: dict[str, Any]) -> bool:
    if path.stat().st_size != record.get("size"):
        return False
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest() == record.get("sha256")


def _report(rule: str, message: str, remedy: str, file: str) -> Report:
    return Report.of([Finding(RULES[rule].severity, rule, message, remedy, file=file)])
