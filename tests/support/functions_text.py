"""Texts of small raster functions for tests of the static checks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dlpk.validation.validate import validate
from schemas.findings import Report

CLEAN = (Path(__file__).parents[1] / "samples" / "clean" / "classifier" / "Model.py").read_text(
    "utf-8"
)
EMD: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "samples" / "clean" / "classifier" / "Model.emd").read_text(
        "utf-8"
    )
)


def changed(*changes: tuple[str, str], text: str = CLEAN) -> str:
    """Return a text with every `old` replaced by `new`; each has to be there."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def judge(
    folder: Path,
    text: str | bytes | None = CLEAN,
    *,
    emd: dict[str, Any] | None = None,
    files: dict[str, str | bytes] | None = None,
) -> Report:
    """Write a package as a folder and validate it."""
    folder.mkdir(parents=True, exist_ok=True)
    definition = {key: value for key, value in {**EMD, **(emd or {})}.items() if value is not None}
    every: dict[str, str | bytes] = {"Model.emd": json.dumps(definition), "limits.txt": "0.5\n"}
    if text is not None:
        every["Model.py"] = text
    for name, content in {**every, **(files or {})}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
        (folder / name).write_bytes(data)
    return validate(folder)


def rules(report: Report) -> list[str]:
    """Return the rules that were broken, each once, in their order."""
    return list(dict.fromkeys(finding.rule for finding in report))
