"""What class expressions are made of, once they are read: see `clipseg.language.expressions`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Callable, Union

# In metres or pixels. No raster allows nearly as much; it keeps numbers finite.
FARTHEST = 1_000_000


@dataclass(frozen=True)
class Modifiers:
    """What braces say of a phrase or a group.

    Parameters
    ----------
    threshold : float or None
        Probability from which it counts as present; None for the run's.
    strength : float
        Factor on the probability.
    grow : float
        Distance to grow (above 0) or shrink (below 0).
    unit : str
        Of `grow`: ``m`` on the ground or ``px``.
    """

    threshold: float | None = None
    strength: float = 1.0
    grow: float = 0.0
    unit: str = "m"


PLAIN = Modifiers()


@dataclass(frozen=True)
class Phrase:
    """One thing to look for, in one or several phrasings."""

    texts: tuple[str, ...]
    modifiers: Modifiers = PLAIN


@dataclass(frozen=True)
class Group:
    """An expression in parentheses that has modifiers of its own."""

    inner: Node
    modifiers: Modifiers


@dataclass(frozen=True)
class Not:
    """What the inner expression is not."""

    inner: Node


@dataclass(frozen=True)
class And:
    """All parts at once."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Or:
    """Any of the parts."""

    parts: tuple[Node, ...]


Node = Union[Phrase, Group, Not, And, Or]


@dataclass(frozen=True)
class ClassExpression:
    """One class of the result.

    Parameters
    ----------
    name : str
        As the legend shows it: the name given, or the expression as the user wrote it.
    node : Node
        What it means.
    """

    name: str
    node: Node


def phrases(node: Node) -> Iterator[Phrase]:
    """Every phrase of an expression, from left to right."""
    if isinstance(node, Phrase):
        yield node
    elif isinstance(node, (Group, Not)):
        yield from phrases(node.inner)
    else:
        for part in node.parts:
            yield from phrases(part)


def reach(node: Node) -> list[Modifiers]:
    """Modifiers that grow or shrink something."""
    found = [node.modifiers] if isinstance(node, (Phrase, Group)) and node.modifiers.grow else []
    if isinstance(node, (Group, Not)):
        found += reach(node.inner)
    elif isinstance(node, (And, Or)):
        found += [modifiers for part in node.parts for modifiers in reach(part)]
    return found


def radius(modifiers: Modifiers, pixel: float) -> int:
    """How far a phrase grows or shrinks, in pixels, to the nearest whole one."""
    distance = abs(modifiers.grow)
    pixels = distance if modifiers.unit == "px" else distance / pixel
    return math.floor(min(pixels, FARTHEST) + 0.5)


def farthest(node: Node, radius: Callable[[Modifiers], int]) -> int:
    """How far away pixels can be that have a say in a pixel's score.

    What grows inside of something that grows adds up.

    Parameters
    ----------
    node : Node
    radius : callable
        Pixels that modifiers grow or shrink something by.
    """
    own = radius(node.modifiers) if isinstance(node, (Phrase, Group)) else 0
    if isinstance(node, (Group, Not)):
        return own + farthest(node.inner, radius)
    if isinstance(node, (And, Or)):
        return max(farthest(part, radius) for part in node.parts)
    return own
