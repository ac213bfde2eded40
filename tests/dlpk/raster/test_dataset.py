"""Any raster GDAL opens, and windows anywhere in and around it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from osgeo import gdal, osr

from dlpk.errors import RasterError
from dlpk.raster.dataset import Raster
from dlpk.raster.extent import Extent
from tests.support.runs import TRANSFORM, gradient, make_raster


def whole(raster: Raster) -> tuple[np.ndarray, np.ndarray]:
    return raster.read(range(raster.count), 0, 0, raster.width, raster.height)


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "u4", "i4", "f4", "f8"])
def test_types(tmp_path: Path, dtype: str) -> None:
    raster = Raster(make_raster(tmp_path / "s.tif", (2, 5, 7), dtype=dtype))
    pixels, mask = whole(raster)
    assert pixels.dtype == raster.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(pixels, gradient((2, 5, 7), dtype))
    assert mask.all()
    assert mask.dtype == np.uint8


def test_bands_of_several_types(tmp_path: Path) -> None:
    files = [
        str(make_raster(tmp_path / f"{kind}.tif", (1, 5, 7), dtype=kind))
        for kind in ("u1", "i4", "u2")
    ]
    gdal.BuildVRT(str(tmp_path / "all.vrt"), files, separate=True).FlushCache()
    raster = Raster(tmp_path / "all.vrt")
    pixels, _ = whole(raster)
    assert pixels.dtype == raster.dtype == np.int32
    np.testing.assert_array_equal(pixels, gradient((1, 5, 7), "i4").repeat(3, axis=0))


def test_complex_numbers_are_refused(tmp_path: Path) -> None:
    make_raster(tmp_path / "c.tif", np.ones((1, 4, 4), np.complex64))
    with pytest.raises(RasterError, match="type CFloat32, which no model reads"):
        Raster(tmp_path / "c.tif")


def test_nodata_and_nan(tmp_path: Path) -> None:
    pixels = np.array([[[1, np.nan, np.inf, -9999]]], np.float32)
    raster = Raster(make_raster(tmp_path / "s.tif", pixels, nodata=-9999))
    assert whole(raster)[1].tolist() == [[[1, 0, 0, 0]]]
    raster = Raster(make_raster(tmp_path / "t.tif", pixels, nodata=float("nan")))
    assert whole(raster)[1].tolist() == [[[1, 0, 0, 1]]]


def test_impossible_nodata(tmp_path: Path) -> None:
    raster = Raster(make_raster(tmp_path / "s.tif", (1, 4, 4), nodata=-9999))
    assert raster.nodata == [-9999]
    assert raster.fill_value(0) == 0
    _, mask = raster.read([0], -1, -1, 6, 6)
    assert mask.sum() == 16


def test_alpha_and_mask_bands(tmp_path: Path) -> None:
    alpha = np.array([[0, 255], [255, 7]], np.uint8)
    pixels = np.concatenate([np.full((3, 2, 2), 9, np.uint8), alpha[None]])
    options = ["PHOTOMETRIC=RGB", "ALPHA=YES"]
    raster = Raster(make_raster(tmp_path / "rgba.tif", pixels, options=options))
    assert raster.count == 4
    _, mask = raster.read([0, 2], 0, 0, 2, 2)
    assert mask[0].tolist() == mask[1].tolist() == [[0, 1], [1, 1]]

    path = masked(tmp_path / "mask.tif", alpha)
    assert whole(Raster(path))[1].tolist() == [[[0, 1], [1, 1]]] * 3


def masked(path: Path, valid: np.ndarray) -> Path:
    """Three bands with one mask beside them, in a file of its own."""
    make_raster(path, (3, *valid.shape))
    dataset = gdal.Open(str(path), gdal.GA_Update)
    dataset.CreateMaskBand(gdal.GMF_PER_DATASET)
    dataset.GetRasterBand(1).GetMaskBand().WriteArray(valid)
    dataset = None
    return path


@pytest.mark.parametrize("cell_size", [None, 20.0])
def test_masks_survive_resampling(tmp_path: Path, cell_size: float | None) -> None:
    valid = np.full((20, 20), 255, np.uint8)
    valid[:, :10] = 0
    raster = Raster(masked(tmp_path / "mask.tif", valid), cell_size=cell_size)
    assert raster.count == 3
    _, mask = whole(raster)
    half = raster.width // 2
    assert not mask[:, :, :half].any()
    assert mask[:, :, half:].all()


def palette(path: Path, *, transparent: bool = False, nodata: int | None = None) -> Path:
    indices = np.array([[0, 1], [2, 1]], np.uint8)
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), 2, 2, 1)
    table = gdal.ColorTable()
    for index, color in enumerate([(1, 2, 3), (4, 5, 6), (7, 8, 9)]):
        table.SetColorEntry(index, (*color, 0 if transparent and index == 2 else 255))
    dataset.GetRasterBand(1).SetColorTable(table)
    if nodata is not None:
        dataset.GetRasterBand(1).SetNoDataValue(nodata)
    dataset.GetRasterBand(1).WriteArray(indices)
    dataset.SetGeoTransform(TRANSFORM)
    dataset = None
    return path


def test_palette_with_nothing_in_places(tmp_path: Path) -> None:
    raster = Raster(palette(tmp_path / "n.tif", nodata=0))
    assert raster.count == 3
    assert whole(raster)[1].tolist() == [[[0, 1], [1, 1]]] * 3
    # The driver for TIFF drops transparency, the one for PNG keeps it.
    table_file = tmp_path / "t.png"
    source = gdal.Open(str(palette(tmp_path / "t.tif", nodata=2)))
    gdal.GetDriverByName("PNG").CreateCopy(str(table_file), source)
    assert whole(Raster(table_file))[1].tolist() == [[[1, 1], [0, 1]]] * 3


def test_palette_can_be_resampled(tmp_path: Path) -> None:
    for nodata in (None, 0):
        raster = Raster(palette(tmp_path / f"{nodata}.tif", nodata=nodata), cell_size=5)
        assert (raster.count, raster.width, raster.height) == (3, 4, 4)
        assert whole(raster)[0].max() <= 9


@pytest.mark.parametrize("driver", ["PNG", "JPEG"])
def test_photos_without_a_place(tmp_path: Path, driver: str) -> None:
    source = gdal.Open(str(make_raster(tmp_path / "s.tif", (3, 30, 40), transform=None)))
    path = tmp_path / f"photo.{driver.lower()}"
    gdal.GetDriverByName(driver).CreateCopy(str(path), source)
    raster = Raster(path)
    assert not raster.is_referenced
    assert (raster.epsg, raster.projection, raster.cell_size) == (0, "", (1, 1))
    assert whole(raster)[0].shape == (3, 30, 40)
    # Rows count from the top in an extent, with and without another cell size.
    part = Raster(path, extent=Extent(10, 5, 20, 15))
    np.testing.assert_array_equal(whole(part)[0], whole(raster)[0][:, 5:15, 10:20])
    assert part.extent == Extent(10, 5, 20, 15)
    part = Raster(path, extent=Extent(10, 4, 20, 14), cell_size=2)
    assert (part.width, part.height, part.is_referenced) == (5, 5, False)
    assert part.extent == Extent(10, 4, 20, 14)
    np.testing.assert_array_equal(whole(part)[0], whole(Raster(path, cell_size=2))[0][:, 2:7, 5:10])


def test_rotated(tmp_path: Path) -> None:
    transform = (500000, 8, 6, 4000000, 6, -8)
    raster = Raster(make_raster(tmp_path / "r.tif", (1, 10, 10), transform=transform))
    assert raster.cell_size == (10, 10)
    assert raster.corner(1, 2) == (500020, 3999990)
    with pytest.raises(RasterError, match=r"is rotated.*gdalwarp"):
        Raster(tmp_path / "r.tif", extent=Extent(500000, 3999990, 500010, 4000000))
    straight = Raster(tmp_path / "r.tif", cell_size=10)
    assert straight.count == 1
    assert straight.transform[2] == straight.transform[4] == 0
    _, mask = whole(straight)
    assert 0 < mask.mean() < 1  # the corners of its bounding rectangle are empty
    assert not mask[0, 0, 0]


def test_south_up(tmp_path: Path) -> None:
    transform = (500000, 10, 0, 4000000, 0, 10)
    path = make_raster(tmp_path / "s.tif", (1, 10, 20), transform=transform)
    raster = Raster(path)
    assert raster.extent == Extent(500000, 4000000, 500200, 4000100)
    part = Raster(path, extent=Extent(500000, 4000000, 500050, 4000030))
    np.testing.assert_array_equal(whole(part)[0], gradient((1, 10, 20))[:, :3, :5])
    assert part.transform == transform
    north = Raster(path, cell_size=10)
    np.testing.assert_array_equal(whole(north)[0], gradient((1, 10, 20))[:, ::-1])


def test_huge_coordinates(tmp_path: Path) -> None:
    transform = (1.5e7 + 0.123, 0.1, 0, 2.5e7 + 0.456, 0, -0.1)
    path = make_raster(tmp_path / "h.tif", (1, 100, 100), transform=transform, epsg=3857)
    left, top = transform[0], transform[3]
    part = Raster(path, extent=Extent(left + 1, top - 3, left + 2, top - 1))
    np.testing.assert_array_equal(whole(part)[0], gradient((1, 100, 100))[:, 10:30, 10:20])


@pytest.mark.parametrize(
    ("extent", "columns", "rows"),
    [
        (Extent(500100, 3999900, 500200, 3999950), slice(10, 20), slice(5, 10)),
        (Extent(500101, 3999901, 500199, 3999949), slice(10, 20), slice(5, 10)),  # whole pixels
        (Extent(500100.0000001, 3999900, 500200, 3999950), slice(10, 20), slice(5, 10)),
        (Extent(0, 3999900, 500050, 5000000), slice(0, 5), slice(0, 10)),  # partly outside
        (Extent(-1e9, -1e9, 1e9, 1e9), slice(0, 50), slice(0, 40)),
        (Extent(500003, 3999992, 500004, 3999993), slice(0, 1), slice(0, 1)),  # in one pixel
    ],
)
def test_extent(tmp_path: Path, extent: Extent, columns: slice, rows: slice) -> None:
    path = make_raster(tmp_path / "s.tif", (3, 40, 50))
    part = Raster(path, extent=extent)
    np.testing.assert_array_equal(whole(part)[0], gradient((3, 40, 50))[:, rows, columns])
    assert part.corner(0, 0) == (500000 + 10 * columns.start, 4000000 - 10 * rows.start)


def test_around_an_extent_lies_the_raster(tmp_path: Path) -> None:
    path = make_raster(tmp_path / "s.tif", (1, 40, 50))
    part = Raster(path, extent=Extent(500000, 3999900, 500200, 3999950))
    pixels, mask = part.read([0], -3, -3, part.width + 6, part.height + 6)
    np.testing.assert_array_equal(pixels[:, :, 3:], gradient((1, 40, 50))[:, 2:13, :23])
    assert mask[:, :, 3:].all()
    assert not mask[:, :, :3].any()


@pytest.mark.parametrize(
    ("extent", "words"),
    [
        (Extent(0, 0, 10, 10), "lies outside of .*which covers 500000,3999600,500500,4000000"),
        (Extent(500500, 3999600, 500600, 4000000), "lies outside"),  # touches
        (Extent(500200, 3999900, 500100, 3999950), "is empty"),
        (Extent(500100, 3999900, 500100, 3999950), "is empty"),
        (Extent(float("nan"), 3999900, 500100, 3999950), "is empty"),
    ],
)
def test_impossible_extents(tmp_path: Path, extent: Extent, words: str) -> None:
    with pytest.raises(RasterError, match=words):
        Raster(make_raster(tmp_path / "s.tif", (3, 40, 50)), extent=extent)


@pytest.mark.parametrize(("cell_size", "shape"), [(5, (80, 100)), (20, (20, 25)), (30, (13, 17))])
def test_cell_size(tmp_path: Path, cell_size: float, shape: tuple[int, int]) -> None:
    raster = Raster(make_raster(tmp_path / "s.tif", (3, 40, 50)), cell_size=cell_size)
    assert (raster.height, raster.width) == shape
    assert raster.cell_size == (cell_size, cell_size)
    assert raster.count == 3
    assert whole(raster)[0].shape == (3, *shape)


def test_cell_size_and_extent_meet_on_the_grid_of_the_raster(tmp_path: Path) -> None:
    path = make_raster(tmp_path / "s.tif", (3, 40, 50))
    extent = Extent(500100, 3999800, 500300, 3999900)
    part = Raster(path, extent=extent, cell_size=20)
    assert part.extent == extent
    expected = whole(Raster(path, cell_size=20))[0][:, 5:10, 5:15]
    np.testing.assert_array_equal(whole(part)[0], expected)


def test_resampling(tmp_path: Path) -> None:
    pixels = np.array([[[0, 100], [200, 40]]], np.uint8).repeat(4, 1).repeat(4, 2)
    pixels[0, 0, 0] = 255
    path = make_raster(tmp_path / "s.tif", pixels)
    results = {
        kind: whole(Raster(path, cell_size=40, resampling=kind))[0][0]
        for kind in ("bilinear", "nearest", "average", "cubic")
    }
    assert results["average"].tolist() == [[16, 100], [200, 40]]
    assert results["nearest"].tolist() == [[0, 100], [200, 40]]
    assert not np.array_equal(results["bilinear"], results["average"])
    assert not np.array_equal(results["bilinear"], results["cubic"])


@pytest.mark.parametrize("cell_size", [0, -1, float("nan"), float("inf"), 1e-9, 1e-6, 1e9])
def test_impossible_cell_sizes(tmp_path: Path, cell_size: float) -> None:
    with pytest.raises(RasterError, match="cell size"):
        Raster(make_raster(tmp_path / "s.tif"), cell_size=cell_size)


@settings(max_examples=60, deadline=None)
@given(
    column=st.integers(-30, 30),
    row=st.integers(-30, 30),
    width=st.integers(1, 40),
    height=st.integers(1, 40),
)
def test_any_window(window_raster: Raster, column: int, row: int, width: int, height: int) -> None:
    pixels, mask = window_raster.read([1, 0], column, row, width, height)
    margin = 80
    scene = np.pad(gradient((2, 13, 17))[::-1], ((0, 0), (margin, margin), (margin, margin)))
    there = np.pad(np.ones((2, 13, 17), "u1"), ((0, 0), (margin, margin), (margin, margin)))
    rows = slice(row + margin, row + margin + height)
    columns = slice(column + margin, column + margin + width)
    np.testing.assert_array_equal(mask, there[:, rows, columns])
    np.testing.assert_array_equal(pixels, scene[:, rows, columns])


@pytest.fixture(scope="module")
def window_raster(tmp_path_factory: pytest.TempPathFactory) -> Raster:
    return Raster(make_raster(tmp_path_factory.mktemp("w") / "s.tif", (2, 13, 17)))


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "text.tif").write_text("no raster")
    (tmp_path / "empty.tif").write_bytes(b"")
    for path, words in (
        (tmp_path / "gone.tif", "there is no such file"),
        (tmp_path / "text.tif", "cannot be opened"),
        (tmp_path / "empty.tif", "cannot be opened"),
        (tmp_path, "it is a folder"),
        ("", "no raster was named"),
        ("a\0b", "there is no such file"),
    ):
        with pytest.raises(RasterError, match=words):
            Raster(path)


def test_a_file_of_files_says_what_to_choose(tmp_path: Path) -> None:
    driver = gdal.GetDriverByName("HDF5") and gdal.GetDriverByName("netCDF")
    if driver is None:
        pytest.skip("this GDAL reads no netCDF")
    path = tmp_path / "two.nc"
    group = driver.CreateMultiDimensional(str(path)).GetRootGroup()
    sides = [group.CreateDimension(name, None, None, 4) for name in "yx"]
    for name in ("first", "second"):
        group.CreateMDArray(name, sides, gdal.ExtendedDataType.Create(gdal.GDT_Byte))
    del sides, group
    with pytest.raises(RasterError, match=r"has no bands: choose one of.*first"):
        Raster(path)


@pytest.mark.parametrize("driver", ["GTiff", "PNG", "JPEG"])
def test_damaged_midway(tmp_path: Path, driver: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (3, 600, 600), dtype=np.uint8)
    source = gdal.Open(str(make_raster(tmp_path / "s.tif", noise)))
    options = ["COMPRESS=DEFLATE", "TILED=YES"] if driver == "GTiff" else []
    path = tmp_path / "damaged"
    gdal.GetDriverByName(driver).CreateCopy(str(path), source, options=options)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    raster = Raster(path)
    with pytest.raises(RasterError, match="cannot be read at column"):
        for row in range(0, 600, 100):
            raster.read([0, 1, 2], 0, row, 600, 100)


def test_epsg(tmp_path: Path) -> None:
    assert Raster(make_raster(tmp_path / "a.tif")).epsg == 32618
    path = make_raster(tmp_path / "b.tif", epsg=None)
    assert Raster(path).epsg == 0
    own = osr.SpatialReference()
    own.ImportFromProj4("+proj=laea +lat_0=10 +lon_0=20")
    dataset = gdal.Open(str(path), gdal.GA_Update)
    dataset.SetProjection(own.ExportToWkt())
    dataset = None
    assert Raster(path).epsg == 0
    assert "Lambert_Azimuthal_Equal_Area" in Raster(path).projection
