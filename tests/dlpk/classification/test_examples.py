"""Examples cut out of the raster: the right pixels, the right mask, and things that are alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal, ogr, osr

import dlpk
from dlpk.classification.examples import from_layer, from_windows, parse_window, write_examples
from dlpk.cli.main import main
from dlpk.errors import ArgumentsError, DlpkError, RasterError
from dlpk.raster.dataset import Raster
from dlpk.raster.extent import Extent
from model_extension.clipseg.files.image_files import read_image
from tests.support.runs import TRANSFORM, make_raster

ROOT = Path(__file__).parents[3]
SCENE = ROOT / "demo" / "scene.tif"


def area(column: int, row: int, width: int, height: int) -> Extent:
    """Pixels of `make_raster`'s rasters in map units."""
    left, size, _, top, _, _ = TRANSFORM
    return Extent(
        left + column * size,
        top - (row + height) * size,
        left + (column + width) * size,
        top - row * size,
    )


def polygons(path: Path, shapes: list[tuple[Extent, str]], epsg: int = 32618) -> Path:
    system = osr.SpatialReference()
    system.ImportFromEPSG(epsg)
    system.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    utm = osr.SpatialReference()
    utm.ImportFromEPSG(32618)
    utm.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    source = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    layer = source.CreateLayer("shapes", system, ogr.wkbPolygon)
    layer.CreateField(ogr.FieldDefn("kind", ogr.OFTString))
    for extent, kind in shapes:
        geometry = from_windows([("x", extent)])[0].places[0]
        geometry.AssignSpatialReference(utm)
        geometry.TransformTo(system)
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetGeometry(geometry)
        feature.SetField("kind", kind)
        layer.CreateFeature(feature)
    return path


def written(examples: Any, raster: Path, folder: Path, **options: Any) -> str:
    described = {"path": raster, **options}
    return write_examples(
        examples, Raster(**described), described, {}, "percent-clip", folder / "examples"
    )


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a=1,2,3,4", "a"),
        ("1,2,3,4", "like this"),
        ("x = y =1,2,3,4", "x = y"),
        (" a  b =1,2,3,4", "a b"),
    ],
)
def test_windows(text: str, name: str) -> None:
    assert parse_window(text) == (name, Extent(1, 2, 3, 4))


@pytest.mark.parametrize("text", ["", "a", "a=1,2,3", "a=1,2,3,x", "a=3,2,1,4", "a=1,2,3,4,5"])
def test_no_windows(text: str) -> None:
    with pytest.raises(ArgumentsError, match="--like"):
        parse_window(text)


def test_pixels_and_mask(tmp_path: Path) -> None:
    raster = make_raster(tmp_path / "s.tif", (3, 40, 50))
    pixels = gdal.Open(str(raster)).ReadAsArray()
    text = written(from_windows([("boats", area(20, 10, 8, 4))]), raster, tmp_path)
    file = tmp_path / "examples" / "boats-1-1.png"
    assert text == f'"boats" = "{file}"'
    chip = read_image(str(file))
    # Half of the longer side, 4 pixels, all around.
    assert (chip[:3] == pixels[:, 6:18, 16:32]).all()
    expected = np.zeros((12, 16), bool)
    expected[4:8, 4:12] = True
    assert ((chip[3] > 0) == expected).all()


def test_at_the_edge(tmp_path: Path) -> None:
    raster = make_raster(tmp_path / "s.tif", (3, 40, 50))
    written(from_windows([("a", area(-5, -5, 10, 10))]), raster, tmp_path)
    chip = read_image(str(tmp_path / "examples" / "a-1-1.png"))
    assert chip.shape == (4, 10, 10)
    assert (chip[3] > 0).sum() == 25


def test_outside(tmp_path: Path) -> None:
    raster = make_raster(tmp_path / "s.tif", (3, 40, 50))
    with pytest.raises(RasterError, match="outside"):
        written(from_windows([("a", area(200, 200, 5, 5))]), raster, tmp_path)


def test_without_data(tmp_path: Path) -> None:
    pixels = np.full((3, 40, 50), 9, np.uint8)
    pixels[:, :20] = 0
    raster = make_raster(tmp_path / "s.tif", pixels, nodata=0)
    with pytest.raises(RasterError, match=r"'a' lies where .* has no data"):
        written(from_windows([("a", area(5, 5, 5, 5))]), raster, tmp_path)


def test_large_places_are_reduced(tmp_path: Path) -> None:
    raster = make_raster(tmp_path / "s.tif", (3, 1500, 1500))
    written(from_windows([("a", area(100, 100, 1200, 1200))]), raster, tmp_path)
    chip = read_image(str(tmp_path / "examples" / "a-1-1.png"))
    assert 600 < max(chip.shape) <= 1025


@pytest.mark.parametrize("epsg", [32618, 4326])
def test_polygons(tmp_path: Path, epsg: int) -> None:
    raster = make_raster(tmp_path / "s.tif", (3, 40, 50))
    shapes = [(area(5, 5, 6, 6), "roof"), (area(20, 5, 6, 6), "pool"), (area(30, 30, 4, 4), "roof")]
    layer = polygons(tmp_path / "shapes.gpkg", shapes, epsg)
    found = from_layer(layer, Raster(raster), "kind")
    assert [(entry.name, len(entry.places)) for entry in found] == [("roof", 2), ("pool", 1)]
    assert found[0].places[0].GetArea() > found[0].places[1].GetArea()
    written(found, raster, tmp_path)
    chip = read_image(str(tmp_path / "examples" / "roof-1-1.png"))
    # All pixels that a polygon touches count; that of another system is not quite aligned.
    assert 36 <= (chip[3] > 0).sum() <= 64


