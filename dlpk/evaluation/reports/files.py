"""Reports into files, complete or not at all."""

from __future__ import annotations

from pathlib import Path

from builder.target import replacing

from ...errors import OutputError
from ..result import Evaluation
from .report_html import to_html
from .report_text import to_csv, to_json

FORMS = {".json": to_json, ".csv": to_csv, ".html": to_html}


def check_report(out: str | Path) -> Path:
    """Check a report's name before anything is computed.

    Raises
    ------
    OutputError
        Its ending names no form, or its folder does not exist.
    """
    path = Path(out)
    if path.suffix not in FORMS:
        raise OutputError(f"the report {out} must end in {', '.join(FORMS)}")
    if not path.absolute().parent.is_dir():
        raise OutputError(f"the folder of the report {out} does not exist")
    return path


def write_report(result: Evaluation, out: str | Path) -> Path:
    """Write a report in the form that its ending names.

    Raises
    ------
    OutputError
        It cannot be written.
    """
    path = check_report(out)
    text = FORMS[path.suffix](result)
    with replacing(path) as written:
        written.write_text(text, encoding="utf-8")
    return path
