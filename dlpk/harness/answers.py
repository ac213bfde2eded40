"""What a raster function may answer, and what is said when it answers otherwise."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ContractError

PIXEL_TYPES = ("i1", "i2", "i4", "u1", "u2", "u4", "f4", "f8")
# Types of one bit and less, which no numpy array has, are read as bytes.
SMALL_TYPES = ("t1", "t2", "t4")
DEFAULT_BLOCK = 512
LARGEST_BLOCK = 1 << 15
ALL_PROPERTIES = 1 | 2 | 4 | 8
UNTRUE = ("", "0", "false", "no")


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
    composite : bool
        Whether all rasters are delivered as one too.
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
    composite: bool
    raw: Mapping[str, Any]


@dataclass(frozen=True)
class OutputInfo:
    """What a function says of its output (contract, section 7).

    Parameters
    ----------
    pixel_type : str
        ``u1``, ``i4``, ``f4`` and so on.
    attribute_table : str or None
        JSON text.
    raw : mapping
        All of ``output_info``.
    """

    bands: int
    pixel_type: str
    nodata: float | None
    attribute_table: str | None
    raw: Mapping[str, Any]


class Answers:
    """Reads the answers of one function.

    Parameters
    ----------
    name : str
        Of the function's class, for messages.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        # Set by `configuration`: rows and columns of a whole block.
        self.whole: tuple[int, int] | None = None
        # Blocks that came back whole where only a part was asked for.
        self.larger = 0

    def parameters(self, answer: Any) -> list[dict[str, Any]]:
        """Read the answer of ``getParameterInfo``.

        Raises
        ------
        ContractError
            It is no list of dictionaries, or names come twice.
        """
        method = "getParameterInfo"
        if not isinstance(answer, list):
            words = "Parameter information returned is not a python list"
            raise self.wrong(method, answer, "a list", words)
        names = []
        for index, parameter in enumerate(answer):
            if not isinstance(parameter, dict):
                raise self.wrong(method, parameter, f"a dictionary as entry {index}")
            for key in ("name", "dataType"):
                if not isinstance(parameter.get(key), str) or not parameter[key]:
                    raise ContractError(
                        f"{self.name}.{method}: entry {index} has no text {key!r}: {parameter!r}"
                    )
            if parameter["name"] in names:
                raise ContractError(
                    f"{self.name}.{method}: two parameters are called {parameter['name']!r}"
                )
            names.append(parameter["name"])
        return answer

    def configuration(self, answer: Any, default_block: int) -> Configuration:
        """Read the answer of ``getConfiguration``.

        Raises
        ------
        ContractError
            It is no dictionary, or a value in it cannot be used.
        """
        method = "getConfiguration"
        if not isinstance(answer, dict):
            raise self.wrong(method, answer, "a dictionary")
        data_range = answer.get("dataRange")
        no_range = data_range is None or (hasattr(data_range, "__len__") and len(data_range) == 0)
        configuration = Configuration(
            bands=self._bands(answer.get("extractBands")),
            padding=self._whole(answer, "padding", 0, 0, LARGEST_BLOCK),
            tx=self._whole(answer, "tx", default_block, 1, LARGEST_BLOCK),
            ty=self._whole(answer, "ty", default_block, 1, LARGEST_BLOCK),
            fixed=_truth(answer.get("fixedTileSize", 0)),
            data_range=None if no_range else self._range(data_range),
            input_mask=_truth(answer.get("inputMask", False)),
            inherit=self._whole(answer, "inheritProperties", ALL_PROPERTIES, 0),
            invalidate=self._whole(answer, "invalidateProperties", 0, 0),
            composite=_truth(answer.get("compositeRasters", False)),
            raw=answer,
        )
        self.whole = configuration.ty, configuration.tx
        return configuration

    def output_info(self, answer: Any) -> OutputInfo:
        """Read the answer of ``updateRasterInfo``.

        Raises
        ------
        ContractError
            It is not the keywords with ``output_info``, or describes no raster.
        """
        method = "updateRasterInfo"
        if not isinstance(answer, dict) or not isinstance(answer.get("output_info"), dict):
            raise self.wrong(method, answer, "its keywords with 'output_info'")
        info = answer["output_info"]
        pixel_type = info.get("pixelType")
        if isinstance(pixel_type, str) and pixel_type.lower() in SMALL_TYPES:
            pixel_type = "u1"
        if not isinstance(pixel_type, str) or pixel_type.lower() not in PIXEL_TYPES:
            raise self.wrong(method, pixel_type, f"one of {', '.join(PIXEL_TYPES)} as 'pixelType'")
        table = info.get("rasterAttributeTable")
        if isinstance(table, dict):
            raise self.wrong(method, table, "text as 'rasterAttributeTable': use json.dumps")
        return OutputInfo(
            bands=self._whole(info, "bandCount", 1, 1, LARGEST_BLOCK, method),
            pixel_type=pixel_type.lower(),
            nodata=_nodata(info.get("noData")),
            attribute_table=table if isinstance(table, str) and table.strip() else None,
            raw=info,
        )

    def pixels(
        self, answer: Any, shape: tuple[int, ...], pixel_type: str
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Read the answer of ``updatePixels``.

        Returns
        -------
        pixels : ndarray
            Shape (bands, rows, columns), of the declared type. A copy: the function may use its
            array again for the next block, while this one is still being written.
        mask : ndarray or None
            uint8, the same shape, if the function returns one; a copy too.

        Raises
        ------
        ContractError
            It is no dictionary, or pixels have another type or shape than declared.
        """
        if not isinstance(answer, dict):
            raise ContractError(
                "Python raster function's read method returned a non-dictionary object: "
                f"{self.name}.updatePixels returned {described(answer)}"
            )
        if answer.get("output_pixels") is None:
            raise ContractError(
                f"{self.name}.updatePixels returned no 'output_pixels', only: "
                f"{', '.join(map(repr, answer)) or 'nothing'}"
            )
        raw = answer["output_pixels"]
        pixels = self._block(raw, shape, "output_pixels")
        expected = np.dtype(pixel_type)
        if pixels.dtype == np.bool_ and expected == np.uint8:
            pixels = pixels.view(np.uint8)  # the same bytes
        if pixels.dtype != expected:
            raise ContractError(
                f"{self.name}.updatePixels returned 'output_pixels' of type {pixels.dtype}, "
                f"updateRasterInfo declared {expected}: incoming {pixels.nbytes} bytes, expected "
                f"{pixels.size * expected.itemsize} bytes. Cast with .astype(props['pixelType'])"
            )
        mask = answer.get("output_mask")
        if mask is not None:
            mask = _zeros_and_ones(self._block(mask, shape, "output_mask"))
        elif np.ma.isMaskedArray(raw):
            shown = np.logical_not(np.ma.getmaskarray(raw))
            mask = _zeros_and_ones(self._block(shown, shape, "output_pixels"))
        return pixels.copy(), mask

    def wrong(self, method: str, came: Any, expected: str, words: str = "") -> ContractError:
        """The error that names the method, what came and what was expected."""
        prefix = f"{words}: " if words else ""
        return ContractError(
            f"{prefix}{self.name}.{method} returned {described(came)}, expected {expected}"
        )

    def _block(self, value: Any, shape: tuple[int, ...], key: str) -> np.ndarray:
        array = np.ma.getdata(value) if np.ma.isMaskedArray(value) else value
        if not isinstance(array, np.ndarray):
            raise self.wrong("updatePixels", value, f"a numpy array as {key!r}")
        full = shape if len(shape) == 3 else (1, *shape)
        # One band may come with or without its axis: Esri's own functions do both.
        if array.shape == full or (array.ndim == 2 and (1, *array.shape) == full):
            return array.reshape(full)
        if self._is_whole(array, full):
            if not self.larger:
                warnings.warn(
                    f"{self.name}.updatePixels returned {key!r} of shape {tuple(array.shape)} for "
                    f"a block at the edge of {full}; its part is taken. ArcGIS may refuse it: "
                    "return 'fixedTileSize': 1, or cut the result",
                    stacklevel=2,
                )
            self.larger += 1
            return array.reshape(-1, *array.shape[-2:])[:, : full[1], : full[2]]
        flat = array.ndim == 2 or (array.ndim == 3 and array.shape[0] == 1)
        if key == "output_mask" and flat and array.shape[-2:] == full[1:]:
            return np.broadcast_to(array, full)  # one mask for all bands
        raise ContractError(
            f"{self.name}.updatePixels returned {key!r} of shape {tuple(array.shape)}, expected "
            f"{full}" + (" or " + str(full[1:]) if full[0] == 1 else "")
        )

    def _is_whole(self, array: np.ndarray, full: tuple[int, ...]) -> bool:
        """Whether an answer has the size of a whole block instead of a smaller one at the edge.

        Esri's draft template for classifiers answers so.
        """
        bands = array.shape[0] if array.ndim == 3 else 1
        smaller = self.whole is not None and full[1:] != self.whole
        return smaller and bands == full[0] and array.shape[-2:] == self.whole

    def _bands(self, bands: Any) -> tuple[int | str, ...] | None:
        if bands is None:
            return None
        if not isinstance(bands, (tuple, list, np.ndarray)):
            raise self.wrong("getConfiguration", bands, "a tuple as 'extractBands'")
        chosen: list[int | str] = []
        for band in bands:
            if isinstance(band, str):
                chosen.append(str(band))
                continue
            try:
                chosen.append(int(band))
                if chosen[-1] != band:
                    raise ValueError
            except (TypeError, ValueError, OverflowError) as error:
                expected = "band numbers or names as 'extractBands'"
                raise self.wrong("getConfiguration", bands, expected) from error
        return tuple(chosen)

    def _whole(
        self,
        answer: Mapping[str, Any],
        key: str,
        default: int,
        low: int,
        high: int | None = None,
        method: str = "getConfiguration",
    ) -> int:
        value = answer.get(key, default)
        if value is None:
            return default
        try:
            number = int(value)
            if number != float(value):
                raise ValueError
        except (TypeError, ValueError, OverflowError) as error:
            raise self.wrong(method, value, f"a whole number as {key!r}") from error
        if number < low:
            raise self.wrong(method, value, f"at least {low} as {key!r}")
        if high is not None and number > high:
            raise self.wrong(method, value, f"at most {high} as {key!r}")
        return number

    def _range(self, value: Any) -> tuple[float, float]:
        try:
            low, high = (float(end) for end in value)
        except (TypeError, ValueError) as error:
            raise self.wrong("getConfiguration", value, "two numbers as 'dataRange'") from error
        if not low < high or not np.isfinite(high - low):
            raise self.wrong("getConfiguration", value, "a rising pair as 'dataRange'")
        return low, high


def described(value: Any) -> str:
    """A value with its type, shortened."""
    if isinstance(value, np.ndarray):
        return f"an array {value.dtype}{list(value.shape)}"
    try:
        text = repr(value)
    except Exception:  # an object of the package's own may fail at this
        text = "(no text)"
    return f"{type(value).__name__} {text if len(text) <= 80 else text[:77] + '...'}"


def _zeros_and_ones(mask: np.ndarray) -> np.ndarray:
    """A copy as uint8 in which everything but 0 is 1."""
    if mask.dtype == np.uint8 and mask.max(initial=0) <= 1:  # as most are: one pass less
        return np.array(mask)
    return np.array(mask != 0, np.uint8)


def _truth(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().lower() not in UNTRUE
    return bool(value)


def _nodata(value: Any) -> float | None:
    try:
        values = np.ravel(np.asarray(value))
    except ValueError:  # lists of different lengths
        return None
    return float(values[0]) if values.size and values.dtype.kind in "iuf" else None
