"""What the rows of the page come to: the text prompt, its classes, and the bands to compute.

The page decides about classes itself, so that a slider needs no request. For that it gets a
probability per phrase, and the expressions. All phrases of a text prompt are computed together, in
its order, as a run does: a phrase in other company can differ in its last bits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from model_extension.clipseg import Arguments, ModelDefinition, check_prompts, parse_arguments
from model_extension.clipseg.contract.definition import read_definition
from model_extension.clipseg.contract.legend import class_colors
from model_extension.clipseg.language.expressions import parse_expressions, quoted
from model_extension.clipseg.language.logic import Thresholds
from model_extension.clipseg.language.nodes import Node, Phrase, reach
from model_extension.clipseg.language.prompts import fold
from model_extension.common.errors import CLIPSegError

from ..errors import DlpkError
from ..package.package import Package
from .nodes import as_json, calibrated, with_values, written

COLUMN = re.compile(r"column (\d+)")
# What only decides about classes: bands are the same whatever these are.
DECIDING = ("predict_background", "background_prompt")


class PromptMistake(DlpkError):
    """A row, or an argument, cannot be read.

    Parameters
    ----------
    row : int or None
        Which row, counted from 0.
    column : int or None
        Where in the row, counted from 1.
    """

    def __init__(self, message: str, row: int | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.row, self.column = row, column


@dataclass(frozen=True)
class Row:
    """A row of the page.

    Parameters
    ----------
    text : str
        In the prompt language; may hold several classes.
    threshold, strength : float or None
        Of the sliders, where they were moved.
    """

    text: str
    threshold: float | None = None
    strength: float | None = None


def text_prompt_of(rows: Sequence[Row]) -> tuple[str, dict[str, int]]:
    """The argument ``text_prompt`` that rows come to.

    Returns
    -------
    str
    dict
        Names of the classes, in small letters, to the row they are from.

    Raises
    ------
    PromptMistake
        A row cannot be read; names the row and the column in it.
    """
    texts = []
    origins: dict[str, int] = {}
    for index, row in enumerate(rows):
        try:
            classes = parse_expressions(row.text, "prompt")
        except CLIPSegError as error:
            found = COLUMN.search(str(error))
            column = int(found[1]) if found else None
            raise PromptMistake(str(error), index, column) from error
        for entry in classes:
            origins.setdefault(fold(entry.name), index)
        if row.threshold is None and row.strength is None:
            texts.append(row.text.strip().strip(","))
            continue
        for entry in classes:
            node = with_values(entry.node, row.threshold, row.strength)
            plain = isinstance(node, Phrase) and node.texts == (entry.name,)
            name = "" if plain else f"{quoted(entry.name)} = "
            texts.append(name + written(node))
    return ", ".join(filter(None, texts)), origins


class PromptSet:
    """A text prompt and the other arguments of a run of one of our packages.

    Parameters
    ----------
    definition : ModelDefinition
        See `definition_of`.
    given : mapping
        Arguments of the function, by name.

    Raises
    ------
    PromptMistake
        Something cannot be read.
    """

    def __init__(self, definition: ModelDefinition, given: Mapping[str, Any]) -> None:
        self.definition = definition
        self.given = dict(given)
        if self.given.get("image_prompt") and (
            str(self.given.get("text_prompt", "")).strip() == definition.prompt.strip()
        ):
            # The function drops words that stand in the table anyway; who typed them means them.
            self.given["text_prompt"] = f"{definition.prompt.strip()},"
        try:
            self.arguments: Arguments = parse_arguments(self.given, definition)
            check_prompts(self.arguments.plan, definition)
        except CLIPSegError as error:
            raise PromptMistake(str(error)) from error

    @cached_property
    def thresholds(self) -> Thresholds:
        """Thresholds of the run."""
        from model_extension.clipseg.inference.decision import chosen_thresholds

        return chosen_thresholds(self.arguments, self.definition)

    @cached_property
    def _grown(self) -> list[Node]:
        """What grows: it needs pixels from around a tile, and is computed by the function."""
        plan = self.arguments.plan
        return [node for node in (*plan.nodes, *plan.background) if reach(node)]

    @property
    def band_arguments(self) -> dict[str, str]:
        """Arguments that make the function deliver the bands the page decides with."""
        plan = self.arguments.plan
        concepts = {place: texts for texts, place in reversed(plan.places.items())}
        phrases = [written(Phrase(concepts[place])) for place in range(len(plan.concepts))]
        parts = [*phrases, *(f"({written(node)})" for node in self._grown)]
        named = [f"band {number} = {part}" for number, part in enumerate(parts)]
        kept = {name: value for name, value in self.given.items() if name not in DECIDING}
        if not self._grown:
            kept.pop("threshold", None)
        return {**kept, "text_prompt": ", ".join(named), "return_probability_raster": "True"}

    def to_json(self) -> dict[str, Any]:
        """All that the page needs to decide about classes."""
        plan, arguments = self.arguments.plan, self.arguments
        bands = len(plan.concepts)
        colors = class_colors(plan.names)
        return {
            "classes": [
                {"value": value, "name": name, "color": list(color), **self._node(node, bands)}
                for value, (name, node, color) in enumerate(zip(plan.names, plan.nodes, colors), 1)
            ],
            "background": [self._node(node, bands) for node in plan.background],
            "threshold": self.thresholds.default,
            "predict_background": arguments.predict_background,
            "bands": bands + len(self._grown),
        }

    def _node(self, node: Node, bands: int) -> dict[str, Any]:
        if node in self._grown:
            place = bands + self._grown.index(node)
            shown: dict[str, Any] = {"kind": "score", "band": place}
        else:
            shown = as_json(node, self.arguments.plan.places, self.thresholds)
        whole = None if isinstance(node, Phrase) else calibrated(node, self.thresholds)
        return {"node": shown, "calibrated": whole}


def definition_of(package: Package) -> ModelDefinition | None:
    """What one of our packages says of itself; None for those of others.

    Raises
    ------
    PromptMistake
        Its model definition is damaged.
    """
    if not isinstance(package.emd.get("CLIPSeg"), dict) or package.emd_path is None:
        return None
    try:
        return read_definition(str(package.emd_path), str(package.root))
    except CLIPSegError as error:
        raise PromptMistake(str(error)) from error
