"""Judging a package, without running any of its code."""

from __future__ import annotations

import os
from pathlib import Path

from schemas.emd.validate import validate_emd
from schemas.findings import Finding, Report

from ..errors import PackageError
from ..lint.function import check_function
from ..package.archive import peek_emd
from ..package.emd_place import MAX_EMD
from ..package.files import read_file
from ..package.open import Package, check_container, check_folder, open_package
from ..package.rules import RULES
from ..weights.files import check_weights
from ..weights.manifest import check_manifest

__all__ = ["validate"]


def validate(source: str | os.PathLike[str]) -> Report:
    """Find everything that is wrong with a package, a folder or a model definition.

    Nothing of the package is run or loaded: code is parsed, pickles are read opcode by opcode.

    Parameters
    ----------
    source : path or str
        A .dlpk, a folder, an .emd, or a model definition as JSON text.

    Returns
    -------
    Report
        All findings, those on the container first, then those on the model definition, the
        function, the weights and the manifest; always in the same order. It never raises for what
        is wrong with the package.
    """
    text = os.fspath(source)
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        return _open(text, validate_emd(text), text="the model definition")
    path = Path(text)
    if path.suffix.lower() == ".emd" and not path.is_dir():
        return _validate_emd_file(path)
    if path.is_dir():
        return _open(path, check_folder(path))
    report = check_container(path)
    return _open(path, report) if report.ok else report + _emd_inside(path)


def _validate_emd_file(path: Path) -> Report:
    try:
        content = read_file(path, MAX_EMD)
    except OSError:
        return _open(path, Report())
    return _open(path, validate_emd(content, file=path.name))


def _open(source: Path | str, report: Report, text: str = "") -> Report:
    """Add to a report what shows once the package is open."""
    try:
        with open_package(source) as package:
            return report + _validate_opened(package)
    except PackageError as error:
        if isinstance(source, str):
            inside = Report()
        else:
            # The data of a zip's entries were not looked into before.
            archive = source.is_file() and source.suffix.lower() != ".emd"
            report += check_container(source, deep=True) if archive else Report()
            inside = _emd_inside(source)
        if (report + inside).errors:
            return report + inside
        name = source if isinstance(source, str) else source.name
        return report + inside + Report.of([_cannot_open(text or name, str(error))])


def _validate_opened(package: Package) -> Report:
    report = Report()
    if package.kind in ("dlpk", "folder"):
        assert package.emd_path is not None
        report += validate_emd(
            package.emd_path.read_bytes(),
            file=package.emd_path.name,
            profile="package" if package.is_clipseg else "general",
        )
    report += check_function(package) + check_weights(package)
    return report + check_manifest(package) if package.kind in ("dlpk", "folder") else report


def _emd_inside(path: Path) -> Report:
    """What can be said of the model definition although the package cannot be opened."""
    if path.is_dir():
        files = sorted(file for file in path.glob("*.emd") if file.is_file())
        return Report.of(
            finding
            for emd in files[:1]
            for finding in validate_emd(read_file(emd, MAX_EMD), file=emd.name)
        )
    if path.suffix.lower() == ".emd":
        return Report()
    found = peek_emd(path)
    return Report() if found is None else validate_emd(found[1], file=found[0])


def _cannot_open(file: str, message: str) -> Finding:
    rule = "container/unreadable"
    remedy = "Mend what the message names, then validate again."
    return Finding(RULES[rule].severity, rule, message, remedy, file=file)
