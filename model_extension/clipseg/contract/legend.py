"""Names and colours of the classes, as the layer in ArcGIS shows them."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ...common import legend
from ..language.prompts import fold


class Color(NamedTuple):
    """Red, green and blue, 0 to 255 each."""

    red: int
    green: int
    blue: int


# What maps by convention show in a certain colour. The first word found in a prompt counts.
CONVENTIONS = {
    Color(31, 119, 205): ("water", "lake", "river", "sea", "ocean", "pond", "pool"),
    Color(44, 160, 44): ("vegetation", "tree", "trees", "forest", "wood", "woods"),
    Color(160, 210, 80): ("grass", "grassland", "meadow", "lawn", "pasture"),
    Color(240, 200, 70): ("crop", "crops", "field", "fields", "farmland"),
    Color(200, 160, 110): ("soil", "sand", "ground", "dirt", "beach", "desert"),
    Color(215, 60, 50): ("built-up", "building", "buildings", "house", "houses", "urban", "roof"),
    Color(90, 90, 100): ("road", "roads", "street", "pavement", "asphalt", "railroad"),
    Color(235, 240, 245): ("cloud", "clouds", "snow", "ice"),
}
# Sum of the channel differences from which two colours are told apart at a glance.
APART = 120
# What the rest of many classes choose from: neither near black nor near white.
LATTICE = np.array(
    [
        (red, green, blue)
        for red in range(0, 256, 15)
        for green in range(0, 256, 15)
        for blue in range(0, 256, 15)
        if 150 <= red + green + blue <= 690
    ]
)


def class_colors(names: Sequence[str]) -> list[Color]:
    """Distinct colours for classes.

    They depend on the set of names, not on its order: a prompt keeps its colour when others
    are listed before it.

    Parameters
    ----------
    names : sequence of str
        Distinct class names.

    Returns
    -------
    list of Color
        One per name, in the order given.
    """
    chosen: dict[str, Color] = {}
    ordered = sorted(names, key=lambda name: (fold(name), name))
    for name in ordered:
        color = _convention(name)
        if color is not None and _is_apart(color, chosen.values()):
            chosen[name] = color
    rest = [name for name in ordered if name not in chosen]
    for name, color in zip(rest, _free_colors(list(chosen.values()))):
        chosen[name] = color
    return [chosen[name] for name in names]


def _convention(name: str) -> Color | None:
    words = fold(name).replace("/", " ").split()
    for word in words:
        for color, meant in CONVENTIONS.items():
            if word in meant:
                return color
    return None


def _is_apart(color: Color, others: Iterable[Color]) -> bool:
    return all(sum(abs(a - b) for a, b in zip(color, other)) >= APART for other in others)


def _free_colors(taken: list[Color]) -> Iterator[Color]:
    """Yield colours that differ from those taken: bright ones first, then whatever is farthest."""
    for index in range(72):
        # Steps of the golden angle spread any number of hues evenly.
        hue = (0.83 + index * 0.61803398875) % 1.0
        value = (0.95, 0.7, 0.45)[index // 12 % 3]
        saturation = (0.8, 0.55)[index // 36]
        red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
        color = Color(round(red * 255), round(green * 255), round(blue * 255))
        if _is_apart(color, taken):
            taken.append(color)
            yield color
    nearest = np.min([np.abs(LATTICE - color).sum(axis=1) for color in taken], axis=0)
    while True:
        color = Color(*LATTICE[nearest.argmax()].tolist())
        nearest = np.minimum(nearest, np.abs(LATTICE - color).sum(axis=1))
        yield color


def attribute_table(names: Sequence[str]) -> str:
    """Raster attribute table for ``updateRasterInfo`` (contract, section 7).

    Parameters
    ----------
    names : sequence of str
        Class names; the first has value 1.

    Returns
    -------
    str
        A feature set as JSON: OID, Value, Class, Red, Green, Blue. Value 0, the background, is
        left out, so that the legend lists what was asked for.
    """
    rows = zip(names, class_colors(names))
    return legend.attribute_table((value, *row) for value, row in enumerate(rows, 1))
