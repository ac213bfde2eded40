"""Reading example images: PNG, .npy, and through arcpy."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from model_extension.clipseg.files.image_files import read_image, read_mask
from model_extension.clipseg.files.png import MOST_PIXELS
from model_extension.common.errors import ImageError
from tests.support.png_files import COLOR, COLOR_ALPHA, GRAY, GRAY_ALPHA, noise, png

# --- files -------------------------------------------------------------------------------------


def saved(folder: Path, name: str, pixels: np.ndarray) -> str:
    path = folder / name
    if name.endswith(".npy"):
        np.save(path, pixels)
    else:
        color = {1: GRAY, 2: GRAY_ALPHA, 3: COLOR, 4: COLOR_ALPHA}[len(pixels)]
        path.write_bytes(png(np.moveaxis(pixels, 0, -1), color, [4]))
    return str(path)


@pytest.mark.parametrize("name", ["a.png", "A.PNG", "a.npy"])
@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_bands(tmp_path: Path, name: str, bands: int) -> None:
    pixels = noise(bands, 5, 4)
    found = read_image(saved(tmp_path, name, pixels))
    if bands in (1, 2):
        pixels = np.concatenate([pixels[[0, 0, 0]], pixels[1:]])
    assert found.dtype == np.uint8
    assert np.array_equal(found, pixels)


def test_arrays_of_two_dimensions_and_of_booleans(tmp_path: Path) -> None:
    pixels = noise(5, 4)
    assert np.array_equal(read_image(saved(tmp_path, "a.npy", pixels))[2], pixels)
    assert np.array_equal(read_mask(saved(tmp_path, "m.npy", pixels > 99)), pixels > 99)


def test_a_mask_is_where_any_colour_is(tmp_path: Path) -> None:
    pixels = np.zeros((3, 2, 3), np.uint8)
    pixels[0, 0, 0] = pixels[1, 0, 1] = pixels[2, 1, 2] = 1
    expected = [[True, True, False], [False, False, True]]
    assert read_mask(saved(tmp_path, "m.png", pixels)).tolist() == expected
    opaque = np.concatenate([pixels, np.full((1, 2, 3), 255, np.uint8)])
    assert read_mask(saved(tmp_path, "n.png", opaque)).tolist() == expected


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (noise(3, 4, 4).astype(np.uint16), "has pixels of type uint16: convert it to 8 bit"),
        (noise(3, 4, 4).astype(np.float32), "has pixels of type float32: convert it to 8 bit"),
        (noise(5, 4, 4), "has 5 bands: it must have 1 or 3, and perhaps a mask"),
        (noise(4), r"has shape \[4\]: it must be \(bands, rows, columns\) or \(rows, columns\)"),
        (noise(3, 0, 4), r"has shape \[3, 0, 4\]|cannot be read"),
        (np.array({}), "cannot be read"),
        (np.array(["a"]), "has shape"),
    ],
)
def test_arrays_that_are_no_images(tmp_path: Path, pixels: np.ndarray, words: str) -> None:
    path = saved(tmp_path, "a.npy", pixels)
    with pytest.raises(ImageError, match="^the example image " + re.escape(path) + " " + words):
        read_image(path)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x93NUMPY",
        b"\x93NUMPY\x01\x00\xff\xff{",
        b"PK\x03\x04",
        b"\x80\x04N.",
        b"\x93NUMPY\x09",
    ],
)
def test_files_that_are_no_arrays(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(data)
    with pytest.raises(ImageError, match="cannot be read"):
        read_image(str(path))


def test_an_array_that_promises_more_than_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (3, 10**6, 10**6)}
        np.lib.format.write_array_header_1_0(file, header)
        file.write(bytes(300))
    with pytest.raises(ImageError, match=r"a\.npy cannot be read: .*(size|length)"):
        read_image(str(path))


def test_an_image_of_too_many_pixels(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    side = int(MOST_PIXELS**0.5) + 1
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (side, side)}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + side * side)  # a sparse file
    with pytest.raises(ImageError, match=f"has {side} by {side} pixels: cut out what"):
        read_image(str(path))


def test_files_that_are_not_there(tmp_path: Path) -> None:
    for name in ("a.png", "a.npy", "a.jpg", "a\x00.png"):
        with pytest.raises(ImageError, match="does not exist"):
            read_image(str(tmp_path / name))
    with pytest.raises(ImageError, match="does not exist"):
        read_image(str(tmp_path))


def test_a_png_that_is_refused_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"x")
    with pytest.raises(ImageError) as caught:
        read_image(str(path))
    assert str(caught.value) == f"the example image {path} cannot be read: it is not a PNG file"


# --- through arcpy -----------------------------------------------------------------------------


class FakeArcPy(ModuleType):
    def __init__(self, pixels: Any) -> None:
        super().__init__("arcpy")
        self.pixels = pixels
        self.paths: list[str] = []

    def RasterToNumPyArray(self, path: str) -> np.ndarray:
        self.paths.append(path)
        if isinstance(self.pixels, Exception):
            raise self.pixels
        return self.pixels


def through(monkeypatch: pytest.MonkeyPatch, pixels: Any) -> FakeArcPy:
    arcpy = FakeArcPy(pixels)
    monkeypatch.setitem(sys.modules, "arcpy", arcpy)
    return arcpy


def test_whatever_arcgis_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = noise(3, 4, 5)
    arcpy = through(monkeypatch, pixels)
    # A dataset of a geodatabase is no file.
    for path in ("C:/data.gdb/chip", "a.jpg", "b.tif"):
        assert np.array_equal(read_image(path), pixels)
    assert arcpy.paths == ["C:/data.gdb/chip", "a.jpg", "b.tif"]


def test_bands_of_a_raster(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = noise(6, 4, 5)
    through(monkeypatch, pixels)
    assert np.array_equal(read_image("a.tif"), pixels[:3])
    assert np.array_equal(read_image("a.tif", (3, 2, 1)), pixels[[3, 2, 1]])
    assert np.array_equal(read_image("a.tif", (7, 2, 1)), pixels[:3])
    # Infrared is no mask.
    through(monkeypatch, pixels[:4])
    assert np.array_equal(read_image("a.tif"), pixels[:3])
    for gray in (pixels[0], pixels[:1], pixels[:2]):
        through(monkeypatch, gray)
        assert np.array_equal(read_image("a.tif"), pixels[[0, 0, 0]])


def test_arcpy_does_not_read_what_is_read_here(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    arcpy = through(monkeypatch, noise(3, 2, 2))
    pixels = noise(3, 6, 6)
    assert np.array_equal(read_image(saved(tmp_path, "a.png", pixels)), pixels)
    with pytest.raises(ImageError, match="does not exist"):
        read_image("b.png")
    assert arcpy.paths == []


def test_errors_of_arcpy(monkeypatch: pytest.MonkeyPatch) -> None:
    through(monkeypatch, RuntimeError("ERROR 000732: does not exist or is not supported"))
    with pytest.raises(ImageError, match=r"image a\.jpg cannot be read: ERROR 000732"):
        read_image("a.jpg")
    through(monkeypatch, noise(3, 4, 4).astype(np.int16))
    with pytest.raises(ImageError, match=r"image a\.tif has pixels of type int16"):
        read_image("a.tif")


def test_without_arcgis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    monkeypatch.delitem(sys.modules, "arcpy", raising=False)
    for module in (None, ModuleType("arcpy")):
        if module is not None:
            monkeypatch.setitem(sys.modules, "arcpy", module)
        with pytest.raises(ImageError, match=r"outside ArcGIS, examples are PNG \(8 bit\) or .npy"):
            read_image(str(tmp_path / "a.jpg"))
