"""What class expressions mean, over probabilities.

Every phrase has a probability from the network and a threshold. To combine phrases with different
thresholds, a probability is first turned into a score: straight lines from 0 over the threshold,
which becomes one half, to 1. AND is the smallest score, OR the largest, NOT one minus the score, as
in fuzzy logic; a class is present where its score is above one half. For a single phrase that is
the same as its probability being above its threshold.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from .nodes import PLAIN, And, Group, Modifiers, Node, Not, Or, Phrase, radius
from .prompts import fold

PRESENT = 0.5


@dataclass(frozen=True)
class Thresholds:
    """Probabilities from which phrases count as present.

    Parameters
    ----------
    default : float
    known, strengths : mapping
        Calibrated thresholds and strengths, by `key`.
    """

    default: float
    known: Mapping[str, float]
    strengths: Mapping[str, float] = field(default_factory=dict)

    def of(self, phrase: Phrase) -> float:
        """The threshold of a phrase: its own, the calibrated one, or the default."""
        if phrase.modifiers.threshold is not None:
            return phrase.modifiers.threshold
        return self.known.get(key(phrase), self.default)

    def strength(self, phrase: Phrase) -> float:
        """The strength of a phrase: its own times the calibrated one.

        A threshold that the user gives is one of the probability as it is.
        """
        own = phrase.modifiers
        calibrated = self.strengths.get(key(phrase), 1.0) if own.threshold is None else 1.0
        return own.strength * calibrated


def key(node: Node) -> str:
    """What calibrated values of a class are kept under: its words, whatever it is called.

    Of a phrase its texts in any order, without its modifiers; of an expression all of it.
    """
    if isinstance(node, Phrase):
        return "|".join(sorted(fold(text) for text in node.texts))
    if isinstance(node, Group):
        return f"({key(node.inner)}){_braces(node.modifiers)}"
    if isinstance(node, Not):
        return f"not {_part(node.inner)}"
    return (" and " if isinstance(node, And) else " or ").join(_part(part) for part in node.parts)


def _part(node: Node) -> str:
    if isinstance(node, Phrase):
        return key(node) + _braces(node.modifiers)
    return f"({key(node)})" if isinstance(node, (And, Or)) else key(node)


def _braces(modifiers: Modifiers) -> str:
    if modifiers == PLAIN:
        return ""
    own = "" if modifiers.threshold is None else f":{modifiers.threshold:g}"
    return f"{{{own}*{modifiers.strength:g}{modifiers.grow:+g}{modifiers.unit}}}"


def class_score(
    node: Node,
    probabilities: Mapping[tuple[str, ...], Tensor],
    thresholds: Thresholds,
    pixel: float,
) -> Tensor:
    """Score of a class, with what was calibrated for its expression as a whole; see `score`."""
    found = score(node, probabilities, thresholds, pixel)
    name = key(node)
    if isinstance(node, Phrase) or name not in thresholds.known:
        return found
    strong = (found * thresholds.strengths.get(name, 1.0)).clamp(max=1.0)
    return calibrate(strong, thresholds.known[name])


def score(
    node: Node,
    probabilities: Mapping[tuple[str, ...], Tensor],
    thresholds: Thresholds,
    pixel: float,
) -> Tensor:
    """Score of an expression for every pixel.

    Parameters
    ----------
    node : Node
    probabilities : mapping
        Texts of a phrase to its probability, shape (rows, columns).
    thresholds : Thresholds
    pixel : float
        Side of a pixel on the ground in metres.

    Returns
    -------
    Tensor
        Shape (rows, columns), 0 to 1; above one half the class is present.
    """
    if isinstance(node, Phrase):
        strong = probability(node, probabilities, thresholds.strength(node))
        return _grown(calibrate(strong, thresholds.of(node)), node.modifiers, pixel)
    if isinstance(node, Group):
        own = node.modifiers.threshold
        within = thresholds if own is None else Thresholds(own, {})
        inner = score(node.inner, probabilities, within, pixel)
        return _grown((inner * node.modifiers.strength).clamp(max=1.0), node.modifiers, pixel)
    if isinstance(node, Not):
        return 1.0 - score(node.inner, probabilities, thresholds, pixel)
    parts = [score(part, probabilities, thresholds, pixel) for part in node.parts]
    combine = torch.minimum if isinstance(node, And) else torch.maximum
    result = parts[0]
    for part in parts[1:]:
        result = combine(result, part)
    assert isinstance(node, (And, Or))
    return result


def probability(
    phrase: Phrase, probabilities: Mapping[tuple[str, ...], Tensor], strength: float
) -> Tensor:
    """Probability of a phrase times a strength, at most 1; shape (rows, columns)."""
    plain = probabilities[phrase.texts]
    return plain if strength == 1.0 else (plain * strength).clamp(max=1.0)


def calibrate(values: Tensor, threshold: float) -> Tensor:
    """Score of probabilities: 0 to 0, the threshold to one half, 1 to 1, straight in between.

    A probability that equals its threshold is not above it, and its score not above one half.
    """
    if threshold >= 1:
        return values * PRESENT
    # Below any probability that is told apart from 0 the division would overflow.
    steep = PRESENT / threshold if threshold > 2**-100 else 0.0
    below = (values * steep).clamp(max=PRESENT)
    above = PRESENT + (values - threshold) * (PRESENT / (1.0 - threshold))
    # Rounding must not bring what is above its threshold back to one half.
    return torch.where(values > threshold, above.clamp(PRESENT + 2**-20, 1.0), below)


def _grown(values: Tensor, modifiers: Modifiers, pixel: float) -> Tensor:
    reach = radius(modifiers, pixel)
    if reach == 0:
        return values
    return dilate(values, reach) if modifiers.grow > 0 else -dilate(-values, reach)


def dilate(values: Tensor, reach: int) -> Tensor:
    """Largest value within a distance, over a disk.

    Parameters
    ----------
    values : Tensor
        Shape (rows, columns).
    reach : int
        Radius in pixels.

    Returns
    -------
    Tensor
        The same shape.
    """
    rows, columns = values.shape
    table = F.pad(values, (reach, reach, reach, reach), value=-math.inf)
    length = 1  # the table holds the largest of so many values from each place to the right
    result = values
    # A disk is a stack of lines, here from its shortest at the top and bottom to the middle. The
    # largest value of a line is that of two halves that may overlap.
    for offset in range(reach, -1, -1):
        half = math.isqrt(reach * reach - offset * offset)
        while 2 * length <= 2 * half + 1:
            table = torch.maximum(table[:, :-length], table[:, length:])
            length *= 2
        left, right = reach - half, reach + half + 1 - length
        for row in {reach - offset, reach + offset}:
            lines = table[row : row + rows]
            line = torch.maximum(lines[:, left : left + columns], lines[:, right : right + columns])
            result = torch.maximum(result, line)
    return result
