"""Calibrated values in a package: under what words they are kept, and which apply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.naming import class_names
from model_extension.clipseg.contract.legend import class_colors
from model_extension.clipseg.language.logic import Thresholds, key
from model_extension.clipseg.language.nodes import Node, Phrase
from model_extension.clipseg.language.plan import make_plan
from model_extension.clipseg.language.prompts import fold

from ...errors import TruthError
from ...package.open import open_package
from ...package.package import Package
from .search import PRESENT, Decision


@dataclass(frozen=True)
class Words:
    """What the classes of a prompt are kept under, and how they are decided as they are.

    Parameters
    ----------
    keys : tuple of str
        Of each class.
    start : Decision
        As the package decides now, with background prompts behind the classes.
    fixed : mapping
        Place of a class that is not calibrated, and why.
    prompt : str
        Text prompt with the background prompts behind it: one band each.
    competitors : int
        How many background prompts there are.
    """

    keys: tuple[str, ...]
    start: Decision
    fixed: Mapping[int, str]
    prompt: str
    competitors: int


def words_of(package: Package, arguments: Mapping[str, Any]) -> Words:
    """What a package would look for with some arguments.

    Raises
    ------
    TruthError
        The package is not one of ours: what its thresholds mean is not known.
    """
    own = package.emd.get("CLIPSeg")
    if not isinstance(own, dict):
        raise TruthError(
            f"{package.source} is no package of dlpk build: it has no place for thresholds"
        )
    prompt = str(arguments.get("text_prompt") or own.get("Prompt", ""))
    background = str(arguments.get("background_prompt", ""))
    plan = make_plan(prompt, str(arguments.get("image_prompt", "")), background)
    usual = float(package.emd.get("Threshold", 0.3))
    threshold = float(arguments.get("threshold", usual))
    known = threshold == usual
    thresholds = Thresholds(
        threshold,
        {fold(k): float(v) for k, v in own.get("Thresholds", {}).items()} if known else {},
        {fold(k): float(v) for k, v in own.get("Strengths", {}).items()} if known else {},
    )
    nodes = (*plan.nodes, *plan.background)
    decided = [_decided(node, thresholds) for node in nodes]
    background_off = str(arguments.get("predict_background", "True")).strip().lower() == "false"
    return Words(
        keys=tuple(key(node) for node in plan.nodes),
        start=Decision(
            tuple(threshold for threshold, _ in decided),
            tuple(strength for _, strength in decided),
            background=not background_off,
        ),
        fixed={place: why for place, node in enumerate(plan.nodes) if (why := _fixed(node))},
        prompt=", ".join(filter(None, [prompt, background])),
        competitors=len(plan.background),
    )


def _decided(node: Node, thresholds: Thresholds) -> tuple[float, float]:
    """Threshold and strength that a band of the probability raster is decided with."""
    if isinstance(node, Phrase) and not node.modifiers.grow:
        # The band holds the strength of the prompt itself already.
        return thresholds.of(node), thresholds.strength(node) / (node.modifiers.strength or 1.0)
    name = key(node)
    if isinstance(node, Phrase) or name not in thresholds.known:
        return PRESENT, 1.0
    return thresholds.known[name], thresholds.strengths.get(name, 1.0)


def _fixed(node: Node) -> str:
    if isinstance(node, Phrase) and node.modifiers.threshold is not None:
        return "has a threshold of its own in the prompt"
    if isinstance(node, Phrase) and node.modifiers.grow:
        return "grows or shrinks after its threshold"
    return ""


def write_calibrated(
    package: str | Path,
    out: str | Path,
    values: Mapping[str, tuple[float, float]],
    *,
    prompt: str | None = None,
) -> str:
    """Write a new package in which these are the defaults of their prompts.

    Parameters
    ----------
    package : path
        A package that this project built.
    out : path
        The .dlpk file to write.
    values : mapping
        Words of a class, as `Words.keys`, to threshold and strength.
    prompt : str, optional
        Default text prompt of the new package; by default it stays as it is.

    Returns
    -------
    str
        SHA-256 of the new package.

    Raises
    ------
    DlpkError
        The package is not one of ours, or cannot be written.
    """
    from builder.repack import repack

    with open_package(package) as opened:
        if not opened.is_clipseg or opened.root is None or opened.emd_path is None:
            raise TruthError(
                f"{package} is no package of dlpk build: it has no place for thresholds"
            )

        def change(emd: dict[str, Any]) -> dict[str, Any]:
            own = emd["CLIPSeg"]
            for name, place in (("Thresholds", 0), ("Strengths", 1)):
                kept = {fold(text): value for text, value in own.get(name, {}).items()}
                new = {text: round(pair[place], 4) for text, pair in values.items()}
                own[name] = dict(sorted({**kept, **new}.items()))
            own["Strengths"] = {k: v for k, v in own["Strengths"].items() if v != 1}
            if not own["Strengths"]:
                del own["Strengths"]
            if prompt is not None:
                own["Prompt"] = prompt
                names = class_names(make_plan(prompt).names)
                emd["Classes"] = [
                    {"Value": value, "Name": name, "Color": list(color)}
                    for value, (name, color) in enumerate(zip(names, class_colors(names)), 1)
                ]
            return emd

        return repack(opened.root, opened.emd_path, Path(out), change)


def applies_to(keys: Sequence[str]) -> str:
    """For people: what calibrated values are used with."""
    shown = ", ".join(repr(name) for name in keys)
    return f"used wherever a prompt has the words {shown}, whatever it is called, and no others"
