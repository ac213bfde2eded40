"""What training makes small."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..scenes import NOTHING, UNKNOWN


@dataclass(frozen=True)
class Preset:
    """A recipe for what is learnt from.

    Parameters
    ----------
    terms : mapping
        Weights of the terms of the loss.
    negatives : float or None
        Share of the classes that are not in a view; None: every class counts as much.
    varied : bool
        Whether embeddings vary from update to update: see `.conditions.Conditions`.
    weighted : bool
        Whether rare classes weigh more.
    last_rate : float
        Share of the highest rate that is left in the end.
    """

    terms: Mapping[str, float]
    negatives: float | None = None
    varied: bool = False
    weighted: bool = True
    last_rate: float = 0.02


# `ours`: classes compete with each other and with nothing at all, whose logit is 0, so that the
# best probability and one half decide as in a run. The others are published recipes: the paper's,
# MedVLSM's, and one for clouds.
PRESETS: Mapping[str, Preset] = {
    "ours": Preset({"softmax": 1.0, "bce": 0.5, "dice": 1.0}),
    "paper": Preset({"bce": 1.0}, negatives=0.2, varied=True, weighted=False, last_rate=0.1),
    "dice-ce": Preset({"dice": 1.0, "bce": 0.2}),
    "focal-tversky": Preset({"focal": 0.8, "tversky": 1.0}),
}


def binary_cross_entropy(logits: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Mean binary cross-entropy, weighted; all of one shape, the truth 0 or 1."""
    each = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return (each * weight).sum() / weight.sum().clamp(min=1.0)


def loss_of(logits: Tensor, labels: Tensor, weights: Tensor, preset: str) -> Tensor:
    """Loss of masks.

    Parameters
    ----------
    logits : Tensor
        float32, shape (views, classes, height, width).
    labels : Tensor
        uint8, shape (views, height, width).
    weights : Tensor
        Of the classes and of nothing, shape (classes + 1,), mean 1 over the pixels.
    preset : str
        Of `PRESETS`.

    Returns
    -------
    Tensor
        One number; pixels that are `UNKNOWN` and, for Dice and Tversky, classes that are not there
        count for nothing: of an empty mask those would ask for more than can be had.
    """
    classes = logits.shape[1]
    number = torch.where(labels == NOTHING, torch.full_like(labels, classes), labels).long()
    known = labels != UNKNOWN
    number = number.masked_fill(~known, classes)
    truth = F.one_hot(number, classes + 1).movedim(-1, 1)[:, :classes].to(logits.dtype)
    weight = weights[number] * known
    total = weight.sum().clamp(min=1.0)
    loss = logits.new_zeros(())
    chosen = PRESETS[preset]
    for term, share in chosen.terms.items():
        if term == "softmax":
            nothing = torch.zeros_like(logits[:, :1])
            value = F.cross_entropy(torch.cat([logits, nothing], 1), number, reduction="none")
            value = (value * weight).sum() / total
        elif term == "bce":
            each = (weight[:, None] * _pairs(truth, chosen.negatives)).expand_as(logits)
            value = binary_cross_entropy(logits, truth, each) * min(classes, 2)
        elif term == "focal":
            each = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
            side = 0.75 * truth + 0.25 * (1 - truth)
            value = ((side * (1 - (-each).exp()) ** 2 * each).mean(1) * weight).sum() / total
        else:
            value = _overlap(logits, truth, known, 0.5 if term == "dice" else 0.3)
        loss = loss + share * value
    return loss


def _pairs(truth: Tensor, negatives: float | None) -> Tensor:
    """Weights of the classes of each view, mean 1: shape (views, classes, 1, 1)."""
    there = truth.amax((2, 3), keepdim=True) > 0
    if negatives is None:
        return torch.ones_like(there, dtype=truth.dtype)
    present = there.sum(1, keepdim=True)
    absent = truth.shape[1] - present
    share = torch.where(present == 0, 1.0, torch.where(absent == 0, 0.0, negatives))
    each = torch.where(there, (1 - share) / present.clamp(min=1), share / absent.clamp(min=1))
    return each * truth.shape[1]


def _overlap(logits: Tensor, truth: Tensor, known: Tensor, false_alarms: float) -> Tensor:
    """One minus Tversky's index; Dice at one half."""
    found = torch.cat([logits, torch.zeros_like(logits[:, :1])], 1).softmax(1)[:, :-1]
    found = found * known[:, None]
    axes = (0, 2, 3)
    both = (found * truth).sum(axes)
    alarms, missed = found.sum(axes) - both, truth.sum(axes) - both
    index = (both + 1) / (both + false_alarms * alarms + (1 - false_alarms) * missed + 1)
    there = truth.sum(axes) > 0
    return (1 - index)[there].mean() if bool(there.any()) else logits.sum() * 0


def class_weights(pixels: Tensor) -> Tensor:
    """Weights by how rare a class is, the square root of it, with mean 1 over the pixels.

    Parameters
    ----------
    pixels : Tensor
        Per class and for nothing, shape (classes + 1,).
    """
    share = (pixels / pixels.sum()).clamp(min=1e-3)
    weights = share**-0.5
    return weights / (weights * pixels / pixels.sum()).sum()
