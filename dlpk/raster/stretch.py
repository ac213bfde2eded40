"""Stretching pixel values to the range a model asks for, once for the whole raster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

# ArcGIS promises "the raster's actual range" (documentation of DataRange) and does not say how it
# finds it. Clipping half a percent at both ends is what ArcGIS Pro does for display: one bright
# roof then does not leave the rest of the scene black.
CLIPPED = 0.005


@dataclass(frozen=True)
class Stretch:
    """A linear stretch per band, the same for every block of a raster.

    Parameters
    ----------
    low, high : ndarray
        float64, shape (bands,): the values that become the ends of the range.
    data_range : (float, float)
        The range.
    """

    low: np.ndarray
    high: np.ndarray
    data_range: tuple[float, float]

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of stretched pixels: uint8 for the range 0 to 255, float32 for any other."""
        return np.dtype(np.uint8 if self.data_range == (0.0, 255.0) else np.float32)

    def band(self, index: int) -> Stretch:
        """The stretch of one band."""
        part = slice(index, index + 1)
        return Stretch(self.low[part], self.high[part], self.data_range)

    def apply(self, pixels: np.ndarray) -> np.ndarray:
        """Stretch a block.

        Parameters
        ----------
        pixels : ndarray
            Shape (bands, rows, columns), any real type.

        Returns
        -------
        ndarray
            The same shape, clipped to the range. Values that are not finite become its low end.
        """
        bottom, top = self.data_range
        # float32 would not hold all 32-bit integers.
        wide = pixels.dtype.itemsize > 2 and pixels.dtype != np.float32
        values: np.ndarray[Any, np.dtype[np.floating[Any]]]
        values = pixels.astype(np.float64 if wide else np.float32)
        shape = (-1, 1, 1)
        span = np.where(self.high > self.low, self.high - self.low, 1.0)
        factor = ((top - bottom) / span).astype(values.dtype).reshape(shape)
        values -= self.low.astype(values.dtype).reshape(shape)
        values *= factor
        values += values.dtype.type(bottom)
        np.nan_to_num(values, copy=False, nan=bottom, posinf=top, neginf=bottom)
        np.clip(values, bottom, top, out=values)
        return (np.rint(values, out=values) if self.dtype == np.uint8 else values).astype(
            self.dtype
        )


def find_range(values: np.ndarray, method: str) -> tuple[float, float]:
    """The values of one band that a stretch maps to the ends of the range.

    Parameters
    ----------
    values : ndarray
        Valid pixels of the band, in any shape.
    method : str
        ``percent-clip`` (half a percent of the pixels lie beyond each end) or ``minmax``.

    Returns
    -------
    (float, float)
        0 and 1 when there is no valid pixel.
    """
    values = values[np.isfinite(values)] if values.dtype.kind == "f" else values.ravel()
    if values.size == 0:
        return 0.0, 1.0
    if method == "minmax":
        return float(values.min()), float(values.max())
    below = int(values.size * CLIPPED)
    above = values.size - 1 - below
    parts = np.partition(values, (below, above))
    if parts[below] == parts[above]:  # a few bright pixels on an even ground
        return float(values.min()), float(values.max())
    return float(parts[below]), float(parts[above])
