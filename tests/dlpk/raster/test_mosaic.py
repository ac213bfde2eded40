"""Several rasters: one by one, or as one."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal

from dlpk.cli.main import main
from dlpk.errors import RasterError
from dlpk.raster.dataset import Raster
from dlpk.raster.mosaic import mosaic, mosaic_label, rasters_in
from tests.support.runs import TRANSFORM, gradient, make_package, make_raster, read


def at(column: float, row: float, cell: float = 10.0) -> tuple[float, ...]:
    """Transform of a raster that begins so many pixels right of and below the first one's."""
    return (TRANSFORM[0] + 10 * column, cell, 0.0, TRANSFORM[3] - 10 * row, 0.0, -cell)


def together(*paths: Path) -> tuple[Raster, np.ndarray, np.ndarray]:
    with ExitStack() as stack:
        raster = Raster(mosaic([str(path) for path in paths], stack))
        pixels, mask = raster.read(range(raster.count), 0, 0, raster.width, raster.height)
    return raster, pixels, mask


def test_one_is_itself(tmp_path: Path) -> None:
    with ExitStack() as stack:
        assert mosaic(["a.tif"], stack) == "a.tif"
        with pytest.raises(RasterError, match="no raster was named"):
            mosaic([], stack)
    assert mosaic_label(["a.tif"]) is None
    assert mosaic_label(list("abcde")) == "mosaic of a, b, c and 2 more"


@pytest.mark.parametrize("nodata", [None, 0])
def test_side_by_side_with_a_gap(tmp_path: Path, nodata: int | None) -> None:
    pixels = gradient((3, 10, 10)) + np.uint8(1)
    first = make_raster(tmp_path / "a.tif", pixels, nodata=nodata)
    second = make_raster(tmp_path / "b.tif", pixels, transform=at(12, 5), nodata=nodata)
    raster, found, mask = together(first, second)
    assert (raster.count, raster.width, raster.height) == (3, 22, 15)
    np.testing.assert_array_equal(found[:, :10, :10], pixels)
    np.testing.assert_array_equal(found[:, 5:, 12:], pixels)
    expected = np.zeros((15, 22), bool)
    expected[:10, :10] = expected[5:, 12:] = True
    np.testing.assert_array_equal(mask, np.broadcast_to(expected, mask.shape))


def test_later_ones_lie_on_top(tmp_path: Path) -> None:
    first = make_raster(tmp_path / "a.tif", np.full((1, 10, 10), 1, np.uint8))
    second = make_raster(tmp_path / "b.tif", np.full((1, 10, 10), 2, np.uint8), transform=at(5, 0))
    assert together(first, second)[1][0, 0].tolist() == [1] * 5 + [2] * 10
    assert together(second, first)[1][0, 0].tolist() == [1] * 10 + [2] * 5


def test_nodata_lets_the_lower_one_through(tmp_path: Path) -> None:
    over = np.full((1, 10, 10), 9, np.uint8)
    over[:, :, :5] = 0
    first = make_raster(tmp_path / "a.tif", np.full((1, 10, 10), 1, np.uint8), nodata=0)
    second = make_raster(tmp_path / "b.tif", over, nodata=0)
    assert together(first, second)[1][0, 0].tolist() == [1] * 5 + [9] * 5


def test_several_nodata_values(tmp_path: Path) -> None:
    one = np.array([[[0, 7], [7, 255]]], np.uint8).repeat(4, 1).repeat(4, 2)
    first = make_raster(tmp_path / "a.tif", one, nodata=0)
    second = make_raster(tmp_path / "b.tif", one, nodata=255, transform=at(8, 0))
    _, pixels, mask = together(first, second)
    assert mask[0, ::4, ::4].tolist() == [[0, 1, 1, 1], [1, 1, 1, 0]]
    assert pixels[0, 0, 8] == 0
    assert pixels[0, 4, 4] == 255


