"""Reports in SARIF 2.1.0, which code scanning services and editors read.

Terms are those of the standard (OASIS, Static Analysis Results Interchange Format, version 2.1.0).
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from builder.manifest import VERSION
from schemas.emd.rules import Rule
from schemas.findings import Finding, Report, printable

from .rules import RULES

SCHEMA: Final = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)


def to_sarif(report: Report, source: str | os.PathLike[str] = "") -> dict[str, Any]:
    """Return a report as a SARIF log, ready for JSON.

    Parameters
    ----------
    report : Report
        The findings.
    source : path or str
        What was judged: places are given relative to it.

    Returns
    -------
    dict
        A log with one run, whose rules are those that were broken.
    """
    names = list(dict.fromkeys(finding.rule for finding in report))
    indexes = {name: index for index, name in enumerate(names)}
    folder = _folder(os.fspath(source))
    driver = {
        "name": "dlpk",
        "semanticVersion": VERSION,
        "rules": [_rule(name) for name in names],
    }
    results = [_result(finding, indexes[finding.rule], folder) for finding in report]
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "results": results,
            }
        ],
    }


def _folder(source: str) -> str:
    """Return what stands before the files' names: the folder, or the package as one."""
    if not source or source.lstrip("\ufeff \t\r\n").startswith("{"):
        return ""
    path = Path(source)
    return (path if path.suffix.lower() != ".emd" or path.is_dir() else path.parent).as_posix()


def _rule(name: str) -> dict[str, Any]:
    rule: Rule | None = RULES.get(name)
    made: dict[str, Any] = {"id": name, "name": _camel(name)}
    if rule is not None:
        made["shortDescription"] = {"text": rule.reason}
        made["fullDescription"] = {"text": f"{rule.reason} Source: {rule.source}."}
        made["help"] = {
            "text": f"{rule.reason} Source: {rule.source}.",
            "markdown": f"{rule.reason}\n\nSource: {rule.source}.",
        }
        made["defaultConfiguration"] = {"level": rule.severity.value}
        made["properties"] = {"tags": [name.partition("/")[0]]}
    return made


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.replace("/", "-").split("-"))


def _result(finding: Finding, index: int, folder: str) -> dict[str, Any]:
    text = printable(finding.message)
    if finding.remedy:
        text = f"{text.rstrip('.')}. {printable(finding.remedy)}"
    physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(finding.file, folder)}}
    if finding.line is not None:
        physical["region"] = {"startLine": finding.line}
        if finding.column is not None:
            physical["region"]["startColumn"] = finding.column
    location: dict[str, Any] = {"physicalLocation": physical}
    if finding.pointer:
        location["logicalLocations"] = [{"fullyQualifiedName": finding.pointer, "kind": "member"}]
    identity = "\n".join((finding.rule, finding.file, finding.pointer, finding.message))
    return {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": finding.severity.value,
        "message": {"text": text},
        "locations": [location],
        "partialFingerprints": {
            "finding/v1": hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()
        },
        "properties": {"remedy": printable(finding.remedy)},
    }


def _uri(file: str, folder: str) -> str:
    """Return the URI of a file: relative to the working directory, or absolute."""
    name = file
    if folder and file != Path(folder).name:  # findings on the container name the container
        name = f"{folder}/{file}" if file else folder
    elif folder:
        name = folder
    name = name.replace("\\", "/") or "package"
    if os.path.isabs(name):
        return "file://" + quote(name if name.startswith("/") else "/" + name, errors="replace")
    return quote(name, errors="replace")
