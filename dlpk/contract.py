"""Calling a raster function and checking every answer.

The methods are called as ArcGIS calls them, and an answer that ArcGIS could not use is reported
with the method's name, what came and what was expected.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .errors import ContractError, DlpkError, FunctionError
from .function import explain

PIXEL_TYPES = ("i1", "i2", "i4", "u1", "u2", "u4", "f4", "f8")
# Types of one bit and less, which no numpy array has, are read as bytes.
SMALL_TYPES = ("t1", "t2", "t4")
DEFAULT_BLOCK = 512
LARGEST_BLOCK = 1 << 15


@dataclass(frozen=True)
class Configuration:
    """What a function asked for (contract, section 5).

    Parameters
    ----------
    bands : tuple or None
        0-based bands or band names; None for all.
    padding, tx, ty : int
        Pixels around a block, and its width and height without them.
    fixed : bool
        Whether blocks at the edges keep their size.
    data_range : (float, float) or None
        Range to stretch the input to.
    input_mask : bool
        Whether masks are delivered.
    inherit, invalidate : int
        Bits of ``inheritProperties`` and ``invalidateProperties``.
    raw : mapping
        The whole answer.
    """

    bands: tuple[int | str, ...] | None
    padding: int
    tx: int
    ty: int
    fixed: bool
    data_range: tuple[float, float] | None
    input_mask: bool
    inherit: int
    invalidate: int
    raw: Mapping[str, Any]


@dataclass(frozen=True)
class OutputInfo:
    """What a function says of its output (contract, section 7)."""

    bands: int
    pixel_type: str
    nodata: float | None
    attribute_table: str | None


class Function:
    """An object of a raster function's class.

    Parameters
    ----------
    instance : object
        The function.
    folder : Path or None
        Folder of the package: frames of its code are shown in errors.
    """

    def __init__(self, instance: Any, folder: Path | None) -> None:
        self.instance = instance
        self.folder = folder

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method; what it raises is shown with the author's own lines.

        Raises
        ------
        FunctionError
            The method is missing or raised.
        """
        bound: Callable[..., Any] | None = getattr(self.instance, method, None)
        if bound is None:
            raise FunctionError(f"{self._name} has no method {method}, which ArcGIS calls")
        try:
            return bound(*args, **kwargs)
        except DlpkError:
            raise
        except Exception as error:
            raise FunctionError(
                f"{self._name}.{method} failed: {explain(error, self.folder)}"
            ) from error

    @property
    def _name(self) -> str:
        return type(self.instance).__name__

    def has(self, method: str) -> bool:
        """Whether the function has an optional method."""
        return callable(getattr(self.instance, method, None))

    def initialize(self, model: str, device: int | None) -> None:
        """Phase validation without `device`, phase run with it (contract, section 2)."""
        kwargs: dict[str, Any] = {"model": model}
        if device is not None:
            kwargs["device"] = device
        try:
            self.call("initialize", **kwargs)
        except FunctionError as error:
            raise FunctionError(
                "ERROR 002667 Unable to initialize python raster function with scalar arguments. "
                f"{error}"
            ) from error

    def parameters(self) -> list[dict[str, Any]]:
        """Ask for the arguments (contract, section 4)."""
        answer = self.call("getParameterInfo")
        if not isinstance(answer, list):
            raise self._wrong(
                "getParameterInfo",
                answer,
                "a list",
                "Parameter information returned is not a python list",
            )
        for index, parameter in enumerate(answer):
            if not isinstance(parameter, dict):
                raise self._wrong("getParameterInfo", parameter, f"a dictionary as entry {index}")
            for key in ("name", "dataType"):
                if not isinstance(parameter.get(key), str):
                    raise ContractError(
                        f"{self._name}.getParameterInfo: entry {index} has no text {key!r}: "
                        f"{parameter!r}"
                    )
        return answer

    def configuration(
        self, scalars: Mapping[str, Any], default_block: int = DEFAULT_BLOCK
    ) -> Configuration:
        """Ask for the blocks to deliver (contract, section 5)."""
        answer = self.call("getConfiguration", **scalars)
        if not isinstance(answer, dict):
            raise self._wrong("getConfiguration", answer, "a dictionary")
        padding = self._whole(answer, "padding", 0, 0)
        bands = answer.get("extractBands")
        if bands is not None and not isinstance(bands, (tuple, list, np.ndarray)):
            raise self._wrong("getConfiguration", bands, "a tuple as 'extractBands'")
        data_range = answer.get("dataRange")
        if data_range is not None:
            data_range = self._range(data_range)
        return Configuration(
            bands=None if bands is None else tuple(_band(band) for band in bands),
            padding=padding,
            tx=self._whole(answer, "tx", default_block, 1),
            ty=self._whole(answer, "ty", default_block, 1),
            fixed=bool(self._whole(answer, "fixedTileSize", 0, 0)),
            data_range=data_range,
            input_mask=bool(answer.get("inputMask", False)),
            inherit=self._whole(answer, "inheritProperties", 1 | 2 | 4 | 8, 0),
            invalidate=self._whole(answer, "invalidateProperties", 0, 0),
            raw=answer,
        )

    def output_info(self, kwargs: dict[str, Any]) -> OutputInfo:
        """Ask for the output's description (contract, section 7)."""
        answer = self.call("updateRasterInfo", **kwargs) if self.has("updateRasterInfo") else kwargs
        if not isinstance(answer, dict) or not isinstance(answer.get("output_info"), dict):
            raise self._wrong("updateRasterInfo", answer, "its keywords with 'output_info'")
        info = answer["output_info"]
        bands = self._whole(info, "bandCount", 1, 1, "updateRasterInfo")
        pixel_type = info.get("pixelType")
        if pixel_type in SMALL_TYPES:
            pixel_type = "u1"
        if pixel_type not in PIXEL_TYPES:
            raise self._wrong(
                "updateRasterInfo", pixel_type, f"one of {', '.join(PIXEL_TYPES)} as 'pixelType'"
            )
        table = info.get("rasterAttributeTable")
        return OutputInfo(
            bands=bands,
            pixel_type=pixel_type,
            nodata=_nodata(info.get("noData")),
            attribute_table=table if isinstance(table, str) and table.strip() else None,
        )

    def pixels(
        self,
        tlc: tuple[float, float],
        shape: tuple[int, ...],
        props: Mapping[str, Any],
        blocks: Mapping[str, np.ndarray],
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Have a block processed (contract, section 8).

        Returns
        -------
        pixels : ndarray
            Shape (bands, rows, columns), of the declared type.
        mask : ndarray or None
            uint8, the same shape, if the function returns one.
        """
        answer = self.call("updatePixels", tlc, shape, props, **blocks)
        if not isinstance(answer, dict):
            raise ContractError(
                "Python raster function's read method returned a non-dictionary object: "
                f"{self._name}.updatePixels returned {_described(answer)}"
            )
        if "output_pixels" not in answer:
            raise ContractError(
                f"{self._name}.updatePixels returned no 'output_pixels', only: "
                f"{', '.join(map(repr, answer)) or 'nothing'}"
            )
        raw = answer["output_pixels"]
        pixels = self._block(raw, shape, "output_pixels")
        expected = np.dtype(str(props["pixelType"]))
        if pixels.dtype != expected:
            raise ContractError(
                f"{self._name}.updatePixels returned 'output_pixels' of type {pixels.dtype}, "
                f"updateRasterInfo declared {expected}: incoming {pixels.nbytes} bytes, expected "
                f"{pixels.size * expected.itemsize} bytes. Cast with .astype(props['pixelType'])"
            )
        mask = answer.get("output_mask")
        if mask is not None:
            mask = (self._block(mask, shape, "output_mask") != 0).astype(np.uint8)
        elif np.ma.isMaskedArray(raw):
            mask = np.logical_not(np.ma.getmaskarray(raw)).astype(np.uint8).reshape(pixels.shape)
        return pixels, mask

    def selected(
        self, tlc: tuple[float, float], shape: tuple[int, ...], props: Mapping[str, Any], key: str
    ) -> bool:
        """Ask which rasters a block needs (contract, section 2; optional).

        Returns
        -------
        bool
            Whether the raster is among them.
        """
        if not self.has("selectRasters"):
            return True
        answer = self.call("selectRasters", tlc, shape, props)
        if not isinstance(answer, (tuple, list)):
            raise self._wrong("selectRasters", answer, "a tuple of raster names")
        return key in answer

    def key_metadata(self, band: int, metadata: dict[str, Any]) -> dict[str, Any]:
        """Ask for key metadata of a band, -1 for the whole (contract, section 9)."""
        if not self.has("updateKeyMetadata"):
            return metadata
        answer = self.call("updateKeyMetadata", (), band, **metadata)
        if not isinstance(answer, dict):
            raise self._wrong("updateKeyMetadata", answer, "a dictionary")
        return answer

    def _block(self, value: Any, shape: tuple[int, ...], key: str) -> np.ndarray:
        array = np.ma.getdata(value) if np.ma.isMaskedArray(value) else value
        if not isinstance(array, np.ndarray):
            raise self._wrong("updatePixels", value, f"a numpy array as {key!r}")
        full = shape if len(shape) == 3 else (1, *shape)
        # One band may come with or without its axis: Esri's own functions do both.
        if array.shape == full or (array.ndim == 2 and (1, *array.shape) == full):
            return array.reshape(full)
        flat = array.ndim == 2 or (array.ndim == 3 and array.shape[0] == 1)
        if key == "output_mask" and flat and array.shape[-2:] == full[1:]:
            return np.broadcast_to(array, full)  # one mask for all bands
        raise ContractError(
            f"{self._name}.updatePixels returned {key!r} of shape {tuple(array.shape)}, expected "
            f"{full}" + (" or " + str(full[1:]) if full[0] == 1 else "")
        )

    def _whole(
        self,
        answer: Mapping[str, Any],
        key: str,
        default: int,
        low: int,
        method: str = "getConfiguration",
    ) -> int:
        value = answer.get(key, default)
        if value is None:
            return default
        try:
            number = int(value)
            if number != float(value):
                raise ValueError
        except (TypeError, ValueError) as error:
            raise self._wrong(method, value, f"a whole number as {key!r}") from error
        if number < low:
            raise self._wrong(method, value, f"at least {low} as {key!r}")
        return number

    def _range(self, value: Any) -> tuple[float, float]:
        try:
            low, high = (float(end) for end in value)
        except (TypeError, ValueError) as error:
            raise self._wrong("getConfiguration", value, "two numbers as 'dataRange'") from error
        if not low < high:
            raise self._wrong("getConfiguration", value, "a rising pair as 'dataRange'")
        return low, high

    def _wrong(self, method: str, came: Any, expected: str, words: str = "") -> ContractError:
        prefix = f"{words}: " if words else ""
        return ContractError(
            f"{prefix}{self._name}.{method} returned {_described(came)}, expected {expected}"
        )


def _described(value: Any) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 80 else text[:77] + '...'}"


def _band(band: Any) -> int | str:
    return band if isinstance(band, str) else int(band)


def _nodata(value: Any) -> float | None:
    if value is None:
        return None
    values = np.ravel(np.asarray(value))
    return float(values[0]) if values.size and values.dtype.kind in "iuf" else None