def test_several_coordinate_systems(tmp_path: Path) -> None:
    first = make_raster(tmp_path / "a.tif", np.full((1, 20, 20), 5, np.uint8))
    gdal.Warp(
        str(tmp_path / "b.tif"),
        str(
            make_raster(tmp_path / "s.tif", np.full((1, 20, 20), 9, np.uint8), transform=at(30, 0))
        ),
        dstSRS="EPSG:4326",
        dstNodata=0,
    )
    raster, pixels, mask = together(first, tmp_path / "b.tif")
    assert raster.epsg == 32618
    assert raster.cell_size == pytest.approx((10, 10))
    assert raster.width == pytest.approx(50, abs=2)
    assert set(np.unique(pixels[mask > 0])) == {5, 9}
    assert not mask[0, :, 22:28].any()
    assert mask[0, 5, 5]
    assert mask[0, 8, 40]


def test_the_finest_cell_size_counts(tmp_path: Path) -> None:
    first = make_raster(tmp_path / "a.tif", (1, 10, 10))
    second = make_raster(tmp_path / "b.tif", (1, 20, 20), transform=at(10, 0, cell=5.0))
    raster, _, mask = together(first, second)
    assert (raster.width, raster.height) == (40, 20)
    assert mask.all()


def test_rotated_parts(tmp_path: Path) -> None:
    first = make_raster(tmp_path / "a.tif", np.full((1, 20, 20), 5, np.uint8))
    turned = (TRANSFORM[0] + 500, 8, 6, TRANSFORM[3], 6, -8)
    second = make_raster(tmp_path / "b.tif", np.full((1, 20, 20), 9, np.uint8), transform=turned)
    _, pixels, mask = together(first, second)
    assert set(np.unique(pixels[mask > 0])) == {5, 9}
    assert 0 < mask.mean() < 1


def test_palettes(tmp_path: Path) -> None:
    for name, column in (("a", 0), ("b", 4)):
        path = make_raster(tmp_path / f"{name}.tif", (1, 4, 4), transform=at(column, 0))
        dataset = gdal.Open(str(path), gdal.GA_Update)
        table = gdal.ColorTable()
        for index in range(256):
            table.SetColorEntry(index, (index, 255 - index, 7, 255))
        dataset.GetRasterBand(1).SetColorTable(table)
        dataset = None
    raster, pixels, _ = together(tmp_path / "a.tif", tmp_path / "b.tif")
    assert raster.count == 3
    np.testing.assert_array_equal(pixels[0, :, :4], gradient((1, 4, 4))[0])
    np.testing.assert_array_equal(pixels[1, :, 4:], 255 - gradient((1, 4, 4))[0])
    assert (pixels[2] == 7).all()


def test_alpha_lets_the_lower_one_through(tmp_path: Path) -> None:
    options = ["PHOTOMETRIC=RGB", "ALPHA=YES"]
    paths = []
    for number, rows in ((1, slice(0, 6)), (2, slice(3, 8))):
        pixels = np.full((4, 10, 8), number, np.uint8)
        pixels[3] = 0
        pixels[3, rows] = 255
        paths.append(make_raster(tmp_path / f"{number}.tif", pixels, options=options))
    raster, pixels, mask = together(*paths)
    assert (raster.count, raster.width, raster.height) == (3, 8, 10)
    assert mask[0, :, 0].tolist() == [1] * 8 + [0] * 2
    assert pixels[0, :8, 0].tolist() == [1] * 3 + [2] * 5


