"""How well a classified raster agrees with a reference."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import RasterError
from ..raster.gdal_files import open_raster

ROWS = 512


@dataclass(frozen=True)
class Score:
    """Agreement on one class.

    Parameters
    ----------
    name : str
    value : int
        Pixel value, the same in both rasters.
    both, either, predicted, true : int
        Pixels of the class in both rasters, in any of them, in the result, in the reference.
    """

    name: str
    value: int
    both: int
    either: int
    predicted: int
    true: int

    @property
    def iou(self) -> float:
        """Intersection over union, counted over the whole raster; NaN if neither has the class."""
        return self.both / self.either if self.either else float("nan")

    @property
    def precision(self) -> float:
        """Part of the result that is right."""
        return self.both / self.predicted if self.predicted else float("nan")

    @property
    def recall(self) -> float:
        """Part of the reference that was found."""
        return self.both / self.true if self.true else float("nan")


def score(
    result: str | Path, reference: str | Path, classes: dict[str, tuple[int, int]]
) -> list[Score]:
    """Compare two rasters on the same grid.

    Parameters
    ----------
    result, reference : path
        Single band rasters of the same size.
    classes : dict
        Class name to its value in the result and in the reference.

    Returns
    -------
    list of Score
        Pixels that are NoData in either raster do not count.

    Raises
    ------
    RasterError
        The rasters do not fit.
    """
    ours, theirs = (open_raster(str(path)) for path in (result, reference))
    sizes = [(dataset.RasterXSize, dataset.RasterYSize) for dataset in (ours, theirs)]
    if sizes[0] != sizes[1]:
        raise RasterError(
            f"{result} has {sizes[0][0]} by {sizes[0][1]} pixels and {reference} "
            f"{sizes[1][0]} by {sizes[1][1]}: they must lie on the same grid"
        )
    totals = {name: np.zeros(4, np.int64) for name in classes}
    for row in range(0, sizes[0][1], ROWS):
        window = (0, row, sizes[0][0], min(ROWS, sizes[0][1] - row))
        bands = [dataset.GetRasterBand(1) for dataset in (ours, theirs)]
        try:
            predicted, true = (band.ReadAsArray(*window) for band in bands)
            valid = np.logical_and(*(b.GetMaskBand().ReadAsArray(*window) > 0 for b in bands))
        except RuntimeError as error:
            raise RasterError(f"{result} or {reference} cannot be read: {error}") from error
        for name, (value, reference_value) in classes.items():
            p, t = (predicted == value) & valid, (true == reference_value) & valid
            totals[name] += [(p & t).sum(), (p | t).sum(), p.sum(), t.sum()]
    return [
        Score(name, classes[name][0], *(int(number) for number in numbers))
        for name, numbers in totals.items()
    ]
