"""Views of labelled scenes: what the network is shown, drawn once and for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from model_extension.common.symmetries import turned

from .scenes import UNKNOWN, Scene
from .split import Block, Split

# How much larger or smaller things may appear than they are in the data.
ZOOM = (0.7, 1.5)

# Scene, left, top, width and height of a part of it.
Home = tuple[int, int, int, int, int]


@dataclass(frozen=True)
class View:
    """A square of a scene, turned and coloured.

    Parameters
    ----------
    scene : int
    left, top, side : int
        In pixels of the scene; may reach beyond it.
    turn : int
        Symmetry of the square, 0 to 7.
    colour : int
        Seed of the change of colours; negative for none.
    block : int
        Which of the blocks it was drawn for.
    training : bool
    """

    scene: int
    left: int
    top: int
    side: int
    turn: int
    colour: int
    block: int
    training: bool


def draw_training(
    scenes: Sequence[Scene],
    split: Split,
    blocks: Sequence[Block],
    count: int,
    tile: int,
    seed: int,
) -> list[View]:
    """Draw views for training: every block as often, those with rare classes more often.

    Parameters
    ----------
    scenes : sequence of Scene
    split : Split
    blocks : sequence of Block
        Those of `split.training` to draw from.
    count : int
        How many.
    tile : int
        Side of what the network reads, in pixels.
    seed : int

    Returns
    -------
    list of View
    """
    random = np.random.default_rng(seed)
    shares = np.array([split.counts[block] for block in blocks], np.float64)
    present = shares / np.maximum(shares.sum(axis=0), 1)  # of a class, what lies in each block
    chance = 0.5 / len(blocks) + 0.5 * present.mean(axis=1)
    chance /= chance.sum()
    # Every block comes once before the rest is drawn by chance.
    order = np.append(
        random.permutation(len(blocks)), random.choice(len(blocks), max(0, count), p=chance)
    )[:count]
    places = [homes(scenes, split, block) for block in blocks]
    views = []
    for number, block in enumerate(order.tolist()):
        options = places[block]
        scene, left, top, width, height = options[int(random.integers(len(options)))]
        plain = number < len(blocks)
        zoom = 1.0 if plain else float(np.exp(random.uniform(*np.log(ZOOM))))
        side = max(8, round(tile / zoom))
        x, y = left + random.uniform(0, width), top + random.uniform(0, height)
        if plain:
            x, y = left + width / 2, top + height / 2
        views.append(
            View(
                scene,
                _inside(x - side / 2, side, scenes[scene].width),
                _inside(y - side / 2, side, scenes[scene].height),
                side,
                0 if plain else int(random.integers(8)),
                -1 if plain else int(random.integers(2**31)),
                block,
                True,
            )
        )
    return views


def draw_validation(scenes: Sequence[Scene], split: Split, tile: int) -> list[View]:
    """Views of all validation blocks, as they are."""
    return [
        centred(scenes, home, tile, number, training=False)
        for number, block in enumerate(split.validation)
        for home in homes(scenes, split, block)
    ]


def centred(scenes: Sequence[Scene], home: Home, tile: int, block: int, *, training: bool) -> View:
    """A view of a tile around the middle of what a scene has of a block, as it is."""
    scene, left, top, width, height = home
    x, y = left + width / 2 - tile / 2, top + height / 2 - tile / 2
    place = (_inside(x, tile, scenes[scene].width), _inside(y, tile, scenes[scene].height))
    return View(scene, *place, tile, 0, -1, block, training)


def show(
    view: View, scenes: Sequence[Scene], split: Split, tile: int, mean: Tensor, std: Tensor
) -> tuple[Tensor, Tensor]:
    """Read a view.

    Parameters
    ----------
    view : View
    scenes : sequence of Scene
    split : Split
        Labels of its other side are hidden.
    tile : int
        Side to bring it to.
    mean, std : Tensor
        Of the normalisation, shape (3, 1, 1).

    Returns
    -------
    pixels : Tensor
        float32, shape (3, tile, tile), normalised.
    labels : Tensor
        uint8, shape (tile, tile).
    """
    scene = scenes[view.scene]
    left, top = max(0, view.left), max(0, view.top)
    right = min(scene.width, view.left + view.side)
    bottom = min(scene.height, view.top + view.side)
    window = (left, top, right - left, bottom - top)
    source, found = scene.read(window)
    found = np.where(split.masked(scene, window, training=view.training), found, UNKNOWN)
    pixels = torch.from_numpy(source.astype(np.float32) / 255.0)
    labels = torch.from_numpy(found.astype(np.uint8))
    if view.colour >= 0:
        pixels = _coloured(pixels, view.colour)
    pixels = (pixels - mean) / std
    # Beyond the edge lies what a run has there: the mean colour.
    around = (
        left - view.left,
        view.left + view.side - right,
        top - view.top,
        view.top + view.side - bottom,
    )
    pixels = F.pad(pixels, around)
    labels = F.pad(labels, around, value=UNKNOWN)
    if view.side != tile:
        pixels = F.interpolate(
            pixels[None], (tile, tile), mode="bilinear", align_corners=False, antialias=True
        )[0]
        labels = F.interpolate(labels[None, None].float(), (tile, tile), mode="nearest")[0, 0]
    return (
        turned(pixels, view.turn).contiguous(),
        turned(labels.to(torch.uint8), view.turn).contiguous(),
    )


def _coloured(pixels: Tensor, seed: int) -> Tensor:
    """Another light, season or camera: gamma, channels, brightness, contrast, saturation."""
    random = np.random.default_rng(seed)

    def draw(spread: float, *shape: int) -> Tensor:
        return torch.from_numpy(np.exp(random.normal(0, spread, shape or (1, 1, 1)))).float()

    x = pixels.clamp(1e-4, 1) ** draw(0.25)
    x = x * draw(0.08, 3, 1, 1) * draw(0.15)
    x = x + torch.from_numpy(random.normal(0, 0.04, (3, 1, 1))).float()
    middle = x.mean()
    x = (x - middle) * draw(0.2) + middle
    grey = x.mean(dim=0, keepdim=True)
    return (grey + (x - grey) * draw(0.3)).clamp(0, 1)


def _inside(start: float, side: int, length: int) -> int:
    """Where a window begins that stays inside, or is in the middle where it is too long."""
    if side >= length:
        return (length - side) // 2
    return int(min(max(0, round(start)), length - side))


def homes(scenes: Sequence[Scene], split: Split, block: Block) -> list[Home]:
    """The parts of scenes that lie in a block."""
    ground, row, column = block
    found = []
    for number, scene in enumerate(scenes):
        if scene.place[0] != ground:
            continue
        x, y = round(scene.place[1]), round(scene.place[2])
        left, top = max(0, column * split.side - x), max(0, row * split.side - y)
        right = min(scene.width, (column + 1) * split.side - x)
        bottom = min(scene.height, (row + 1) * split.side - y)
        if left < right and top < bottom:
            found.append((number, left, top, right - left, bottom - top))
    return found
