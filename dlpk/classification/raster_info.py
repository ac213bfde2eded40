"""What a function is told about rasters, and what is made of its wishes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any

import numpy as np

from ..errors import ContractError, RasterError
from ..harness.answers import Configuration, OutputInfo
from ..harness.arguments import is_raster
from ..output.legend import LegendEntry
from ..raster.dataset import Raster
from ..raster.extent import Extent
from ..raster.sampling import find_statistics
from ..raster.stretch import Stretch

# Bits of inheritProperties; those of size and place (4) are not optional here.
INHERIT_PIXEL_TYPE, INHERIT_NODATA, INHERIT_RESAMPLING = 1, 2, 8
# Bits of invalidateProperties; transformations (1) and histograms (4) are never handed over.
INVALIDATE_STATISTICS, INVALIDATE_METADATA = 2, 8
COMPOSITE = "compositeraster"


def raster_parameter(parameters: Sequence[Mapping[str, Any]]) -> tuple[str, bool]:
    """The parameter that takes the raster, from which the keys of the pixel blocks are made.

    Returns
    -------
    str
        Its name.
    bool
        Whether it takes several rasters (dataType 'rasters').

    Raises
    ------
    ContractError
        There is none.
    """
    for parameter in parameters:
        if is_raster(parameter):
            return str(parameter["name"]), parameter["dataType"].lower() == "rasters"
    raise ContractError(
        "getParameterInfo declares no parameter of dataType 'raster': ArcGIS would deliver no "
        "pixels"
    )


def choose_bands(wanted: Sequence[int | str] | None, raster: Raster) -> tuple[int, ...]:
    """Bands that a function asks for by number or name.

    Names are descriptions of the bands, ``Band_1`` and so on, or colours.

    Raises
    ------
    RasterError
        The raster does not have them.
    """
    if not wanted:
        return tuple(range(raster.count))
    aliases = [tuple(name.casefold() for name in names) for names in raster.band_aliases]
    chosen = []
    for band in wanted:
        number = _band_number(band, aliases)
        if number is None or not 0 <= number < raster.count:
            listed = ", ".join(name for name in raster.band_names if name) or "without names"
            raise RasterError(
                f"the package reads band {band!r} (bands {list(wanted)}, counted from 0) and "
                f"{raster.path} has {raster.count} band{'s' if raster.count > 1 else ''} "
                f"({listed})"
            )
        chosen.append(number)
    return tuple(chosen)


def _band_number(band: int | str, aliases: Sequence[tuple[str, ...]]) -> int | None:
    if not isinstance(band, str):
        return band
    wanted = band.strip().casefold()
    # A description counts for more than a colour: first all of one kind, then the next.
    for kind in zip(*aliases):
        if wanted and wanted in kind:
            return kind.index(wanted)
    return int(wanted) if wanted.isascii() and wanted.isdigit() else None


def choose_nodata(info: OutputInfo, legend: Sequence[LegendEntry]) -> float | None:
    """The NoData value of the result: never one that the function has not declared.

    Returns
    -------
    float or None
        NaN for real numbers without a declared one; None for integers without one, or whose type
        does not have it, or where a class or the background has it.
    """
    declared = info.nodata
    if info.pixel_type.startswith("f"):
        return float("nan") if declared is None else declared
    limits = np.iinfo(info.pixel_type)
    taken = {entry.value for entry in legend} | {0}
    if declared is None or not declared.is_integer() or declared in taken:
        return None
    return declared if limits.min <= declared <= limits.max else None


def raster_info(
    raster: Raster, bands: Sequence[int], stretch: Stretch | None, *, estimated: bool
) -> dict[str, Any]:
    """The dictionary ``<raster>_info`` (contract, section 7).

    Parameters
    ----------
    bands : sequence of int
        0-based, those that the function gets.
    stretch : Stretch or None
        What is done to the values.
    estimated : bool
        Whether statistics are estimated where the file has none.
    """
    area = arcgis_extent(raster, 0, 0, raster.width, raster.height)
    kind = np.dtype(raster.dtype if stretch is None else stretch.dtype)
    return {
        "bandCount": len(bands),
        "pixelType": f"{kind.kind}{kind.itemsize}",
        "noData": _nodata_array(raster, bands),
        "cellSize": raster.cell_size,
        "nativeExtent": astuple(raster.whole_extent),
        "nativeSpatialReference": raster.epsg,
        "geodataXform": "",
        "extent": astuple(area),
        "spatialReference": raster.epsg,
        "colormap": (),
        "rasterAttributeTable": (),
        "levelOfDetails": -1,
        "origin": (area.xmin, area.ymax),
        "bandSelection": True,
        "histogram": (),
        "statistics": find_statistics(raster, bands, stretch, "estimated" if estimated else "file"),
    }


def arcgis_corner(raster: Raster, column: float, row: float) -> tuple[float, float]:
    """Map coordinates of a pixel's top left corner as ArcGIS counts them.

    There y falls from row to row. Where it grows, as without a georeference, the raster is mirrored
    inside of its own extent (inferred: ArcGIS turns such rasters over).
    """
    x, y = raster.corner(column, row)
    whole = raster.whole_extent
    return (x, whole.ymin + whole.ymax - y) if raster.transform[5] > 0 else (x, y)


def arcgis_extent(raster: Raster, column: int, row: int, width: int, height: int) -> Extent:
    """Bounding rectangle of some pixels; see `arcgis_corner`."""
    xs, ys = zip(
        *(
            arcgis_corner(raster, x, y)
            for x in (column, column + width)
            for y in (row, row + height)
        )
    )
    return Extent(min(xs), min(ys), max(xs), max(ys))


def _nodata_array(raster: Raster, bands: Sequence[int]) -> np.ndarray | None:
    values = [raster.nodata[band] for band in bands]
    if None in values:
        return None
    fits = raster.dtype.kind == "f" or all(
        raster.fill_value(band) == value for band, value in zip(bands, values)
    )
    # -9999 of a byte raster stays what it is.
    return np.array(values, dtype=raster.dtype if fits else np.float64)


def output_template(info: Mapping[str, Any], configuration: Configuration) -> dict[str, Any]:
    """The dictionary ``output_info`` before the function fills it in (contract, section 5).

    It is like the input as far as the bits of ``inheritProperties`` say; what the bits of
    ``invalidateProperties`` name is empty.

    Parameters
    ----------
    info : mapping
        Of the input, see `raster_info`.
    """
    output = dict(info)
    if not configuration.inherit & INHERIT_PIXEL_TYPE:
        output["pixelType"] = "f4"  # what stands there then is not documented
    if not configuration.inherit & INHERIT_NODATA:
        output["noData"] = None
    if configuration.invalidate & INVALIDATE_STATISTICS:
        output["statistics"] = ()
    output["resampling"] = bool(configuration.inherit & INHERIT_RESAMPLING)
    if configuration.raw.get("resampling") is not None:
        output["resampling"] = bool(configuration.raw["resampling"])
    return output


def input_metadata(
    raster: Raster, bands: Sequence[int], band: int, configuration: Configuration
) -> dict[str, Any]:
    """Key metadata that a function's ``updateKeyMetadata`` starts from; -1 is the whole."""
    if configuration.invalidate & INVALIDATE_METADATA or not 0 <= band < len(bands):
        return {}
    name = raster.band_names[bands[band]]
    return {"bandname": name} if name else {}


def dataset_metadata(raster: Raster, names: Sequence[Any]) -> dict[str, Any]:
    """What the file says of itself, for a configuration's ``keyMetadata``.

    Returns
    -------
    dict
        The wanted names in small letters, as public functions read them; None for what the file
        does not say.
    """
    known = {key.lower(): value for key, value in (raster.native.GetMetadata() or {}).items()}
    return {str(name).lower(): known.get(str(name).lower()) for name in names}


def check_place(info: OutputInfo, template: Mapping[str, Any]) -> None:
    """Warn of an output that is to lie elsewhere than the input: here it never does."""
    for key in ("cellSize", "extent", "spatialReference"):
        wanted, given = info.raw.get(key), template[key]
        try:
            same = wanted is None or np.allclose(wanted, given, rtol=1e-9, atol=0)
        except (TypeError, ValueError):
            same = False
        if not same:
            warnings.warn(
                f"updateRasterInfo changes {key} from {given} to {wanted}: the result is written "
                "on the grid of the input all the same",
                stacklevel=2,
            )
