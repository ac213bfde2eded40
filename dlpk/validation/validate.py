"""Judging a package, without running any of its code."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Final

from schemas.emd.validate import validate_emd
from schemas.findings import Finding, Report
from schemas.json_text import decode

from ..errors import PackageError
from ..lint.function import check_function
from ..package.archive import peek_emd
from ..package.emd_place import MAX_EMD
from ..package.files import read_file
from ..package.open import Package, check_container, check_folder, open_package
from ..package.rules import RULES
from ..weights.files import check_weights
from ..weights.manifest import check_manifest

_NAMES: Final = re.compile(r'"(InferenceFunction|ModelFile)"\s*:\s*("(?:[^"\\\n]|\\.)*")')


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
        return _opened(text, Report()) or validate_emd(text)
    path = Path(text)
    folder = check_folder(path) if path.is_dir() else Report()
    return _opened(path, folder) or _unopened(path, folder)


def _opened(source: Path | str, report: Report) -> Report | None:
    """Return what shows once a package is open; None if it cannot be opened."""
    try:
        with open_package(source) as package:
            if package.kind == "dlpk":
                report = package.report
            return report + _validate_opened(package)
    except PackageError:
        return None


def _validate_opened(package: Package) -> Report:
    emd = package.emd_path
    report = validate_emd(
        package.emd_text if emd is None else read_file(emd, MAX_EMD),
        file="" if emd is None else emd.name,
        profile="package" if package.is_clipseg else "general",
    )
    report += check_function(package) + check_weights(package)
    return report + check_manifest(package) if package.kind in ("dlpk", "folder") else report


def _unopened(path: Path, report: Report) -> Report:
    """Return what can be said of a package although it cannot be opened."""
    definition = path.suffix.lower() == ".emd" and not path.is_dir()
    emd = path if definition else next(iter(sorted(path.glob("*.emd"))), None)
    if not definition and not path.is_dir():
        report = check_container(path, deep=True)
        found = peek_emd(path)
        if found is not None:
            report += validate_emd(found[1], file=found[0])
    elif emd is not None:
        try:
            content = read_file(emd, MAX_EMD)
        except OSError:
            content = b""
        else:
            report += validate_emd(content, file=emd.name)
        report += _named_by(emd, decode(content))
    if report.errors:
        return report
    try:
        with open_package(path):
            return report
    except PackageError as error:
        remedy = "Mend what the message names, then validate again."
        rule = "container/unreadable"
        finding = Finding(RULES[rule].severity, rule, str(error), remedy, file=path.name)
        return report + Report.of([finding])


def _named_by(emd_path: Path, text: str) -> Report:
    """Judge the function and the weights that a definition names although it is not JSON."""
    emd = {}
    for key, value in _NAMES.findall(text):
        try:
            emd[key] = json.loads(value)
        except ValueError:
            continue
    if "InferenceFunction" not in emd:
        return Report()
    root = emd_path.parent.absolute()
    package = Package(str(emd_path), "emd", emd_path.stem, root, root / emd_path.name, text, emd)
    report = check_function(package) + check_weights(package)
    # Keys that the reader of a broken text cannot see are not missing.
    return Report.of(f for f in report if not f.rule.startswith("function/definition"))
