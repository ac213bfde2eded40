"""Validate a model definition (EMD): every finding at once, each with its place and remedy."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

from ..collector import Collector, quoted
from ..findings import Report
from ..json_text import JsonText, read_json
from ..violations import load_schema, report_violations
from .classes import check_classes
from .model import check_keys, check_model, number
from .numbers import check_numbers
from .paths import check_paths

Profile = Literal["general", "package"]


def validate_emd(source: bytes | str, *, file: str = "", profile: Profile = "general") -> Report:
    """Find everything that is wrong with a model definition.

    Parameters
    ----------
    source : bytes or str
        Content of the .emd file, or the definition as JSON text.
    file : str
        Its name, for the report.
    profile : {"general", "package"}
        ``general`` accepts what ArcGIS accepts (schema ``urn:dlpk:schema:emd:1``); ``package`` asks
        for what the packages of this project need beyond that (``urn:dlpk:schema:emd-package:1``).

    Returns
    -------
    Report
        All findings in the order of the file; of a text that is not JSON only the first mistake.
        Nothing is ever raised for what `source` contains.
    """
    document, collector = _read(source, file)
    emd = document.value
    if isinstance(emd, dict):
        schema = "emd-package" if profile == "package" else "emd"
        report_violations(emd, schema, "emd", collector)
        check_keys(emd, _known_keys(schema), collector)
        check_model(emd, collector)
        check_paths(emd, collector)
        check_classes(emd, collector)
        check_numbers(emd, collector)
        if profile == "package":
            _check_square(emd, collector)
    return collector.report()


def parse_emd(source: bytes | str, *, file: str = "") -> tuple[dict[str, Any] | None, Report]:
    """Read a model definition.

    Parameters
    ----------
    source : bytes or str
        Content of the .emd file, or the definition as JSON text.
    file : str
        Its name, for the report.

    Returns
    -------
    emd : dict or None
        The definition; None if it is not JSON or not an object.
    report : Report
        What is to say of the text: mistakes, encoding, keys that stand twice.
    """
    document, collector = _read(source, file)
    emd = document.value
    return (emd if isinstance(emd, dict) else None), collector.report()


def _read(source: bytes | str, file: str) -> tuple[JsonText, Collector]:
    """Read the text and note everything about it as a text."""
    document = read_json(source)
    collector = Collector(file, document)
    for kind, message, remedy, pointer, offset in document.oddities:
        collector.add(f"emd/{kind}", message, remedy, pointer, offset=offset)
    if document.readable and not isinstance(document.value, dict):
        collector.add(
            "emd/not-an-object",
            f"the model definition is {quoted(document.value)}, not an object",
            'Write { "ModelType": ..., ... }.',
        )
    return document, collector


def _check_square(emd: dict[str, Any], collector: Collector) -> None:
    height, width = emd.get("ImageHeight"), emd.get("ImageWidth")
    if number(height) and number(width) and height != width:
        collector.add(
            "emd/package-not-square",
            f"ImageWidth {width} differs from ImageHeight {height}",
            "Give both the same number.",
            "/ImageWidth",
        )


@cache
def _known_keys(schema: str) -> frozenset[str]:
    known = set(load_schema("emd")["properties"])
    return frozenset(known | set(load_schema(schema)["properties"]))
