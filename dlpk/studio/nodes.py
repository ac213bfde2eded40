"""Expressions of the prompt language as JSON for the page, and as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_extension.clipseg.language.expressions import quoted
from model_extension.clipseg.language.logic import Thresholds, key
from model_extension.clipseg.language.nodes import And, Group, Modifiers, Node, Not, Or, Phrase


def with_values(node: Node, threshold: float | None, strength: float | None) -> Node:
    """An expression with a threshold and strength of its own; None leaves what it has."""
    if threshold is None and strength is None:
        return node
    own = node.modifiers if isinstance(node, (Phrase, Group)) else Modifiers()
    changed = Modifiers(
        own.threshold if threshold is None else threshold,
        own.strength if strength is None else strength,
        own.grow,
        own.unit,
    )
    if isinstance(node, Phrase):
        return Phrase(node.texts, changed)
    return Group(node.inner if isinstance(node, Group) else node, changed)


def written(node: Node) -> str:
    """An expression as the prompt language has it."""
    if isinstance(node, Phrase):
        return "|".join(map(quoted, node.texts)) + _braces(node.modifiers)
    if isinstance(node, Group):
        return f"({written(node.inner)}){_braces(node.modifiers)}"
    if isinstance(node, Not):
        return f"NOT {_part(node.inner)}"
    return (" AND " if isinstance(node, And) else " OR ").join(map(_part, node.parts))


def _part(node: Node) -> str:
    return f"({written(node)})" if isinstance(node, (And, Or)) else written(node)


def _braces(own: Modifiers) -> str:
    parts = []
    if own.threshold is not None:
        parts.append(f":{number(own.threshold)}")
    if own.strength != 1.0:
        parts.append(f"*{number(own.strength)}")
    if own.grow:
        parts.append(f"{'+' if own.grow > 0 else '-'}{number(abs(own.grow))}{own.unit}")
    if len(parts) == 1 and own.threshold is not None:
        return parts[0]
    return f"{{{' '.join(parts)}}}" if parts else ""


def number(value: float) -> str:
    """A number as the prompt language reads it: the same one, without an exponent."""
    text = repr(float(value))
    return f"{float(value):.20f}".rstrip("0") if "e" in text else text.removesuffix(".0")


def as_json(
    node: Node, places: Mapping[tuple[str, ...], int], thresholds: Thresholds
) -> dict[str, Any]:
    """An expression for the page, with what decides in the end.

    Parameters
    ----------
    places : mapping
        Texts of a phrase to the band that holds its probability.
    thresholds : Thresholds
        Of the run: calibrated values are handed over with each phrase.
    """
    if isinstance(node, Phrase):
        return {
            "kind": "phrase",
            "band": places[node.texts],
            "threshold": node.modifiers.threshold,
            "strength": node.modifiers.strength,
            "calibrated": calibrated(node, thresholds),
        }
    if isinstance(node, Group):
        return {
            "kind": "group",
            "inner": as_json(node.inner, places, thresholds),
            "threshold": node.modifiers.threshold,
            "strength": node.modifiers.strength,
        }
    if isinstance(node, Not):
        return {"kind": "not", "inner": as_json(node.inner, places, thresholds)}
    return {
        "kind": "and" if isinstance(node, And) else "or",
        "parts": [as_json(part, places, thresholds) for part in node.parts],
    }


def calibrated(node: Node, thresholds: Thresholds) -> list[float] | None:
    """Calibrated threshold and strength of a phrase or a whole expression, if there are any."""
    name = key(node)
    if name not in thresholds.known and name not in thresholds.strengths:
        return None
    known = thresholds.known.get(name, thresholds.default)
    return [known, thresholds.strengths.get(name, 1.0)]
