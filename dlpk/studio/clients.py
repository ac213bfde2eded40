"""What GIS programs ask for: WMTS in the raster's own pixels, and XYZ in Web Mercator.

Tiles of the WMTS hold the raster's pixels as they are. Those of the XYZ scheme are resampled to
Web Mercator (nearest neighbour): they are for looking at.
"""

from __future__ import annotations

import math
from xml.sax.saxutils import escape

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from ..errors import DlpkError
from ..output.png import png_bytes
from .map.places import places_of
from .map.pyramid import TILE, Pyramid, Tile
from .requests import Endpoints, asked_of, number_of, studio_of, tile_of, waited_for
from .studio import MOST_REDUCED, Studio

PIXEL = 0.00028  # metres: what the standard takes a pixel of a screen for
METRES_PER_DEGREE = 111319.49079327358
DEEPEST = 30
LAYERS = ("scene", "classes")
PNG = "image/png"
# Colours of classes over a scene, from 0 to 255.
OPAQUE = 255


class ClientError(DlpkError):
    """A GIS program cannot have this."""


async def classes(request: Request) -> Response:
    """Classes of a tile of the raster's own pixels in their colours, as PNG."""
    colored = await _colored(request, number_of(request, "raster"), tile_of(request))
    if colored is None:
        return Response(status_code=499)
    return Response(await run_in_threadpool(png_bytes, colored), media_type=PNG)


async def capabilities(request: Request) -> Response:
    """WMTS capabilities: add this address to a GIS program, with what to look for in the query."""
    studio, number = studio_of(request), number_of(request, "raster")
    query = request.url.query
    base = f"{request.url.scheme}://{request.headers['host']}"
    text = await run_in_threadpool(
        lambda: wmts_capabilities(studio.pyramid(number), number, base, query)
    )
    return Response(text, media_type="application/xml")


async def xyz(request: Request) -> Response:
    """A tile of Web Mercator, resampled: ``scene`` or ``classes``."""
    studio, number = studio_of(request), number_of(request, "raster")
    layer, (z, x, y) = request.path_params["layer"], (number_of(request, name) for name in "zxy")
    if layer not in LAYERS:
        raise ClientError(f"the layer {layer[:50]!r} is not there; there are {', '.join(LAYERS)}")
    if not (0 <= z <= DEEPEST and 0 <= x < 1 << z and 0 <= y < 1 << z):
        raise ClientError(f"the tile {z}/{x}/{y} is not in the scheme")
    pyramid = studio.pyramid(number)
    most = pyramid.levels - 1 if layer == "scene" else min(MOST_REDUCED, pyramid.levels - 1)
    places = await run_in_threadpool(places_of, pyramid.raster, z, x, y, most)
    shown = np.zeros((TILE, TILE, 4), np.uint8)
    for tile, inside in [] if places is None else places.tiles():
        if layer == "scene":
            colored: np.ndarray | None = await run_in_threadpool(pyramid.scene, tile)
        else:
            colored = await _colored(request, number, tile)
        if colored is None:
            return Response(status_code=499)
        step = 1 << tile.level
        rows = (places.rows[inside] - tile.top) // step  # type: ignore[union-attr]
        columns = (places.columns[inside] - tile.left) // step  # type: ignore[union-attr]
        shown[inside] = colored[rows, columns]
    return Response(await run_in_threadpool(png_bytes, shown), media_type=PNG)


async def _colored(request: Request, number: int, tile: Tile) -> np.ndarray | None:
    """Classes in their colours, uint8, shape (256, 256, 4); None if who asked has gone."""
    studio = studio_of(request)
    arguments, like = asked_of(request)
    values = await waited_for(request, lambda: studio.classes(number, tile, arguments, like))
    if values is None:
        return None
    palette = await run_in_threadpool(_palette, studio, number, arguments, like)
    known = np.isfinite(values[0]) & (values[0] >= 0) & (values[0] < len(palette))
    return np.asarray(palette[np.where(known, values[0], 0).astype(np.intp)])


def _palette(studio: Studio, number: int, arguments: dict[str, str], like: list[str]) -> np.ndarray:
    palette = np.zeros((256, 4), np.uint8)
    for entry in studio.plan(studio.prompt_set(number, arguments, like))["classes"]:
        if 0 < entry["value"] < len(palette):
            palette[entry["value"]] = (*entry["color"], OPAQUE)
    return palette


