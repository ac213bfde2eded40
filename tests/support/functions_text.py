"""Texts of small raster functions for tests of the static checks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from dlpk.validation.validate import validate
from schemas.findings import Report

SAMPLES = Path(__file__).parents[1] / "samples"
CLEAN = (SAMPLES / "clean" / "classifier" / "Model.py").read_text("utf-8")
DEFINITION = (SAMPLES / "clean" / "classifier" / "Model.emd").read_text("utf-8")
EMD: dict[str, Any] = json.loads(DEFINITION)
CASES: dict[str, dict[str, Any]] = {
    f"{group}/{name}": case
    for group in ("function", "arguments", "imports", "versions")
    for name, case in json.loads((SAMPLES / group / "cases.json").read_text("utf-8")).items()
}
"""Packages with one mistake each: what to replace in the clean one, and what is found then.

`replace` holds pairs of old and new text of the function, `emd` values of the definition, `files`
further files; `function` is the function's file name, null where there is none.
"""


def write_case(name: str, folder: Path) -> Path:
    """Write the package of a case into a folder and return that.

    Cases of weights are folders of their own, with the clean function beside them.
    """
    if name not in CASES:
        shutil.copytree(SAMPLES / name, folder)
        (folder / "Model.py").write_text(CLEAN, encoding="utf-8")
        return folder
    case = CASES[name]
    files: dict[str, str | bytes] = dict(case.get("files", {}))
    function = case.get("function", "Model.py")
    if function is not None:
        files[function] = changed(*(tuple(pair) for pair in case.get("replace", [])))
    write_folder(folder, None, {**EMD, **case.get("emd", {})}, files)
    return folder


def write_folder(
    folder: Path, text: str | bytes | None, emd: dict[str, Any], files: dict[str, str | bytes]
) -> None:
    """Write a package as a folder."""
    every: dict[str, str | bytes] = {"Model.emd": json.dumps(emd, indent=2), "limits.txt": "0.5\n"}
    if text is not None:
        every["Model.py"] = text
    for name, content in {**every, **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
        (folder / name).write_bytes(data)


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
    definition = {key: value for key, value in {**EMD, **(emd or {})}.items() if value is not None}
    write_folder(folder, text, definition, files or {})
    return validate(folder)


def rules(report: Report) -> list[str]:
    """Return the rules that were broken, each once, in their order."""
    return list(dict.fromkeys(finding.rule for finding in report))
