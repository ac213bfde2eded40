"""Reference masks from the near infrared and short-wave bands that the network never sees.

Each rule takes bands and gives one label per concept and pixel: 1 (the concept is there), 0 (it is
not) or `UNKNOWN` (the rule cannot tell; such pixels count neither in training nor in a figure).
The rules for water and vegetation are the usual indices; the others are made for this scene, by
looking at it, and prove nothing about other places.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage  # type: ignore[import-untyped, unused-ignore]

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
Labels = NDArray[np.uint8]

UNKNOWN = 255

CONCEPTS = (
    "water",
    "vegetation",
    "forest",
    "cropland",
    "bare ground",
    "built-up",
    "sand",
    "marsh",
    "cloud",
    "snow",
)
"""The concepts, in the order of the label arrays' first axis."""

RULES = {
    "water": "MNDWI = (B03 - B11) / (B03 + B11) > 0",
    "vegetation": "NDVI = (B08 - B04) / (B08 + B04) > 0.5",
    "forest": "NDVI > 0.4, B03 (median of 5x5) < 0.08, no water",
    "cropland": "NDVI > 0.5, B03 (median of 5x5) >= 0.08, no water",
    "bare ground": "NDVI < 0.4, B11 > 0.19, B04 > 0.095, no water, built-up or sand (5x5 majority)",
    "built-up": "more than 14 % of the surroundings (Gauss, sigma 5 pixels) are small bright "
    "things: B02 more than 0.013 above its opening by 9x9, NDVI < 0.5, MNDWI < 0.15, B11 / B02 "
    "< 1.9; not beside open water or sand; patches of 1 ha or more",
    "sand": "NDVI < 0.2, MNDWI < 0.05, mean of B02, B03, B04 > 0.13, in a patch over 50 ha",
    "marsh": "MNDWI > -0.15, NDVI from -0.15 to 0.45, B08 from 0.035 to 0.14, B04 < 0.075 "
    "(5x5 majority)",
    "cloud": "Landsat 8: red, green and blue reflectance all over 0.1, at most 0.04 apart (median "
    "of 3x3)",
    "snow": "red, green and blue of the aerial picture all over 165, at most 45 apart",
}
"""What each concept means here, in words; reflectances from 0 to 1."""


def empty_labels(height: int, width: int) -> Labels:
    """Return labels, shape (concept, height, width), that are all `UNKNOWN`."""
    return np.full((len(CONCEPTS), height, width), UNKNOWN, dtype=np.uint8)


def index(concept: str) -> int:
    """Return the place of a concept in `CONCEPTS`."""
    return CONCEPTS.index(concept)


def sentinel2(rgbn: Array, swir: Array) -> Labels:
    """Label a Sentinel-2 scene without clouds or snow.

    Parameters
    ----------
    rgbn : array of float32, shape (4, height, width)
        B04, B03, B02, B08: top-of-atmosphere reflectance times 10,000.
    swir : array of float32, shape (height, width)
        B11 on the grid of the other bands.

    Returns
    -------
    array of uint8, shape (concept, height, width)
        Labels by `RULES`.
    """
    red, green, blue, nir = rgbn
    mndwi = _ratio(green, swir)
    ndvi = _ratio(nir, red)
    water = mndwi > 0
    calm_green = ndimage.median_filter(green, 5)
    sand = _sand(rgbn, ndvi, mndwi)
    beach = ndimage.binary_dilation(sand, iterations=12)
    built = _built_up(blue, swir, ndvi, mndwi, beach)
    labels = empty_labels(*red.shape)
    masks = {
        "water": water,
        "vegetation": ndvi > 0.5,
        "forest": (ndvi > 0.4) & (calm_green < 800) & ~water,
        "cropland": (ndvi > 0.5) & (calm_green >= 800) & ~water,
        "bare ground": _majority(
            (ndvi < 0.4) & (swir > 1900) & (red > 950) & ~water & ~built & ~beach
        ),
        "built-up": built,
        "sand": sand,
        "marsh": _majority(
            (mndwi > -0.15)
            & (ndvi > -0.15)
            & (ndvi < 0.45)
            & (nir > 350)
            & (nir < 1400)
            & (red < 750)
        ),
        "cloud": np.zeros_like(water),
        "snow": np.zeros_like(water),
    }
    for concept, mask in masks.items():
        labels[index(concept)] = mask
    return labels


