"""A raster of classes, read in windows that may reach beyond it, with the names of its classes."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from osgeo import gdal

from ..errors import RasterError
from ..output.attribute_table import BACKGROUND, read_names
from ..raster.gdal_files import listening, open_raster

INTEGERS = {
    gdal.GDT_Byte,
    gdal.GDT_UInt16,
    gdal.GDT_Int16,
    gdal.GDT_UInt32,
    gdal.GDT_Int32,
    getattr(gdal, "GDT_Int8", -1),  # new in GDAL 3.7
}
# Values that no class has: what is left out, and what lies around the raster.
LEFT_OUT, OUTSIDE = -(1 << 40), -(1 << 41)


class ClassSource:
    """A raster of classes that is open for reading.

    Parameters
    ----------
    path : str
        Anything GDAL opens: one band of whole numbers.
    probability : str, optional
        A raster of the same pixels: one band, or one per class, in the order of the class values
        or named like the classes.
    background : bool
        Whether pixels of no class are to be polygons as well.

    Raises
    ------
    RasterError
        A raster cannot be opened, holds no classes, or the two do not fit together.
    """

    def __init__(self, path: str, *, probability: str | None, background: bool) -> None:
        self.path = path
        self.dataset = open_raster(path)
        self.width: int = self.dataset.RasterXSize
        self.height: int = self.dataset.RasterYSize
        self._band = self.dataset.GetRasterBand(1)
        kind = self._band.DataType
        if kind not in INTEGERS:
            raise RasterError(
                f"{path} holds {gdal.GetDataTypeName(kind)} numbers, and classes are whole "
                "numbers: name a classified raster (probabilities go to --probability)"
            )
        count = self.dataset.RasterCount
        alpha = self.dataset.GetRasterBand(count).GetColorInterpretation() == gdal.GCI_AlphaBand
        if count - alpha != 1:
            raise RasterError(
                f"{path} has {count} bands, and a raster of classes has one: it may be an image"
            )
        self.names = read_names(self.dataset)
        # The raster, and the band of each class; None: one band for all.
        self._probability: tuple[Any, dict[int, int] | None] | None = None
        if probability is not None:
            self._open_probability(probability)
        self._nothing = set() if background else self._background

    @cached_property
    def _background(self) -> set[int]:
        nothing = {v for v, name in self.names.items() if name.casefold() == BACKGROUND.name}
        return nothing if self.names.get(0) else nothing | {0}

    def name(self, value: int) -> str:
        """Name of a class; its value if the raster has none."""
        return self.names.get(value) or (BACKGROUND.name if value == 0 else str(value))

    def _open_probability(self, path: str) -> None:
        dataset = open_raster(path)
        size = dataset.RasterXSize, dataset.RasterYSize
        if size != (self.width, self.height) or not np.allclose(
            dataset.GetGeoTransform(), self.dataset.GetGeoTransform(), rtol=1e-9
        ):
            raise RasterError(
                f"{path} does not lie on the pixels of {self.path}: classify the same part of the "
                "same raster for both"
            )
        numbers = range(1, dataset.RasterCount + 1)
        named = {dataset.GetRasterBand(i).GetDescription().casefold(): i for i in numbers}
        classes = sorted(v for v, name in self.names.items() if v not in self._background and name)
        by_name = {value: named.get(self.names[value].casefold(), 0) for value in classes}
        if len(numbers) == 1:
            self._probability = dataset, None
        elif classes and all(by_name.values()):
            self._probability = dataset, by_name
        elif len(numbers) == len(classes):
            self._probability = dataset, dict(zip(classes, numbers))
        else:
            raise RasterError(
                f"{path} has {len(numbers)} bands, and {self.path} names {len(classes)} classes: "
                "one band, or one band per class, named like it"
            )

    @property
    def has_probability(self) -> bool:
        """Whether probabilities are known."""
        return self._probability is not None

    def read(self, column: int, row: int, width: int, height: int) -> np.ndarray:
        """Class values of a window.

        Returns
        -------
        ndarray
            int64, shape (height, width); `LEFT_OUT` where there is no data or no class,
            `OUTSIDE` beyond the raster.

        Raises
        ------
        RasterError
            The file is damaged.
        """
        window = np.full((height, width), OUTSIDE, np.int64)
        left, top = max(0, column), max(0, row)
        right, bottom = min(self.width, column + width), min(self.height, row + height)
        if left >= right or top >= bottom:
            return window
        place = left, top, right - left, bottom - top
        pixels = self._read(self._band, place).astype(np.int64)
        if not self._band.GetMaskFlags() & gdal.GMF_ALL_VALID:
            pixels[self._read(self._band.GetMaskBand(), place) == 0] = LEFT_OUT
        for value in self._nothing:
            pixels[pixels == value] = LEFT_OUT
        window[top - row : bottom - row, left - column : right - column] = pixels
        return window

    def read_probability(self, values: np.ndarray, column: int, row: int) -> np.ndarray:
        """The probability of each pixel's own class.

        Parameters
        ----------
        values : ndarray
            What `read` returned for a window inside the raster, whose top left pixel is given.

        Returns
        -------
        ndarray
            float64, the same shape; 0 where it is not known.
        """
        assert self._probability is not None
        dataset, bands = self._probability
        place = column, row, values.shape[1], values.shape[0]
        if bands is None:
            return self._known(dataset.GetRasterBand(1), place)
        chosen = np.zeros(values.shape)
        for value, number in bands.items():
            here = values == value
            if here.any():
                chosen[here] = self._known(dataset.GetRasterBand(number), place)[here]
        return chosen

    def _known(self, band: Any, place: tuple[int, ...]) -> np.ndarray:
        return np.nan_to_num(self._read(band, place).astype(np.float64))

    def _read(self, band: Any, place: tuple[int, ...]) -> np.ndarray:
        try:
            with listening():
                return np.asarray(band.ReadAsArray(*place))
        except RuntimeError as error:
            raise RasterError(f"{self.path} cannot be read: {error}") from error
