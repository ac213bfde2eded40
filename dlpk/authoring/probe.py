"""What a network answers to tiles of which sizes, and that its export answers the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import AuthoringError

if TYPE_CHECKING:
    import torch

TOLERANCE = 1e-4
DEFAULT_TILE = 512
# Sides of tiles are tried as multiples of these, in this order.
UNITS = (32, 64, 128, 16, 8, 4, 2, 1)

Call = Callable[["torch.Tensor"], Any]


@dataclass(frozen=True)
class Answers:
    """What is known of a network after asking it."""

    outputs: int
    stride: float
    probabilities: bool
    """They are probabilities that add up to one already."""


def tiles(bands: int, rows: int, columns: int, count: int = 1) -> torch.Tensor:
    """Normalised tiles with coarse and fine structure; the same each time."""
    import torch
    import torch.nn.functional as F

    source = torch.Generator().manual_seed(rows * 10_007 + columns)
    coarse = torch.randn((count, bands, 6, 6), generator=source)
    fine = torch.randn((count, bands, rows, columns), generator=source)
    large = F.interpolate(coarse, size=(rows, columns), mode="bilinear", align_corners=False)
    return large + 0.3 * fine


def ask(call: Call, bands: int, tile_size: int) -> Answers:
    """Look at what a network answers to one tile.

    Raises
    ------
    AuthoringError
        It does not take such a tile, or the answer is no value per pixel.
    """
    import torch

    from model_extension.pixelwise.network import main_output

    images = tiles(bands, tile_size, tile_size)
    try:
        with torch.no_grad():
            answer = main_output(call(images))
    except Exception as error:  # whatever the network raises
        raise AuthoringError(
            f"the model does not take tiles of shape {tuple(images.shape)}: {_reason(error)} "
            "(bands and tile size can be given)"
        ) from error
    if not isinstance(answer, torch.Tensor) or answer.dim() != 4 or len(answer) != 1:
        shape = tuple(answer.shape) if isinstance(answer, torch.Tensor) else type(answer).__name__
        raise AuthoringError(
            f"the model answers {tuple(images.shape)} with {shape}: a network for pixels answers "
            "with (tiles, classes, rows, columns)"
        )
    if not answer.is_floating_point():
        raise AuthoringError(
            "the model answers with whole numbers: export it without its last step, argmax, so "
            "that overlapping tiles can be blended"
        )
    rows, columns = answer.shape[2:]
    if rows != columns or not 1 <= rows <= tile_size:
        raise AuthoringError(
            f"the model answers tiles of {tile_size} pixels with {rows} by {columns} values: a "
            "network for pixels keeps the shape, or reduces it"
        )
    total = answer.sum(1)
    sums = bool((total - 1).abs().max() < 1e-3) and answer.shape[1] > 1
    return Answers(
        outputs=int(answer.shape[1]),
        stride=tile_size / rows,
        probabilities=sums and float(answer.min()) >= 0,
    )


def difference(one: Call, other: Call, images: torch.Tensor) -> float:
    """Largest difference of the answers, as a part of their size where that is above 1.

    Infinite if one of them does not take these tiles, or their answers are of different shapes.
    """
    import torch

    from model_extension.pixelwise.network import main_output

    try:
        with torch.no_grad():
            first, second = main_output(one(images)).double(), main_output(other(images)).double()
    except Exception:  # whatever the network raises
        return float("inf")
    if first.shape != second.shape or not torch.isfinite(first - second).all():
        return float("inf")
    return float((first - second).abs().max()) / max(1.0, float(first.abs().max()))


def size_unit(original: Call, exported: Call, bands: int, answers: Answers, tile_size: int) -> int:
    """What sides of tiles have to be multiples of; the tile's side itself if they are fixed."""
    for unit in UNITS:
        fits = tile_size % unit == 0 and unit < tile_size
        if fits and takes(original, exported, bands, answers, unit):
            return unit
    return tile_size


def takes(original: Call, exported: Call, bands: int, answers: Answers, unit: int) -> bool:
    """Whether sides of tiles may be any multiple of a number."""
    import torch

    from model_extension.pixelwise.network import main_output

    least = max(1, -(-64 // unit))
    sizes = (least * unit, (least + 1) * unit)
    images = tiles(bands, *sizes)
    if difference(original, exported, images) > TOLERANCE:
        return False
    with torch.no_grad():
        found = main_output(exported(images)).shape[2:]
    return all(abs(side / answers.stride - there) < 1 for side, there in zip(sizes, found))


def _reason(error: Exception) -> str:
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    # Of errors out of TorchScript the last line says what is wrong.
    return (lines[-1] if lines else type(error).__name__).strip()[:300]