def test_colours_of_bands_do_not_matter(tmp_path: Path) -> None:
    first = make_raster(tmp_path / "a.tif", (3, 5, 5), options=["PHOTOMETRIC=RGB"])
    second = make_raster(
        tmp_path / "b.tif", (3, 5, 5), options=["PHOTOMETRIC=MINISBLACK"], transform=at(5, 0)
    )
    _, pixels, mask = together(first, second)
    np.testing.assert_array_equal(pixels[:, :, 5:], gradient((3, 5, 5)))
    assert mask.all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pixels": (1, 5, 5)}, "need the same bands: .*a.tif has 3, .*b.tif has 1"),
        ({"dtype": "u2"}, "need the same type of pixels: .*Byte.*UInt16"),
        ({"transform": None}, "b.tif has no place on a map.*--mode items"),
    ],
)
def test_what_does_not_go_together(tmp_path: Path, change: dict[str, object], words: str) -> None:
    first = make_raster(tmp_path / "a.tif", (3, 5, 5))
    options = {"pixels": (3, 5, 5), **change}
    second = make_raster(tmp_path / "b.tif", **options)  # type: ignore[arg-type]
    with pytest.raises(RasterError, match=words):
        together(first, second)
    with pytest.raises(RasterError, match="there is no such file"):
        together(first, tmp_path / "gone.tif")


def test_rasters_of_a_folder(tmp_path: Path) -> None:
    for name in ("b.tif", "a.tif"):
        make_raster(tmp_path / name)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "a.tif.aux.xml").write_text("<PAMDataset/>")
    (tmp_path / ".hidden.tif").write_bytes((tmp_path / "a.tif").read_bytes())
    (tmp_path / "broken.tif").write_text("x")
    (tmp_path / "folder.tif").mkdir()
    named = [str(tmp_path / name) for name in ("a.tif", "b.tif", "broken.tif")]
    assert rasters_in(tmp_path) == named  # opening the damaged one says what is wrong with it
    with pytest.raises(RasterError, match="holds no raster"):
        rasters_in(tmp_path / "folder.tif")
    with pytest.raises(RasterError, match="cannot be read"):
        rasters_in(tmp_path / "gone")


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package = str(make_package(tmp_path / "P", emd={"Classes": []}))
    images, out = tmp_path / "images", tmp_path / "out"
    images.mkdir()
    out.mkdir()
    pixels = gradient((3, 10, 10)) + np.uint8(1)
    make_raster(images / "a.tif", pixels)
    make_raster(images / "b.tif", pixels, transform=at(12, 5))
    # A folder: one by one.
    assert main(["classify", package, str(images), str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["a.tif", "b.tif", "manifest.jsonl"]
    np.testing.assert_array_equal(read(out / "b.tif"), pixels[:1])
    assert capsys.readouterr().out.count("pixels, 1 band(s)") == 2
    # The same as one.
    target = str(tmp_path / "one.tif")
    assert main(["classify", package, str(images), target, "--mode", "mosaic"]) == 0
    one = read(target)
    assert one.shape == (1, 15, 22)
    np.testing.assert_array_equal(one[:, 5:, 12:], pixels[:1])
    dataset = gdal.Open(target)
    mask = dataset.GetRasterBand(1).GetMaskBand().ReadAsArray()
    assert not mask[12:, :10].any()
    assert mask[5:, 12:].all()
    tags = dataset.GetMetadata()
    assert tags["DLPK_RASTER"] == "mosaic of a.tif, b.tif"
    # Rasters by name: as one, or one by one.
    names = [str(images / "a.tif"), str(images / "b.tif")]
    assert main(["classify", package, *names, str(tmp_path / "two.tif"), "-q"]) == 0
    np.testing.assert_array_equal(read(tmp_path / "two.tif"), one)
    assert main(["classify", package, "--mode", "items", *names, str(out), "-q"]) == 0


def test_a_failure_among_images_names_the_image(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = str(make_package(tmp_path / "P", probe={"Configuration": {"extractBands": [2]}}))
    (tmp_path / "out").mkdir()
    make_raster(tmp_path / "a.tif")
    make_raster(tmp_path / "b.tif", (1, 5, 5))
    names = [str(tmp_path / "a.tif"), str(tmp_path / "b.tif"), str(tmp_path / "out")]
    assert main(["classify", package, "--mode", "items", *names, "-q"]) == 1
    assert capsys.readouterr().err.endswith(f"in the image {tmp_path / 'b.tif'}\n")
    assert sorted(path.name for path in (tmp_path / "out").iterdir())[0] == "a.tif"
