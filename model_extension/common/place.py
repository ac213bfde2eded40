"""Where a block lies in its raster, from what ArcGIS says of both."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .tiles import Place

# Corners are where pixels meet, but for the rounding of coordinates.
ROUNDING = 0.05


class RasterFrame(NamedTuple):
    """The raster's top left corner and cells in map units, and its size in pixels."""

    left: float
    top: float
    width: float
    height: float
    rows: int
    columns: int

    def place(self, tlc: Sequence[float], padding: int) -> Place | None:
        """Where a block lies; None if the corner given is none of a pixel of this raster.

        Parameters
        ----------
        tlc : (float, float)
            Map coordinates of the top left corner of the block without its padding.
        padding : int
            Pixels around it.
        """
        try:
            column, row = (tlc[0] - self.left) / self.width, (self.top - tlc[1]) / self.height
            if max(abs(column - round(column)), abs(row - round(row))) > ROUNDING:
                return None
        except (TypeError, ValueError, IndexError, OverflowError):  # not finite, or no numbers
            return None
        if not (0 <= round(row) < self.rows and 0 <= round(column) < self.columns):
            return None
        return Place(round(row) - padding, round(column) - padding, self.rows, self.columns)


def raster_frame(info: Mapping[str, Any]) -> RasterFrame | None:
    """Read the whole raster's place from its description (contract, section 7).

    The native extent is that of the whole raster, whatever part of it is processed; it is of use
    where the raster is processed in its own coordinate system.

    Parameters
    ----------
    info : mapping
        ``raster_info`` of ``updateRasterInfo``.

    Returns
    -------
    RasterFrame or None
        None if it does not say enough.
    """
    try:
        own = info.get("nativeSpatialReference") == info.get("spatialReference")
        left, bottom, right, top = map(
            float, info.get("nativeExtent" if own else "extent") or info["extent"]
        )
        width, height = (abs(float(side)) for side in info["cellSize"])
        columns, rows = (right - left) / width, (top - bottom) / height
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    if not (0.5 <= columns < math.inf and 0.5 <= rows < math.inf):
        return None
    return RasterFrame(left, top, width, height, round(rows), round(columns))