def landsat8(rgbn: Array) -> Labels:
    """Label a Landsat 8 scene with clouds and no snow.

    Parameters
    ----------
    rgbn : array of float32, shape (4, height, width)
        B4, B3, B2, B5 as delivered (Collection level 1 numbers).

    Returns
    -------
    array of uint8, shape (concept, height, width)
        ``cloud`` by brightness, with `UNKNOWN` for thin ones, and ``vegetation`` by NDVI where the
        sky is clear and the index is far from its threshold.
    """
    # The factors of every Landsat 8 reflectance band (USGS, product guide).
    red, green, blue, nir = rgbn * np.float32(2e-5) - np.float32(0.1)
    ndvi = _ratio(nir, red)
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    lowest = ndimage.median_filter(np.minimum(np.minimum(red, green), blue), 3)
    spread = ndimage.median_filter(spread, 3)
    cloud = (lowest > 0.1) & (spread < 0.04)
    hazy = ndimage.binary_dilation(lowest > 0.075, iterations=2)
    labels = empty_labels(*red.shape)
    labels[index("cloud")] = np.where(cloud, 1, np.where(lowest > 0.075, UNKNOWN, 0))
    labels[index("water")] = np.where(ndvi > 0.2, 0, UNKNOWN)
    labels[index("bare ground")] = np.where(cloud | (ndvi > 0.6), 0, UNKNOWN)
    lush = np.where(ndvi > 0.65, 1, np.where(ndvi < 0.3, 0, UNKNOWN))
    labels[index("vegetation")] = np.where(cloud, 0, np.where(hazy, UNKNOWN, lush))
    for concept in ("sand", "snow"):
        labels[index(concept)] = 0
    for concept in ("built-up", "forest", "cropland", "marsh"):
        labels[index(concept)][cloud] = 0
    return labels


def bahamas(rgb: Array, valid: Mask) -> Labels:
    """Label a Landsat picture of a tropical sea with clouds, from its colours alone.

    Parameters
    ----------
    rgb : array of float32, shape (3, height, width)
        Red, green, blue, 0 to 255.
    valid : array of bool, shape (height, width)
        False outside the footprint.

    Returns
    -------
    array of uint8, shape (concept, height, width)
        ``water`` (blue or green clearly over red) and ``cloud`` (bright); doubtful pixels are
        `UNKNOWN`.
    """
    red, green, blue = rgb
    lowest = np.minimum(np.minimum(red, green), blue)
    cloud = lowest > 165
    fringe = ndimage.binary_dilation(lowest > 95, iterations=2)
    green_over_red = ndimage.uniform_filter(green - red, 3)
    blue_over_red = ndimage.uniform_filter(blue - red, 3)
    sea = ((green_over_red > 9) | (blue_over_red > 5)) & ~fringe
    land = (green_over_red < 6) & (blue_over_red < -4) & ~fringe
    labels = empty_labels(*red.shape)
    labels[index("water")] = np.where(sea, 1, np.where(cloud | land, 0, UNKNOWN))
    labels[index("cloud")] = np.where(cloud, 1, np.where(fringe, UNKNOWN, 0))
    for concept in ("vegetation", "forest", "cropland", "bare ground", "built-up"):
        labels[index(concept)] = np.where(sea | cloud, 0, UNKNOWN)
    labels[index("marsh")] = np.where(cloud, 0, UNKNOWN)
    labels[index("snow")] = 0
    labels[:, ~valid] = UNKNOWN
    return labels


