"""Rasters of classes as polygons: exact shapes, whatever the tiles; borders that stay shared."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from osgeo import gdal, ogr, osr

import dlpk
from dlpk.cli.main import main
from dlpk.polygons import shapes
from dlpk.polygons.ground import GroundAreas
from dlpk.polygons.polygonize import polygonize
from tests.support.runs import make_package, make_raster

CELL = 100.0  # square metres, in tests.support.runs.TRANSFORM
RING = [[1, 1, 1, 1, 1], [1, 0, 0, 0, 1], [1, 0, 2, 0, 1], [1, 0, 0, 0, 1], [1, 1, 1, 1, 1]]


class Found(NamedTuple):
    fields: dict[str, Any]
    shape: Any


def read(path: Path) -> list[Found]:
    source = ogr.Open(str(path))
    found = []
    for feature in source.GetLayer(0):
        fields = feature.items()
        found.append(Found(fields, shapely.from_wkb(bytes(feature.GetGeometryRef().ExportToWkb()))))
    return found


def classes(path: Path, pixels: Any, names: tuple[str, ...] = (), **options: Any) -> Path:
    make_raster(path, np.array(pixels, np.uint8)[None], **options)
    if names:
        dataset = gdal.Open(str(path), gdal.GA_Update)
        dataset.GetRasterBand(1).SetCategoryNames(list(names))
        dataset.FlushCache()
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.gpkg"


def test_hole_and_island_with_their_attributes(tmp_path: Path, out: Path) -> None:
    names = ("background", "meadow", "Ödland “x”")
    made = polygonize(classes(tmp_path / "m.tif", RING, names), out)
    meadow, island = sorted(read(out), key=lambda each: each.fields["value"])
    assert len(meadow.shape.geoms[0].interiors) == 1
    assert meadow.shape.area == 16 * CELL
    assert island.shape.equals(shapely.box(500020, 3999970, 500030, 3999980))
    assert island.fields["class"] == "Ödland “x”"
    assert [each.fields["pixels"] for each in (meadow, island)] == [16, 1]
    # UTM is a little short at its middle: the ground is larger than the map says.
    assert island.fields["area_m2"] == pytest.approx(CELL / 0.9996**2, rel=1e-6)
    assert island.fields["area_ha"] == island.fields["area_m2"] / 1e4
    assert "mean_prob" not in island.fields
    assert made.counts == {"meadow": 1, "Ödland “x”": 1}
    assert "Ödland" in made.to_text()
    source = ogr.Open(str(out))
    system = source.GetLayer(0).GetSpatialRef()
    assert system.GetAuthorityCode(None) == "32618"


@pytest.mark.parametrize(("connectedness", "areas"), [(4, [1, 1, 1, 1]), (8, [2, 2])])
def test_corner_to_corner(
    tmp_path: Path, out: Path, connectedness: int, areas: list[int], monkeypatch: Any
) -> None:
    source = classes(tmp_path / "m.tif", [[1, 2], [2, 1]])
    for tile in (1, 1024):
        monkeypatch.setattr(shapes, "TILE", tile)
        polygonize(source, out, connectedness=connectedness)
        found = read(out)
        assert [each.shape.area / CELL for each in found] == areas
        assert all(each.shape.is_valid for each in found)


def test_neither_nodata_nor_background_nor_both_on_request(tmp_path: Path, out: Path) -> None:
    source = classes(tmp_path / "m.tif", [[0, 1, 7]], ("background", "grass"), nodata=7)
    polygonize(source, out)
    assert [each.fields["class"] for each in read(out)] == ["grass"]
    polygonize(source, out, background=True)
    assert [each.fields["class"] for each in read(out)] == ["background", "grass"]
    # A class may have the value 0.
    source = classes(tmp_path / "zero.tif", [[0, 1]], ("grass", "background"))
    polygonize(source, out)
    assert [each.fields["class"] for each in read(out)] == ["grass"]


@settings(max_examples=60)
@given(
    pixels=arrays(
        np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 3)
    ),
    tile=st.integers(1, 6),
    connectedness=st.sampled_from([4, 8]),
    smoothing=st.sampled_from([0, 1, 40]),
)
def test_any_raster_in_any_tiles(
    tmp_path_factory: pytest.TempPathFactory,
    pixels: np.ndarray,
    tile: int,
    connectedness: int,
    smoothing: int,
) -> None:
    folder = tmp_path_factory.mktemp("any")
    source, out = classes(folder / "m.tif", pixels), folder / "out.fgb"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shapes, "TILE", tile)
        polygonize(source, out, background=True, connectedness=connectedness, smoothing=smoothing)
    found = read(out)
    outlines = np.array([each.shape for each in found])
    assert shapely.is_valid(outlines).all()
    # No gaps and no overlaps: borders are the same points from both sides.
    assert shapely.coverage_is_valid(outlines)
    assert shapely.area(outlines).sum() == pytest.approx(pixels.size * CELL)
    assert shapely.union_all(outlines).area == pytest.approx(pixels.size * CELL)
    for value in range(4):
        mine = [each for each in found if each.fields["value"] == value]
        assert sum(each.fields["pixels"] for each in mine) == (pixels == value).sum()
        if not smoothing:
            assert sum(each.shape.area for each in mine) == (pixels == value).sum() * CELL


def test_smooth_outlines_stay_within_half_a_pixel(tmp_path: Path, out: Path) -> None:
    rows, columns = np.mgrid[:60, :60]
    disc = ((rows - 30) ** 2 + (columns - 28) ** 2 < 400).astype(np.uint8)
    source = classes(tmp_path / "m.tif", disc)
    polygonize(source, out)
    before = read(out)[0].shape
    polygonize(source, out, smoothing=10)
    after = read(out)[0].shape
    assert after.length < 0.85 * before.length
    assert after.area == pytest.approx(before.area, rel=0.01)
    assert after.boundary.hausdorff_distance(before.boundary) < 10  # one pixel
    assert read(out)[0].fields["pixels"] == disc.sum()


def test_small_areas_are_left_out_and_small_holes_closed(tmp_path: Path, out: Path) -> None:
    source = classes(tmp_path / "m.tif", RING)
    polygonize(source, out, minimum_area=200)
    (only,) = read(out)
    assert only.fields["value"] == 1
    assert len(only.shape.geoms[0].interiors) == 1  # of nine pixels
    polygonize(source, out, minimum_area=1000)
    (only,) = read(out)
    assert only.shape.area == 25 * CELL
    assert only.fields["pixels"] == 16


def test_mean_probability(tmp_path: Path, out: Path) -> None:
    source = classes(tmp_path / "m.tif", [[1, 1, 2]], ("background", "grass", "sand"))
    chances = np.array([[[0.2, 0.4, 0.9]], [[0.7, 0.7, 0.6]]], np.float32)
    each = make_raster(tmp_path / "p.tif", chances, dtype="f4", names=("sand", "Grass"))
    polygonize(source, out, probability=each)
    assert [found.fields["mean_prob"] for found in read(out)] == pytest.approx([0.7, 0.9])
    one = make_raster(tmp_path / "one.tif", chances[:1], dtype="f4")
    polygonize(source, out, probability=one)
    assert [found.fields["mean_prob"] for found in read(out)] == pytest.approx([0.3, 0.9])
    three = make_raster(tmp_path / "three.tif", np.zeros((3, 1, 3), np.float32), dtype="f4")
    with pytest.raises(dlpk.DlpkError, match=r"has 3 bands, and .* names 2 classes"):
        polygonize(source, out, probability=three)
    other = make_raster(tmp_path / "other.tif", np.zeros((1, 2, 3), np.float32), dtype="f4")
    with pytest.raises(dlpk.DlpkError, match="does not lie on the pixels"):
        polygonize(source, out, probability=other)


def test_without_coordinate_system(tmp_path: Path, out: Path) -> None:
    source = classes(tmp_path / "m.tif", [[1, 0], [1, 3]], transform=None, epsg=None)
    made = polygonize(source, out, minimum_area=2)
    (only,) = read(out)
    assert only.shape.equals(shapely.box(0, 0, 1, 2))
    assert set(only.fields) == {"value", "class", "pixels"}
    assert made.hectares is None


@pytest.mark.parametrize("epsg", [4326, 3857, 32633])
def test_ground_of_a_pixel_at_sixty_degrees(epsg: int) -> None:
    target, degrees = osr.SpatialReference(), osr.SpatialReference()
    target.ImportFromEPSG(epsg)
    degrees.ImportFromEPSG(4326)
    for each in (target, degrees):
        each.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    x, y, _ = osr.CoordinateTransformation(degrees, target).TransformPoint(15.0, 60.0)
    size = 1e-4 if epsg == 4326 else 10.0
    image = gdal.GetDriverByName("MEM").Create("", 200, 100, 1)
    image.SetGeoTransform((x, size, 0, y, 0, -size))
    image.SetProjection(target.ExportToWkt())
    # Metres of a degree of longitude and of latitude at 60 degrees on WGS 84.
    expected = {4326: 55800 * 111412 * 1e-8, 3857: 100 * 0.25, 32633: 100 / 0.9996**2}[epsg]
    areas = GroundAreas(image).of(0, 0, 200, 100)
    assert areas.shape == (100, 200)
    assert areas == pytest.approx(
        np.full((100, 200), expected), rel=0.006 if epsg == 3857 else 1e-3
    )


def test_ground_of_the_whole_earth_and_of_no_planet(tmp_path: Path, out: Path) -> None:
    turn = (-180.0, 2.0, 0.0, 90.0, 0.0, -2.0)
    source = classes(tmp_path / "m.tif", np.ones((90, 180)), transform=turn, epsg=4326)
    made = polygonize(source, out)
    assert made.hectares == {"1": pytest.approx(5.10066e10, rel=5e-4)}
    dataset = gdal.Open(str(source), gdal.GA_Update)
    dataset.SetProjection('LOCAL_CS["a map of nowhere",UNIT["metre",1]]')
    dataset.FlushCache()
    assert polygonize(source, out).hectares is None


@pytest.mark.parametrize("ending", ["geojson", "fgb", "shp", "GPKG"])
def test_other_formats(tmp_path: Path, ending: str) -> None:
    source = classes(tmp_path / "m.tif", RING, ("", "Straße; DROP TABLE", "x" * 300))
    target = tmp_path / f"a b's “ü”.{ending}"
    for _ in range(2):  # also where there is one
        polygonize(source, target)
    found = read(target)
    assert {each.fields["class"][:250] for each in found} == {"Straße; DROP TABLE", "x" * 250}
    assert sum(each.shape.area for each in found) == pytest.approx(17 * CELL)
    beside = {path.suffix for path in tmp_path.iterdir()} - {".tif", ".xml"}
    more = {".shx", ".dbf", ".prj", ".cpg"} if ending == "shp" else set()
    assert beside == {f".{ending}"} | more


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: make_raster(path, (1, 4, 5), dtype="f4"), "holds Float32 numbers"),
        (lambda path: make_raster(path, (3, 4, 5)), "has 3 bands"),
        (lambda path: path.write_text("no raster"), "cannot be opened"),
        (lambda path: None, "there is no such file"),
    ],
)
def test_what_is_no_raster_of_classes(
    tmp_path: Path, out: Path, make: Any, message: str, capsys: Any
) -> None:
    make(tmp_path / "in.tif")
    before = set(tmp_path.iterdir())
    assert main(["polygonize", str(tmp_path / "in.tif"), str(out)]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("out.xlsx", {}, "call it out.gpkg"),
        ("no/out.gpkg", {}, "make it first"),
        ("m.tif", {}, "call it m.gpkg"),
        ("out.gpkg", {"minimum_area": float("nan")}, "minimum area is nan"),
        ("out.gpkg", {"smoothing": 101}, "from 0 to 100"),
        ("out.gpkg", {"connectedness": 6}, "must be 4 or 8"),
        ("out.gpkg", {"progress": lambda done, total: False}, "stopped"),
    ],
)
def test_what_cannot_be_written_is_said_first(
    tmp_path: Path, target: str, options: Any, message: str
) -> None:
    source = classes(tmp_path / "m.tif", RING)
    before = set(tmp_path.iterdir())
    with pytest.raises(dlpk.DlpkError, match=message):
        polygonize(source, tmp_path / target, **options)
    assert set(tmp_path.iterdir()) == before


def test_a_damaged_raster_leaves_the_polygons_before_as_they_were(
    tmp_path: Path, out: Path
) -> None:
    source = classes(tmp_path / "m.tif", RING)
    polygonize(source, out)
    noise = np.random.default_rng(0).integers(0, 3, (300, 300))
    large = classes(tmp_path / "d.tif", noise, options=["COMPRESS=DEFLATE"])
    data = large.read_bytes()
    large.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
    before = out.read_bytes()
    with pytest.raises(dlpk.DlpkError, match=r"d\.tif cannot be"):
        polygonize(large, out)
    assert out.read_bytes() == before


def test_command_and_classify_write_the_same(tmp_path: Path, capsys: Any) -> None:
    package = make_package(tmp_path / "P", probe={})
    scene = make_raster(tmp_path / "scene.tif", (3, 40, 50), nodata=0)
    result, first, second = (tmp_path / name for name in ("r.tif", "one.gpkg", "two.gpkg"))
    words = ["classify", package, scene, result, "--device", "cpu", "--polygons", first]
    assert main([*map(str, words), "--smoothing", "2"]) == 0
    assert main(["polygonize", str(result), str(second), "--smoothing", "2"]) == 0
    assert f"{second}: " in capsys.readouterr().out
    assert read(first) == read(second)
    assert read(first)
    with pytest.raises(dlpk.DlpkError, match="polygons is for one result"), dlpk.open(package) as m:
        list(m.classify_each([scene], tmp_path / "each", polygons=first))
    noise = classes(tmp_path / "continuous.tif", RING)
    probabilities = make_package(
        tmp_path / "Q", probe={"Output": {"bandCount": 1, "pixelType": "f4"}}
    )
    with pytest.raises(dlpk.DlpkError, match="no classes to make third"):
        dlpk.classify(probabilities, scene, noise, polygons=tmp_path / "third.gpkg")
