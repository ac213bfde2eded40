"""What GIS programs see, with GDAL as the program."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import httpx
import numpy as np
import pytest
from osgeo import gdal, osr

from dlpk.classification.model import Model
from dlpk.studio.clients import wmts_capabilities
from dlpk.studio.map.context import context
from dlpk.studio.map.places import places_of
from dlpk.studio.studio import Studio

gdal.UseExceptions()
PROMPT = "water:0.6, trees"
XYZ = """<GDAL_WMS><Service name="TMS"><ServerUrl>{url}</ServerUrl></Service><DataWindow>
<UpperLeftX>-20037508.342789244</UpperLeftX><UpperLeftY>20037508.342789244</UpperLeftY>
<LowerRightX>20037508.342789244</LowerRightX><LowerRightY>-20037508.342789244</LowerRightY>
<TileLevel>13</TileLevel><TileCountX>1</TileCountX><TileCountY>1</TileCountY>
<YOrigin>top</YOrigin></DataWindow><Projection>EPSG:3857</Projection>
<BlockSizeX>256</BlockSizeX><BlockSizeY>256</BlockSizeY><BandsCount>4</BandsCount></GDAL_WMS>"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GDAL keeps tiles in the working directory if not told otherwise."""
    monkeypatch.setenv("GDAL_DEFAULT_WMS_CACHE_PATH", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def written(mini: Path, part: Path, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """What `dlpk classify` writes, in its colours."""
    out = tmp_path_factory.mktemp("written") / "classes.tif"
    with Model(mini, device="cpu", say=lambda level, text: None) as model:
        legend = model.classify(part, out, prompt=PROMPT).legend
    palette = np.zeros((256, 4), np.uint8)
    for entry in legend:
        palette[entry.value] = (*entry.color, 255)
    return np.asarray(palette[gdal.Open(str(out)).ReadAsArray()])


def test_wmts_holds_the_very_pixels_of_a_run(
    studio: Studio, served: str, part: Path, written: np.ndarray
) -> None:
    address = f"{served}/api/rasters/1/wmts/capabilities.xml?text_prompt={quote(PROMPT)}"
    layer = gdal.Open(f"WMTS:{address},layer=classes")
    raster = gdal.Open(str(part))
    assert layer.GetSpatialRef().IsSame(raster.GetSpatialRef())
    assert np.allclose(layer.GetGeoTransform(), raster.GetGeoTransform())
    pixels = np.moveaxis(layer.ReadAsArray(0, 0, 420, 300), 0, -1)
    assert np.array_equal(pixels, written)
    scene = gdal.Open(f"WMTS:{address},layer=scene").ReadAsArray(0, 0, 420, 300)
    stretch = studio.pyramid(1).stretch
    assert stretch is not None
    assert np.array_equal(scene[:3], stretch.apply(raster.ReadAsArray()))


def test_xyz_shows_each_place_in_the_colour_of_its_class(
    served: str, part: Path, written: np.ndarray
) -> None:
    address = f"{served}/api/rasters/1/xyz/classes/${{z}}/${{x}}/${{y}}?text_prompt={quote(PROMPT)}"
    world = gdal.Open(XYZ.format(url=address))
    raster = gdal.Open(str(part))
    mercator = osr.SpatialReference()
    mercator.ImportFromEPSG(3857)
    change = osr.CoordinateTransformation(raster.GetSpatialRef(), mercator)
    left, size = world.GetGeoTransform()[0], world.GetGeoTransform()[1]
    t = raster.GetGeoTransform()
    same = 0
    for column, row in [(60, 40), (200, 150), (300, 90), (100, 250), (410, 290)]:
        place = change.TransformPoint(t[0] + (column + 0.5) * t[1], t[3] + (row + 0.5) * t[5])
        x, y = int((place[0] - left) / size), int((-left - place[1]) / size)
        color = world.ReadAsArray(x, y, 1, 1)[:, 0, 0]
        near = written[row - 1 : row + 2, column - 1 : column + 2].reshape(-1, 4)
        assert (near == color).all(axis=1).any()
        same += bool((written[row, column] == color).all())
    assert same >= 3  # a pixel of the map is not one of the raster


def test_far_out_nothing_is_computed(studio: Studio, served: str) -> None:
    raster = studio.pyramid(1).raster
    assert places_of(raster, 0, 0, 0, 2) is None
    tile = httpx.get(f"{served}/api/rasters/1/xyz/classes/3/2/3?text_prompt=water")
    assert (tile.status_code, tile.headers["content-type"]) == (200, "image/png")


def test_latitudes_come_first_where_the_system_says_so(
    mini: Path, tmp_path: Path, part: Path
) -> None:
    degrees = tmp_path / "degrees.tif"
    gdal.Translate(
        str(degrees), str(part), outputSRS="EPSG:4326", outputBounds=[10, 50, 10.42, 49.7]
    )
    with Studio(mini, [degrees]) as studio:
        text = wmts_capabilities(studio.pyramids[0], 0, "http://127.0.0.1:1", "")
    file = tmp_path / "capabilities.xml"
    file.write_text(text, encoding="utf-8")
    layer = gdal.Open(f"WMTS:{file},layer=scene")
    assert np.allclose(layer.GetGeoTransform(), gdal.Open(str(degrees)).GetGeoTransform())
    assert (layer.RasterXSize, layer.RasterYSize) == (420, 300)


def test_lines_around_a_raster_lie_in_its_pixels(studio: Studio) -> None:
    raster = studio.pyramid(0).raster
    features = context(raster)["features"]
    kinds = {feature["properties"]["kind"] for feature in features}
    assert kinds == {"graticule", "outline"}
    system = raster.dataset.GetSpatialRef()
    degrees = osr.SpatialReference()
    degrees.ImportFromEPSG(4326)
    degrees.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    change = osr.CoordinateTransformation(system, degrees)
    line = next(f for f in features if f["properties"].get("label") == "37°40′N")
    for column, row in line["geometry"]["coordinates"]:
        x, y = raster.corner(column, row)
        assert abs(change.TransformPoint(x, y)[1] - (37 + 40 / 60)) < 1e-6
