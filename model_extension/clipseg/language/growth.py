"""How far phrases may grow or shrink."""

from __future__ import annotations

from ...common.errors import ArgumentError
from .nodes import Node, farthest, radius, reach

# Pixels around a block that phrases can grow into, if any phrase grows.
GROWTH = 64


def check_growth(nodes: tuple[Node, ...], pixel: float) -> None:
    """Check that nothing grows or shrinks further than there are pixels around a block.

    Parameters
    ----------
    nodes : tuple of Node
    pixel : float
        Side of a pixel on the ground in metres; infinite as long as that is not known.

    Raises
    ------
    ArgumentError
        Names the growth and the most that this raster allows.
    """
    for node in nodes:
        far = farthest(node, lambda modifiers: radius(modifiers, pixel))
        if far <= GROWTH:
            continue
        modifiers = max(reach(node), key=lambda modifiers: radius(modifiers, pixel))
        nested = far > radius(modifiers, pixel)
        amount, most = f"{abs(modifiers.grow):g} {modifiers.unit}", f"{GROWTH} px"
        if modifiers.unit == "px":
            amount = f"{far} px in all" if nested else amount
        else:
            pixels = f"{far} pixels of this raster"
            amount = f"{pixels} in all" if nested else f"{amount}, which is {pixels}"
            most = f"{GROWTH * pixel:g} {modifiers.unit} ({GROWTH} pixels)"
        advice = "grow by less"
        if modifiers.unit != "px":
            advice += ", or classify at a larger cell size"
        raise ArgumentError(
            f"text_prompt grows or shrinks something by {amount}; {most} are the most: {advice}"
        )
