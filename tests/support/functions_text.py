"""Texts of small raster functions for tests of the static checks."""

from __future__ import annotations

import json
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
    for group in ("function", "arguments", "imports", "versions", "weights")
    for name, case in json.loads((SAMPLES / group / "cases.json").read_text("utf-8")).items()
}
"""Packages with one mistake each: what to replace in the clean one, and what is found then.

`replace` holds pairs of old and new text of the function, `emd` values of the definition, null for
none, `files` further files, which lie in a folder of the case's name where they are no text;
`function` is the function's file name, null where there is none.
"""


def write_case(name: str, folder: Path) -> Path:
    """Write the package of a case into a folder and return that."""
    case = CASES[name]
    files: dict[str, str | bytes] = {p.name: p.read_bytes() for p in (SAMPLES / name).glob("*")}
    files |= case.get("files", {})
    function = case.get("function", "Model.py")
    if function is not None:
        files[function] = changed(*(tuple(pair) for pair in case.get("replace", [])))
    write_folder(folder, None, definition(case.get("emd", {})), files)
    return folder


def definition(changes: dict[str, Any]) -> dict[str, Any]:
    """The clean definition with other values, without those that are None."""
    return {key: value for key, value in {**EMD, **changes}.items() if value is not None}


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
    write_folder(folder, text, definition(emd or {}), files or {})
    return validate(folder)


def rules(report: Report) -> list[str]:
    """Return the rules that were broken, each once, in their order."""
    return list(dict.fromkeys(finding.rule for finding in report))
