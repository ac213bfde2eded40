"""Judging a package, without running any of its code."""

from __future__ import annotations

from pathlib import Path

from schemas.emd import validate_emd
from schemas.findings import Finding, Report, Severity

from .check_files import check_manifest, check_weights
from .check_function import check_function
from .container import Package, check_container, check_folder, open_package
from .container_check import peek_emd
from .errors import PackageError


def validate(source: str | Path) -> Report:
    """Find everything that is wrong with a package, a folder or a model definition.

    Parameters
    ----------
    source : path or str
        A .dlpk, a folder, an .emd, or a model definition as JSON text.

    Returns
    -------
    Report
        All findings; it never raises for what is wrong with the package.
    """
    text = str(source)
    if text.lstrip().startswith("{"):
        return validate_emd(text)
    path = Path(source)
    if path.suffix.lower() == ".emd" and path.is_file():
        return _validate_emd_file(path)
    report = check_folder(path) if path.is_dir() else check_container(path)
    if not report.ok:
        return report + _emd_inside(path)
    try:
        with open_package(path) as package:
            return report + _validate_opened(package)
    except PackageError as error:
        emd = _emd_inside(path)
        if emd.errors:
            return report + emd
        return report + Report.of([_cannot_open(path, str(error))])


def _validate_emd_file(path: Path) -> Report:
    try:
        content = path.read_bytes()
    except OSError as error:
        return Report.of([_cannot_open(path, f"{path} cannot be read: {error.strerror}")])
    report = validate_emd(content, file=path.name)
    if not report.ok:
        return report
    try:
        with open_package(path) as package:
            return report + check_function(package) + check_weights(package)
    except PackageError as error:
        return report + Report.of([_cannot_open(path, str(error))])


def _validate_opened(package: Package) -> Report:
    assert package.emd_path is not None
    profile = "package" if "CLIPSeg" in package.emd else "general"
    report = validate_emd(
        package.emd_path.read_bytes(),
        file=package.emd_path.name,
        profile="package" if profile == "package" else "general",
    )
    return report + check_function(package) + check_weights(package) + check_manifest(package)


def _emd_inside(path: Path) -> Report:
    """What can be said of the model definition although the package cannot be opened."""
    if path.is_dir():
        files = sorted(path.glob("*.emd"))
        return Report.of(
            finding
            for emd in files[:1]
            for finding in validate_emd(emd.read_bytes(), file=emd.name)
        )
    found = peek_emd(path)
    return Report() if found is None else validate_emd(found[1], file=found[0])


def _cannot_open(path: Path, message: str) -> Finding:
    return Finding(
        Severity.ERROR, "container/unreadable", message, "See the message.", file=path.name
    )
