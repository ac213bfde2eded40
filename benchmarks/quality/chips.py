"""Cuts the 17 images of `benchmarks.quality.drift` from the scenes that they come from.

    python -m benchmarks.quality.chips SCENES

By rule, not by result: the middle of the fifth scene of each group, of every sixteenth tile, and of
single scenes; the middle square of photos of scikit-image, resized.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from osgeo import gdal
from skimage import data, transform

SIDE = 352
SINGLE = (
    "sentinel2_chesapeake_10m_rgbn_uint16.tif",
    "landsat8_cloudy_30m_rgbn_uint16.tif",
    "aerial_trees_10cm.tif",
    "aerial_snow_forest_road_cog.tif",
)
PHOTOS = ("astronaut", "chelsea", "coffee", "rocket")


def middle(image: np.ndarray) -> np.ndarray:
    """The middle of an image, (3, rows, columns), stretched to 8 bits if it has more."""
    image = image[:3]
    if image.dtype != np.uint8:
        low, high = (
            np.percentile(image.reshape(3, -1), q, axis=1)[:, None, None] for q in (0.5, 99.5)
        )
        image = (np.clip((image - low) / (high - low), 0, 1) * 255).round().astype(np.uint8)
    row, column = ((side - SIDE) // 2 for side in image.shape[1:])
    return image[:, row : row + SIDE, column : column + SIDE]


def photo(name: str) -> np.ndarray:
    """The middle square of a photo, resized."""
    image = getattr(data, name)()
    side = min(image.shape[:2])
    row, column = ((length - side) // 2 for length in image.shape[:2])
    square = image[row : row + side, column : column + side]
    small = transform.resize(square, (SIDE, SIDE), preserve_range=True, anti_aliasing=True)
    return np.moveaxis(small.round().astype(np.uint8), -1, 0)


def main(scenes: Path) -> None:
    """Cut and write them."""
    gdal.UseExceptions()
    dubai = [sorted(scenes.glob(f"labelled/dubai/images/t{group}_*"))[4] for group in range(1, 7)]
    banepa = sorted(scenes.glob("labelled/banepa/images/*"))[:48:16]
    files = [*dubai, *banepa, *(scenes / name for name in SINGLE)]
    above = [middle(gdal.Open(str(file)).ReadAsArray()) for file in files]
    chips = np.stack([*above, *map(photo, PHOTOS)])
    names = np.array([*(file.stem for file in files), *PHOTOS])
    shown = np.arange(len(chips)) < len(above)
    np.savez_compressed(
        Path(__file__).with_name("chips.npz"), chips=chips, names=names, above=shown
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
