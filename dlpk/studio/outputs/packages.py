"""A package that has the page's prompts, thresholds and strengths for its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from model_extension.clipseg.language.expressions import parse_expressions
from model_extension.clipseg.language.logic import Thresholds, key
from model_extension.clipseg.language.nodes import Phrase

from ...errors import ArgumentsError
from ...evaluation.calibration.store import write_calibrated
from ...package.package import Package
from ..prompt_set import Row, text_prompt_of

# Words of a class, as calibration keeps them, to threshold and strength.
Values = dict[str, tuple[float, float]]


def tuned(rows: Sequence[Row], thresholds: Thresholds) -> tuple[str, Values]:
    """Take what sliders say out of rows, as far as it can be kept under words.

    That is so for plain phrases; an expression keeps its values in the text.

    Parameters
    ----------
    rows : sequence of Row
        Of the page.
    thresholds : Thresholds
        Of the package as it is.

    Returns
    -------
    str
        The text prompt.
    dict
        Words to threshold and strength.

    Raises
    ------
    PromptMistake
        A row cannot be read.
    """
    text_prompt_of(rows)  # which says where a mistake is
    values: Values = {}
    kept = []
    for row in rows:
        threshold, strength = row.threshold, row.strength
        nodes = [entry.node for entry in parse_expressions(row.text, "prompt")]
        plain = all(isinstance(node, Phrase) and node == Phrase(node.texts) for node in nodes)
        if plain and (threshold is not None or strength is not None):
            for name in map(key, nodes):
                known = thresholds.known.get(name, thresholds.default)
                strong = thresholds.strengths.get(name, 1.0)
                values[name] = (
                    known if threshold is None else threshold,
                    strong if strength is None else strength,
                )
            row = Row(row.text)
        kept.append(row)
    prompt, _ = text_prompt_of(kept)
    if not prompt:
        raise ArgumentsError("there is no prompt: type one first")
    return prompt, values


def write_package(package: Package, rows: Sequence[Row], thresholds: Thresholds, out: Path) -> str:
    """Write a new package in which rows are the default prompts, with what sliders say.

    Parameters
    ----------
    rows, thresholds
        As `tuned` takes them.
    out : Path
        The .dlpk file to write.

    Returns
    -------
    str
        SHA-256 of the new package.

    Raises
    ------
    DlpkError
        A row cannot be read, or the package not be written.
    """
    prompt, values = tuned(rows, thresholds)
    return write_calibrated(package.source, out, values, prompt=prompt)
