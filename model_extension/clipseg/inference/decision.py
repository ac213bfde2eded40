"""From probabilities to classes: the best score above one half wins."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...common.tiles import Place
from ..contract.arguments import Arguments
from ..contract.definition import ModelDefinition
from ..language.growth import check_growth
from ..language.logic import PRESENT, Thresholds, class_score, key, probability, score
from ..language.nodes import Node, Phrase
from .segmenter import Segmenter


class BlockClassifier:
    """A loaded network and the arguments of a run: pixels in, classes or probabilities out.

    Parameters
    ----------
    segmenter : Segmenter
        Loaded, and told what to look for.
    arguments : Arguments
    """

    def __init__(self, segmenter: Segmenter, arguments: Arguments) -> None:
        self.segmenter = segmenter
        self.arguments = arguments

    def classify(
        self, pixels: np.ndarray, valid: np.ndarray, place: Place, pixel: float
    ) -> np.ndarray:
        """Classify a block.

        Parameters
        ----------
        pixels : ndarray
            Shape (3, rows, columns), 0 to 255, with the block's padding on each side.
        valid : ndarray
            bool, shape (rows, columns).
        place : Place
            Where they lie in the raster.
        pixel : float
            Side of a pixel on the ground in metres.

        Returns
        -------
        ndarray
            Without the padding: uint8, shape (1, rows, columns), or float32 probabilities with one
            band per class.
        """
        arguments = self.arguments
        probabilities = self.segmenter.probabilities(
            pixels,
            valid,
            place,
            padding=arguments.reach,
            tile_size=arguments.tile_size,
            overlap=2 * arguments.padding,
            batch_size=arguments.batch_size,
            scales=arguments.scales,
            views=arguments.views,
        )
        decide = class_probabilities if arguments.return_probability_raster else class_values
        result = decide(probabilities, arguments, self.segmenter.definition, pixel)
        result = result if result.dim() == 3 else result[None]
        margin = arguments.margin
        rows, columns = result.shape[-2:]
        result = result[:, margin : rows - margin, margin : columns - margin]
        kind = torch.float32 if arguments.return_probability_raster else torch.uint8
        return np.asarray(result.to(kind).cpu().numpy())


def class_values(
    probabilities: Tensor, arguments: Arguments, definition: ModelDefinition, pixel: float
) -> Tensor:
    """Class of every pixel.

    The class with the best score wins (see `clipseg.language.logic`); of equal scores that of the
    first class. It has to be above one half, which is to say above its threshold, and not below
    the best score of the background prompts. Where all are single phrases of one threshold,
    probabilities are compared themselves: scores would have the same order, but for rounding.

    Parameters
    ----------
    probabilities : Tensor
        Of the plan's concepts, shape (concepts, rows, columns).
    arguments : Arguments
    definition : ModelDefinition
        Calibrated thresholds.
    pixel : float
        Side of a pixel on the ground in metres.

    Returns
    -------
    Tensor
        uint8, shape (rows, columns): 1 for the first class, 0 for background.

    Raises
    ------
    ArgumentError
        Something grows further than the margin around blocks.
    """
    plan = arguments.plan
    thresholds = chosen_thresholds(arguments, definition)
    known = {texts: probabilities[place] for texts, place in plan.places.items()}
    nodes = (*plan.nodes, *plan.background)
    check_growth(nodes, pixel)
    level = common_threshold(nodes, thresholds)

    def rank(node: Node) -> Tensor:
        if level is not None and isinstance(node, Phrase):
            return probability(node, known, thresholds.strength(node))
        return class_score(node, known, thresholds, pixel)

    best = rank(plan.nodes[0])
    values = torch.ones_like(best, dtype=torch.uint8)
    for number, node in enumerate(plan.nodes[1:], 2):
        other = rank(node)
        better = other > best
        best = torch.where(better, other, best)
        values = values.masked_fill(better, number)
    if not arguments.predict_background:
        return values
    present = best > (PRESENT if level is None else level)
    for node in plan.background:
        present &= best >= rank(node)
    return values * present


def common_threshold(nodes: tuple[Node, ...], thresholds: Thresholds) -> float | None:
    """The threshold of single phrases that do not grow, if all have the same; else None."""
    found = {
        thresholds.of(node) if isinstance(node, Phrase) and not node.modifiers.grow else None
        for node in nodes
    }
    return found.pop() if len(found) == 1 else None


def class_probabilities(
    probabilities: Tensor, arguments: Arguments, definition: ModelDefinition, pixel: float
) -> Tensor:
    """One band per class: the probability of a single phrase, the score of an expression.

    Before what was calibrated for the class: these are what calibration starts from.

    Parameters
    ----------
    probabilities, arguments, definition, pixel
        As in `class_values`.

    Returns
    -------
    Tensor
        Shape (classes, rows, columns), 0 to 1.

    Raises
    ------
    ArgumentError
        Something grows further than the margin around blocks.
    """
    plan = arguments.plan
    thresholds = chosen_thresholds(arguments, definition)
    known = {texts: probabilities[place] for texts, place in plan.places.items()}
    check_growth(plan.nodes, pixel)
    return torch.stack(
        [
            probability(node, known, node.modifiers.strength)
            if isinstance(node, Phrase) and not node.modifiers.grow
            else score(node, known, thresholds, pixel)
            for node in plan.nodes
        ]
    )


def chosen_thresholds(arguments: Arguments, definition: ModelDefinition) -> Thresholds:
    """Thresholds of a run: who changes the argument means it for all prompts, calibrated or not."""
    changed = arguments.threshold != definition.threshold
    if changed:
        return Thresholds(arguments.threshold, {})
    return Thresholds(arguments.threshold, definition.thresholds, definition.strengths)


def calibration_note(arguments: Arguments, definition: ModelDefinition) -> str:
    """What the user has to know of calibrated values that are not used; empty if all are."""
    if not definition.thresholds:
        return ""
    if arguments.threshold != definition.threshold:
        return (
            f"calibrated thresholds are not used: threshold is {arguments.threshold:g}, not the "
            f"package's {definition.threshold:g}"
        )
    plan = arguments.plan
    without = [
        name
        for name, node in zip(plan.names, plan.nodes)
        if key(node) not in definition.thresholds
        and not (isinstance(node, Phrase) and node.modifiers.threshold is not None)
    ]
    if not without:
        return ""
    return (
        f"no calibrated threshold for {', '.join(map(repr, without[:5]))}"
        + (" and others" if len(without) > 5 else "")
        + f": {arguments.threshold:g} is used. The package has them for "
        + ", ".join(map(repr, sorted(definition.thresholds)[:20]))
    )
