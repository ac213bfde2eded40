"""What a function is told about rasters, and what is made of its wishes."""

from __future__ import annotations

from typing import Any

import numpy as np

from .contract import Configuration, OutputInfo
from .errors import ContractError, RasterError
from .legend import LegendEntry
from .raster import Raster
from .stretch import Stretch

# Bits of inheritProperties; those of size and place (4) are not optional here.
INHERIT_PIXEL_TYPE, INHERIT_NODATA, INHERIT_RESAMPLING = 1, 2, 8


def raster_parameter(parameters: list[dict[str, Any]]) -> str:
    """Name of the raster parameter, from which the keys of the pixel blocks are made."""
    for parameter in parameters:
        if parameter["dataType"] in ("raster", "rasters"):
            return str(parameter["name"])
    raise ContractError(
        "getParameterInfo declares no parameter of dataType 'raster': ArcGIS would deliver no "
        "pixels"
    )


def choose_bands(wanted: tuple[int | str, ...] | None, raster: Raster) -> tuple[int, ...]:
    """Bands that a function asks for by number or name.

    Raises
    ------
    RasterError
        The raster does not have them.
    """
    if not wanted:
        return tuple(range(raster.count))
    names = [name.casefold() for name in raster.band_names]
    chosen = []
    for band in wanted:
        if isinstance(band, str) and band.casefold() in names:
            chosen.append(names.index(band.casefold()))
        elif isinstance(band, int) and 0 <= band < raster.count:
            chosen.append(band)
        else:
            listed = ", ".join(name for name in raster.band_names if name) or "without names"
            raise RasterError(
                f"the package reads band {band!r} (bands {list(wanted)}, counted from 0) and "
                f"{raster.path} has {raster.count} band{'s' if raster.count > 1 else ''} "
                f"({listed})"
            )
    return tuple(chosen)


def choose_nodata(info: OutputInfo, legend: list[LegendEntry]) -> float | None:
    """A value that no class has: the function's own if it states one."""
    if info.pixel_type.startswith("f"):
        return float("nan") if info.nodata is None else info.nodata
    limits = np.iinfo(info.pixel_type)
    used = {entry.value for entry in legend} | {0}
    candidates = [limits.max, limits.min, *range(limits.max - 1, max(0, limits.max - 256), -1)]
    if info.nodata is not None and limits.min <= info.nodata <= limits.max:
        candidates.insert(0, int(info.nodata))
    return next((float(value) for value in candidates if value not in used), None)


def raster_info(raster: Raster, bands: tuple[int, ...], stretch: Stretch | None) -> dict[str, Any]:
    """The dictionary ``<raster>_info`` (contract, section 7)."""
    area = raster.extent
    nodata = [raster.nodata[band] for band in bands]
    kind = np.dtype(raster.dtype if stretch is None else stretch.dtype)
    return {
        "bandCount": len(bands),
        "pixelType": f"{kind.kind}{kind.itemsize}",
        "noData": None if None in nodata else np.array(nodata, dtype=raster.dtype),
        "cellSize": raster.cell_size,
        "nativeExtent": (area.xmin, area.ymin, area.xmax, area.ymax),
        "nativeSpatialReference": raster.epsg,
        "geodataXform": "",
        "extent": (area.xmin, area.ymin, area.xmax, area.ymax),
        "spatialReference": raster.epsg,
        "colormap": (),
        "rasterAttributeTable": (),
        "levelOfDetails": -1,
        "origin": (area.xmin, area.ymax),
        "bandSelection": True,
        "histogram": (),
        "statistics": (),
    }


def output_template(
    raster: Raster, bands: tuple[int, ...], stretch: Stretch | None, configuration: Configuration
) -> dict[str, Any]:
    """The dictionary ``output_info`` before the function fills it in (contract, section 5).

    It is like the input as far as the bits of ``inheritProperties`` say; what the bits of
    ``invalidateProperties`` name is empty.
    """
    info = raster_info(raster, bands, stretch)
    if not configuration.inherit & INHERIT_PIXEL_TYPE:
        info["pixelType"] = "f4"  # what Reference.py calls the default is not documented
    if not configuration.inherit & INHERIT_NODATA:
        info["noData"] = None
    info["resampling"] = bool(configuration.inherit & INHERIT_RESAMPLING)
    return info
