"""Example images made ready for the image encoder ("visual prompt engineering").

Lüddecke and Ecker, section 3 and table 2: an example works best when the object is shown large, on
a background that is blurred and darkened. All of it happens after normalisation, as in the authors'
code: a background at 10 % tends to the mean colour of ImageNet, not to black.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ...common.errors import ImageError
from ..language.recipes import Recipe

KERNEL = 15


def prepare(
    image: Tensor, mask: Tensor, recipe: Recipe, size: int, mean: Tensor, std: Tensor
) -> Tensor:
    """Make an example ready for the image encoder.

    Parameters
    ----------
    image : Tensor
        Normalised, shape (3, rows, columns).
    mask : Tensor
        0 or 1, shape (rows, columns); 1 on the object.
    recipe : Recipe
    size : int
        Side of the result in pixels.
    mean, std : Tensor
        Of the normalisation, shape (3, 1, 1); dyeing and outlining need the true colours.

    Returns
    -------
    Tensor
        Shape (3, size, size).

    Raises
    ------
    ImageError
        The mask is empty or of another size.
    """
    check_mask(image, mask)
    mask = mask.to(image.dtype)
    behind = gaussian_blur(image, recipe.blur) if recipe.blur else image
    shown = image * mask + recipe.background * behind * (1 - mask)
    if recipe.mark == "red":
        weights = torch.tensor([0.299, 0.587, 0.114], dtype=image.dtype, device=image.device)
        gray = (weights.view(3, 1, 1) * (image * std + mean).clamp(0, 1)).sum(0)
        red = torch.tensor([1.0, 0.2, 0.2], dtype=image.dtype, device=image.device).view(3, 1, 1)
        shown = ((red * gray * mask + gray * (1 - mask)) - mean) / std
    elif recipe.mark == "outline":
        line = outline(mask)
        red = torch.tensor([1.0, 0.0, 0.0], dtype=image.dtype, device=image.device).view(3, 1, 1)
        colors = (image * std + mean).clamp(0, 1)
        shown = ((red * line + colors * (1 - line)) - mean) / std
    if recipe.context is not None:
        shown = pad_to_square(crop_to(shown, mask, recipe.context))
    return F.interpolate(shown[None], (size, size))[0]  # nearest, as the authors do


def check_mask(image: Tensor, mask: Tensor) -> None:
    """Check that a mask, shape (rows, columns), fits its image, shape (3, rows, columns).

    Raises
    ------
    ImageError
        The mask is empty or of another size.
    """
    if mask.shape != image.shape[1:]:
        raise ImageError(
            f"the mask has {list(mask.shape)} rows and columns, its image {list(image.shape[1:])}"
        )
    if not bool(mask.any()):
        raise ImageError("the mask marks nothing: no pixel of it is above 0")


def gaussian_blur(image: Tensor, sigma: float) -> Tensor:
    """Blur with a 15 by 15 Gaussian; beyond the edge the image is mirrored.

    Parameters
    ----------
    image : Tensor
        Shape (3, rows, columns).
    sigma : float
        Standard deviation in pixels.

    Returns
    -------
    Tensor
        The same shape.
    """
    places = torch.arange(KERNEL, dtype=image.dtype, device=image.device) - KERNEL // 2
    kernel = torch.exp(-(places**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    rows, columns = image.shape[1:]
    half = KERNEL // 2
    # Mirroring as often as needed, so that images smaller than the kernel work too.
    image = image[:, _mirrored(rows, half, image.device)][
        :, :, _mirrored(columns, half, image.device)
    ]
    image = F.conv2d(image[:, None], kernel.view(1, 1, KERNEL, 1))
    return F.conv2d(image, kernel.view(1, 1, 1, KERNEL))[:, 0]


def _mirrored(length: int, around: int, device: torch.device) -> Tensor:
    places = torch.arange(-around, length + around, device=device)
    if length == 1:
        return torch.zeros_like(places)
    period = 2 * (length - 1)
    places = torch.remainder(places, period)
    return torch.where(places >= length, period - places, places)


def crop_to(image: Tensor, mask: Tensor, context: float) -> Tensor:
    """Cut out the object with part of its surroundings.

    Parameters
    ----------
    image : Tensor
        Shape (3, rows, columns).
    mask : Tensor
        Shape (rows, columns).
    context : float
        Part of the object's height above and below it, and of its width on its left and right.

    Returns
    -------
    Tensor
        Shape (3, fewer rows, fewer columns).
    """
    ranges = []
    for hit, length in ((mask.any(dim=1), mask.shape[0]), (mask.any(dim=0), mask.shape[1])):
        places = torch.nonzero(hit)[:, 0]
        first, end = int(places[0]), int(places[-1]) + 1
        extra = context * (end - first)
        ranges.append((int(max(0, first - extra)), int(min(length, end + extra))))
    (top, bottom), (left, right) = ranges
    return image[:, top:bottom, left:right]


def pad_to_square(image: Tensor) -> Tensor:
    """Add zeros, which are the mean colour, on both sides of the shorter direction."""
    rows, columns = image.shape[1:]
    missing = abs(rows - columns)
    before, after = missing // 2, missing - missing // 2
    return F.pad(image, (before, after, 0, 0) if rows > columns else (0, 0, before, after))


def shrink(image: Tensor, mask: Tensor, recipe: Recipe, size: int) -> tuple[Tensor, Tensor]:
    """Bring what is larger than the result to its size.

    The authors' images came at the size of the result. Of larger ones, taking the nearest pixel
    would leave a random few, and a blur of some pixels would not be seen.

    Parameters
    ----------
    image : Tensor
        Shape (3, rows, columns).
    mask : Tensor
        bool, shape (rows, columns), not empty.
    recipe : Recipe
        Says whether the whole image becomes the result, or the object.
    size : int
        Side of the result in pixels.

    Returns
    -------
    Tensor, Tensor
        Image and mask, as they were unless they are too large.
    """
    sides = [float(side) for side in image.shape[1:]]
    if recipe.context is not None:
        extents = [_extent(mask.any(dim=1)), _extent(mask.any(dim=0))]
        sides = [min(a, (1.0 + 2.0 * recipe.context) * b) for a, b in zip(sides, extents)]
    factor = size / max(sides)
    if factor >= 1.0:
        return image, mask
    rows, columns = (max(1, round(factor * side)) for side in image.shape[1:])
    shares = resize(mask[None].to(image.dtype), rows, columns)[0]
    # Half of what is most covered, as what is narrower than a pixel covers none by half.
    return resize(image, rows, columns), shares >= 0.5 * shares.max()


def _extent(hit: Tensor) -> int:
    places = torch.nonzero(hit)[:, 0]
    return int(places[-1]) + 1 - int(places[0])


def resize(image: Tensor, rows: int, columns: int) -> Tensor:
    """Resize an image, as the reference does with those it segments.

    Bilinear, over all the pixels that become one: a triangle as wide as the image shrinks, which
    is Pillow's filter of that name. torch has it too, but not in all the releases this runs on.

    Parameters
    ----------
    image : Tensor
        Shape (channels, any rows, any columns).
    rows, columns : int
        Of the result.

    Returns
    -------
    Tensor
        Shape (channels, rows, columns).
    """
    down = _triangles(image.shape[1], rows).to(image)
    across = _triangles(image.shape[2], columns).to(image)
    return down @ image @ across.T


def _triangles(length: int, size: int) -> Tensor:
    """Share of each of `length` pixels in each of `size`, shape (size, length)."""
    scale = length / size
    middles = (torch.arange(size, dtype=torch.float64) + 0.5) * scale
    places = torch.arange(length, dtype=torch.float64) + 0.5
    distances = (places[None] - middles[:, None]).abs() / max(scale, 1.0)
    weights = (1.0 - distances).clamp(min=0.0)
    return weights / weights.sum(dim=1, keepdim=True)


def outline(mask: Tensor) -> Tensor:
    """A line of five pixels along the edge of the object, shape of the mask."""
    inner = -F.max_pool2d(-mask[None, None], 3, stride=1, padding=1)[0, 0]
    edge = mask - inner
    return F.max_pool2d(edge[None, None], 5, stride=1, padding=2)[0, 0]