def snowy_forest(rgb: Array) -> Labels:
    """Label an aerial picture of snow, forest and a road, from its colours alone.

    Parameters
    ----------
    rgb : array of float32, shape (3, height, width)
        Red, green, blue, 0 to 255.

    Returns
    -------
    array of uint8, shape (concept, height, width)
        ``snow``, ``forest`` (wide dark patches), ``bare ground`` (brown); no water at all.
    """
    red, green, blue = rgb
    lowest = np.minimum(np.minimum(red, green), blue)
    highest = np.maximum(np.maximum(red, green), blue)
    snow = (lowest > 165) & (highest - lowest < 45)
    dark = ndimage.binary_closing(highest < 115, iterations=4)
    forest = _patches(ndimage.binary_opening(dark, np.ones((21, 21))), 20_000)
    brown = _majority((red - blue > 28) & (red > 100) & (red < 225))
    labels = empty_labels(*red.shape)
    labels[index("snow")] = np.where(snow, 1, np.where((lowest > 120) & ~brown, UNKNOWN, 0))
    labels[index("forest")] = np.where(forest, 1, np.where(snow | brown, 0, UNKNOWN))
    labels[index("vegetation")] = np.where(snow | brown, 0, UNKNOWN)
    labels[index("bare ground")] = np.where(brown & ~forest, 1, np.where(snow, 0, UNKNOWN))
    for concept in ("water", "marsh", "cloud", "cropland"):
        labels[index(concept)] = 0
    labels[index("sand")] = np.where(snow, 0, UNKNOWN)
    labels[index("built-up")] = np.where(snow | forest, 0, UNKNOWN)
    return labels


def dry_trees(rgb: Array) -> Labels:
    """Label an aerial picture of trees on sandy soil, from its colours alone.

    Parameters
    ----------
    rgb : array of float32, shape (3, height, width)
        Red, green, blue, 0 to 255.

    Returns
    -------
    array of uint8, shape (concept, height, width)
        ``vegetation`` and ``forest`` (green), ``bare ground`` (bright and not green).
    """
    red, green, blue = (ndimage.uniform_filter(band, 3) for band in rgb)
    greenness = 2 * green - red - blue
    labels = empty_labels(*red.shape)
    soil = (greenness < 8) & (red > 125)
    for concept in ("vegetation", "forest"):
        labels[index(concept)] = np.where(greenness > 30, 1, np.where(greenness < 8, 0, UNKNOWN))
    labels[index("bare ground")] = np.where(soil, 1, np.where(greenness > 30, 0, UNKNOWN))
    for concept in ("water", "marsh", "cloud", "snow", "built-up"):
        labels[index(concept)] = 0
    return labels


def _ratio(first: Array, second: Array) -> Array:
    """Return (first - second) / (first + second), 0 where both are 0."""
    total = first + second
    return np.where(total == 0, np.float32(0), (first - second) / np.where(total == 0, 1, total))


def _majority(mask: Mask) -> Mask:
    """Return what more than half of each pixel's 5x5 surroundings say."""
    return np.asarray(ndimage.uniform_filter(mask.astype(np.float32), 5) > 0.5)


def _patches(mask: Mask, smallest: int) -> Mask:
    """Return the connected patches of at least `smallest` pixels."""
    numbered, _ = ndimage.label(mask)
    sizes = np.bincount(numbered.ravel())
    sizes[0] = 0
    return np.asarray((sizes >= smallest)[numbered])


def _sand(rgbn: Array, ndvi: Array, mndwi: Array) -> Mask:
    """Return long bright beaches: bright roofs and quarries are small patches."""
    bright = (ndvi < 0.2) & (mndwi < 0.05) & (rgbn[:3].mean(axis=0) > 1300)
    core = ndimage.binary_dilation(ndimage.binary_opening(bright, np.ones((3, 3))))
    beach = _patches(core, 5000) & (mndwi < 0.05)
    return np.asarray(ndimage.binary_closing(beach, iterations=2))


def _built_up(blue: Array, swir: Array, ndvi: Array, mndwi: Array, beach: Mask) -> Mask:
    """Return where many small bright things (roofs, roads) stand close together."""
    raised = ndimage.white_tophat(blue, size=(9, 9)) > 130
    dry_roof = (ndvi < 0.5) & (mndwi < 0.15) & (swir / blue < 1.9)
    share = ndimage.gaussian_filter((raised & dry_roof & ~beach).astype(np.float32), 5)
    wide_water = ndimage.binary_opening(mndwi > 0.3, np.ones((5, 5))).astype(np.float32)
    inland = ndimage.gaussian_filter(wide_water, 8) < 0.3
    dense = (share > 0.14) & inland & ~beach & (ndvi < 0.6)
    return _patches(_majority(dense), 100)