def test_polygons_beside_the_raster_are_left_out(tmp_path: Path) -> None:
    """A layer may cover more than one scene; one that lies elsewhere altogether is a mistake."""
    raster = make_raster(tmp_path / "s.tif", (3, 40, 50))
    shapes = [(area(5, 5, 6, 6), "roof"), (area(500, 500, 9, 9), "roof")]
    (found,) = from_layer(polygons(tmp_path / "some.gpkg", shapes), Raster(raster), "kind")
    assert len(found.places) == 1
    with pytest.raises(ArgumentsError, match=r"no polygons with a class on .*s\.tif"):
        from_layer(polygons(tmp_path / "none.gpkg", shapes[1:]), Raster(raster), "kind")


def test_layers_without_a_field(tmp_path: Path) -> None:
    raster = make_raster(tmp_path / "s.tif", (3, 40, 50))
    layer = polygons(tmp_path / "sheds.gpkg", [(area(5, 5, 6, 6), "x")])
    assert [entry.name for entry in from_layer(layer, Raster(raster))] == ["sheds"]
    with pytest.raises(ArgumentsError, match="no field 'colour'; it has: kind"):
        from_layer(layer, Raster(raster), "colour")
    empty = polygons(tmp_path / "empty.gpkg", [])
    with pytest.raises(ArgumentsError, match="no polygons"):
        from_layer(empty, Raster(raster))
    with pytest.raises(ArgumentsError, match="cannot be opened"):
        from_layer(raster, Raster(raster))


def test_like_this_water(mini: Path, tmp_path: Path) -> None:
    """A window of the sea finds water, on 16 bit pixels that are stretched as in the run."""
    transform = gdal.Open(str(SCENE)).GetGeoTransform()
    reference = gdal.Open(str(ROOT / "demo" / "reference.tif")).ReadAsArray()
    x = transform[0] + 850 * 10
    y = transform[3] - 680 * 10
    assert (reference[600:680, 850:930] == 1).all()  # the sea
    extent = f"{transform[0]},{transform[3] - 9600},{transform[0] + 4800},{transform[3] - 4800}"
    out = tmp_path / "sea.tif"
    window = f"sea={x},{y},{x + 800},{y + 800}"
    words = [str(mini), str(SCENE), str(out), "--like", window, "--extent", extent, "-q"]
    assert main(["classify", *words, "--device", "cpu"]) == 0
    found = gdal.Open(str(out))
    assert found.GetMetadata()  # has GDAL 3.6 read the file beside it
    assert found.GetRasterBand(1).GetCategoryNames()[1] == "sea"
    part = reference[480:960, :480]
    hit = found.ReadAsArray() == 1
    assert (hit & (part == 1)).sum() > 0.8 * (part == 1).sum()
    assert (hit & (part == 2)).sum() < 0.1 * (part == 2).sum()
    assert (tmp_path / "sea-examples" / "sea-1-1.png").exists()
    again = tmp_path / "again" / "sea.tif"
    again.parent.mkdir()
    left, top = transform[0], transform[3] - 4800
    corner = (left, top - 1000, left + 1500, top)
    examples = from_windows([parse_window(window)])
    result = dlpk.classify(mini, SCENE, again, like=examples, extent=corner)
    same = gdal.Open(str(result.path)).ReadAsArray() == found.ReadAsArray()[:100, :150]
    assert same.all()


def test_packages_without_image_prompts(tmp_path: Path) -> None:
    from tests.support.runs import make_package

    package = make_package(tmp_path / "P")
    raster = make_raster(tmp_path / "s.tif", (3, 40, 50))
    with pytest.raises(DlpkError, match="image_prompt"):
        dlpk.classify(
            package, raster, tmp_path / "o.tif", like=from_windows([("a", area(1, 1, 9, 9))])
        )


@pytest.mark.parametrize("number", ["inf", "-inf", "nan", "1e300"])
def test_numbers_that_are_no_coordinates(number: str) -> None:
    with pytest.raises(ArgumentsError, match="no coordinate"):
        parse_window(f"a=1,2,3,{number}")


def test_a_failed_run_leaves_no_examples(tmp_path: Path) -> None:
    from tests.support.runs import make_package

    package = make_package(tmp_path / "P")
    raster = make_raster(tmp_path / "s.tif", (3, 40, 50))
    for place in (area(1, 1, 9, 9), area(500, 500, 9, 9)):
        with pytest.raises(DlpkError):
            dlpk.classify(package, raster, tmp_path / "o.tif", like=from_windows([("a", place)]))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["P", "s.tif"]


def test_awkward_names(mini: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    raster = make_raster(tmp_path / "s.tif", (3, 40, 50), epsg=None, transform=None)
    examples = from_windows([('a "b", c|d', Extent(5, 5, 20, 20))])
    out = tmp_path / 'sp ace, "q".tif'
    dlpk.classify(mini, raster, out, like=examples)
    assert out.exists()
    assert "Warning" not in capfd.readouterr().err
    folder = tmp_path / 'quo"te'
    folder.mkdir()
    with pytest.raises(DlpkError, match="double quote in its name"):
        dlpk.classify(mini, raster, folder / "o.tif", like=examples)
