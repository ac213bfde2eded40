"""Reading example images with what is at hand inside ArcGIS: numpy, the standard library, arcpy."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...common.errors import ImageError
from .png import MOST_PIXELS, decode_png


def read_image(path: str, bands: Sequence[int] = (0, 1, 2)) -> np.ndarray:
    """Read an image.

    ``.npy`` files and PNG files of up to 8 bits are read here; whatever else ArcGIS opens, through
    ``arcpy``, where that is (inside ArcGIS, and in the harness).

    Parameters
    ----------
    path : str
    bands : sequence of int
        0-based bands of a raster of more than three that are red, green and blue.

    Returns
    -------
    ndarray
        uint8, shape (bands, rows, columns); 3 bands, or 4 with the last as mask.

    Raises
    ------
    ImageError
        It cannot be read, or is not an image of 8 bits.
    """
    try:
        pixels = _pixels(path, bands)
        return _checked(pixels)
    except ImageError as error:
        raise ImageError(f"the example image {path} {error}") from error
    except Exception as error:  # what numpy and arcpy raise on files of any content
        raise ImageError(f"the example image {path} cannot be read: {error}") from error


def read_mask(path: str) -> np.ndarray:
    """Read a mask: bool, shape (rows, columns), True where any colour is not 0.

    Raises
    ------
    ImageError
        See `read_image`.
    """
    return np.asarray(read_image(path)[:3].max(axis=0) > 0)


def _pixels(path: str, bands: Sequence[int]) -> np.ndarray:
    kind = os.path.splitext(path)[1].lower()
    arcpy: Any = sys.modules.get("arcpy")
    through_arcpy = kind not in (".png", ".npy") and hasattr(arcpy, "RasterToNumPyArray")
    # What arcpy opens need not be a file: datasets of a geodatabase have paths as well.
    if not through_arcpy and not os.path.isfile(path):
        raise ImageError("does not exist")
    if kind == ".npy":
        # Mapped, so that a header that promises more than the file holds takes no memory.
        return np.lib.format.open_memmap(path, mode="r")
    if kind == ".png":
        with open(path, "rb") as file:
            data = file.read()
        try:
            return decode_png(data)
        except ImageError as error:
            raise ImageError(f"cannot be read: {error}") from error
    if not through_arcpy:
        raise ImageError("cannot be read: outside ArcGIS, examples are PNG (8 bit) or .npy files")
    pixels = np.asarray(arcpy.RasterToNumPyArray(path))
    if pixels.ndim == 3 and len(pixels) > 3:
        # The fourth band of a raster is more often infrared than a mask.
        return pixels[list(bands if max(bands) < len(pixels) else (0, 1, 2))]
    return pixels[:1] if pixels.ndim == 3 and len(pixels) == 2 else pixels


def _checked(pixels: np.ndarray) -> np.ndarray:
    if pixels.ndim == 2:
        pixels = pixels[None]
    if pixels.ndim != 3 or 0 in pixels.shape:
        raise ImageError(
            f"has shape {list(pixels.shape)}: it must be (bands, rows, columns) or (rows, columns)"
        )
    if pixels.shape[0] > 4:
        raise ImageError(f"has {pixels.shape[0]} bands: it must have 1 or 3, and perhaps a mask")
    if pixels.shape[1] * pixels.shape[2] > MOST_PIXELS:
        raise ImageError(
            f"has {pixels.shape[2]} by {pixels.shape[1]} pixels: cut out what it is an example of"
        )
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype != np.uint8:
        raise ImageError(f"has pixels of type {pixels.dtype}: convert it to 8 bit")
    if len(pixels) in (1, 2):  # gray, perhaps with a mask
        pixels = np.concatenate([np.repeat(pixels[:1], 3, axis=0), pixels[1:]])
    return np.array(pixels)