def wmts_capabilities(pyramid: Pyramid, number: int, base: str, query: str) -> str:
    """Capabilities of a WMTS with the scene and the classes.

    Parameters
    ----------
    number : int
        Of the raster.
    base : str
        Address of the server.
    query : str
        What to look for, as in the address of the capabilities.

    Raises
    ------
    ClientError
        The raster's pixels fit no WMTS.
    """
    raster = pyramid.raster
    t = raster.transform
    square = math.isclose(t[1], -t[5], rel_tol=1e-9) and t[1] > 0 and not (t[2] or t[4])
    if not raster.epsg or not square:
        raise ClientError(
            f"{raster.path} has no EPSG code, or pixels that are not square or not north up: a "
            "WMTS cannot say where they lie"
        )
    system = raster.dataset.GetSpatialRef()
    geographic = bool(system.IsGeographic())
    metres = METRES_PER_DEGREE if geographic else float(system.GetLinearUnits())
    swapped = bool(system.EPSGTreatsAsLatLong() or system.EPSGTreatsAsNorthingEasting())

    def corner(x: float, y: float) -> str:
        return f"{y!r} {x!r}" if swapped else f"{x!r} {y!r}"

    code = f"urn:ogc:def:crs:EPSG::{raster.epsg}"
    area = raster.extent
    bounds = (
        f'<ows:BoundingBox crs="{code}">'
        f"<ows:LowerCorner>{corner(area.xmin, area.ymin)}</ows:LowerCorner>"
        f"<ows:UpperCorner>{corner(area.xmax, area.ymax)}</ows:UpperCorner></ows:BoundingBox>"
    )
    address = f"{base}/api/rasters/{number}"
    layers = "".join(_layer(name, pyramid.name, address, query, bounds) for name in LAYERS)
    shown = min(MOST_REDUCED, pyramid.levels - 1) + 1
    sets = "".join(
        f"<TileMatrixSet><ows:Identifier>levels-{name}</ows:Identifier>"
        f"<ows:SupportedCRS>{code}</ows:SupportedCRS>"
        + "".join(
            f"<TileMatrix><ows:Identifier>{level}</ows:Identifier>"
            f"<ScaleDenominator>{t[1] * (1 << level) * metres / PIXEL!r}</ScaleDenominator>"
            f"<TopLeftCorner>{corner(t[0], t[3])}</TopLeftCorner>"
            f"<TileWidth>{TILE}</TileWidth><TileHeight>{TILE}</TileHeight>"
            f"<MatrixWidth>{-(-raster.width // (TILE << level))}</MatrixWidth>"
            f"<MatrixHeight>{-(-raster.height // (TILE << level))}</MatrixHeight></TileMatrix>"
            for level in reversed(range(levels))
        )
        + "</TileMatrixSet>"
        for name, levels in (("scene", pyramid.levels), ("classes", shown))
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<Capabilities xmlns="http://www.opengis.net/wmts/1.0" '
        'xmlns:ows="http://www.opengis.net/ows/1.1" '
        'xmlns:xlink="http://www.w3.org/1999/xlink" version="1.0.0">'
        "<ows:ServiceIdentification><ows:Title>dlpk studio</ows:Title>"
        "<ows:ServiceType>OGC WMTS</ows:ServiceType>"
        "<ows:ServiceTypeVersion>1.0.0</ows:ServiceTypeVersion></ows:ServiceIdentification>"
        f"<Contents>{layers}{sets}</Contents></Capabilities>"
    )


def _layer(name: str, raster: str, address: str, query: str, bounds: str) -> str:
    template = f"{address}/{name}/{{TileMatrix}}/{{TileCol}}/{{TileRow}}"
    template = escape(f"{template}?{query}" if query else template, {'"': "&quot;"})
    return (
        f"<Layer><ows:Title>{name} of {escape(raster)}</ows:Title>{bounds}"
        f"<ows:Identifier>{name}</ows:Identifier>"
        '<Style isDefault="true"><ows:Identifier>default</ows:Identifier></Style>'
        f"<Format>{PNG}</Format><TileMatrixSetLink><TileMatrixSet>levels-{name}</TileMatrixSet>"
        f'</TileMatrixSetLink><ResourceURL format="{PNG}" resourceType="tile" '
        f'template="{template}"/></Layer>'
    )


CLIENTS: Endpoints = {
    "/api/rasters/{raster:int}/classes/{level:int}/{column:int}/{row:int}": ("GET", classes),
    "/api/rasters/{raster:int}/wmts/capabilities.xml": ("GET", capabilities),
    "/api/rasters/{raster:int}/xyz/{layer}/{z:int}/{x:int}/{y:int}": ("GET", xyz),
}
