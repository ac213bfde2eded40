"""Writes docs/arguments.md from what the function declares: python -m scripts.arguments_page."""

from __future__ import annotations

import tempfile
from pathlib import Path

import dlpk

PAGE = Path(__file__).parents[1] / "docs" / "arguments.md"
HEAD = """# Arguments of CLIPSegClassifier

<!-- Written by `python -m scripts.arguments_page` from getParameterInfo. -->

As ArcGIS Pro shows them in *Classify Pixels Using Deep Learning*, and as
`dlpk classify --arg NAME=VALUE` takes them. Defaults are those of the miniature; another package
may have its own prompt, threshold, tile size and padding. [Prompts](prompts.md) says more of the
language.

| name | default | choices | what it does |
|---|---|---|---|
"""


def page() -> str:
    """The page as it has to be."""
    with tempfile.TemporaryDirectory() as folder:
        package = dlpk.build(Path(folder) / "mini.dlpk", weights="mini").path
        with dlpk.open(package, device="cpu") as model:
            parameters = model.parameters
    rows = []
    for parameter in parameters:
        default = "" if parameter["value"] in ("", None) else f"`{parameter['value']}`"
        choices = ", ".join(f"`{choice}`" for choice in parameter.get("domain", ()))
        text = str(parameter["description"]).replace("|", "\\|")
        rows.append(f"| `{parameter['name']}` | {default} | {choices} | {text} |\n")
    return HEAD + "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
