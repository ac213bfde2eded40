"""Reading example images: PNG, .npy, and through arcpy."""

from __future__ import annotations

import contextlib
import io
import re
import struct
import sys
import zlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_extension.clipseg.errors import ImageError
from model_extension.clipseg.image_files import read_image, read_mask
from model_extension.clipseg.png import MOST_PIXELS, SIGNATURE, decode_png, unfiltered

GRAY, COLOR, PALETTE, GRAY_ALPHA, COLOR_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GRAY: 1, COLOR: 3, PALETTE: 1, GRAY_ALPHA: 2, COLOR_ALPHA: 4}


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def filtered(pixels: np.ndarray, kinds: list[int]) -> bytes:
    """Lines with their filters, pixel by pixel as the standard says."""
    height, width, channels = pixels.shape
    data = pixels.astype(int)
    lines = bytearray()
    for row in range(height):
        kind = kinds[row % len(kinds)]
        lines.append(kind)
        for column in range(width):
            for channel in range(channels):
                left = data[row, column - 1, channel] if column else 0
                up = data[row - 1, column, channel] if row else 0
                corner = data[row - 1, column - 1, channel] if row and column else 0
                estimate = left + up - corner
                nearest = min((left, up, corner), key=lambda value: abs(estimate - value))
                guess = [0, left, up, (left + up) // 2, nearest][kind]
                lines.append((data[row, column, channel] - guess) % 256)
    return bytes(lines)


def png(
    pixels: np.ndarray,
    color: int,
    kinds: list[int] | None = None,
    *,
    header: dict[int, int] | None = None,
    extra: tuple[tuple[bytes, bytes], ...] = (),
    parts: int = 1,
) -> bytes:
    """Write a PNG file of 8 bits; `pixels` has shape (height, width, channels)."""
    height, width = pixels.shape[:2]
    values = [width, height, 8, color, 0, 0, 0]
    for place, value in (header or {}).items():
        values[place] = value
    packed = zlib.compress(filtered(pixels, kinds or [0]))
    cuts = [len(packed) * part // parts for part in range(parts + 1)]
    return (
        SIGNATURE
        + chunk(b"IHDR", struct.pack(">IIBBBBB", *values))
        + b"".join(chunk(kind, body) for kind, body in extra)
        + b"".join(chunk(b"IDAT", packed[a:b]) for a, b in zip(cuts, cuts[1:]))
        + chunk(b"IEND", b"")
    )


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def pillow(data: bytes, mode: str) -> np.ndarray:
    image = pytest.importorskip("PIL.Image").open(io.BytesIO(data))
    pixels = np.asarray(image.convert(mode))
    return pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)


# --- decoding ----------------------------------------------------------------------------------


@given(
    st.sampled_from([GRAY, COLOR, GRAY_ALPHA, COLOR_ALPHA]),
    st.integers(1, 9),
    st.integers(1, 9),
    st.lists(st.integers(0, 4), min_size=1, max_size=9),
    st.integers(1, 3),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=80, deadline=None)
def test_every_colour_and_filter(
    color: int, height: int, width: int, kinds: list[int], parts: int, seed: int
) -> None:
    pixels = noise(height, width, CHANNELS[color], seed=seed)
    found = decode_png(png(pixels, color, kinds, parts=parts))
    assert found.dtype == np.uint8
    assert np.array_equal(found, np.moveaxis(pixels, -1, 0))


@pytest.mark.parametrize("color", [GRAY, COLOR, GRAY_ALPHA, COLOR_ALPHA])
@pytest.mark.parametrize("kind", [0, 1, 2, 3, 4])
def test_pillow_reads_the_same(color: int, kind: int) -> None:
    data = png(noise(7, 5, CHANNELS[color], seed=kind), color, [kind])
    mode = {GRAY: "L", COLOR: "RGB", GRAY_ALPHA: "LA", COLOR_ALPHA: "RGBA"}[color]
    assert np.array_equal(decode_png(data), pillow(data, mode))


@pytest.mark.parametrize("mode", ["L", "RGB", "LA", "RGBA", "1"])
@pytest.mark.parametrize("size", [(1, 1), (61, 83), (200, 3)])
def test_files_of_pillow(mode: str, size: tuple[int, int]) -> None:
    image = pytest.importorskip("PIL.Image")
    ramp = np.add.outer(np.arange(size[0]) * 3, np.arange(size[1]) * 2).astype(np.uint8)
    bands = {"L": 1, "RGB": 3, "LA": 2, "RGBA": 4, "1": 1}[mode]
    pixels = np.stack([ramp, noise(*size), 255 - ramp, noise(*size) | 15][:bands], axis=-1)
    if mode == "1":
        whole = image.fromarray(pixels[..., 0]).convert("1")
    else:
        whole = image.merge(mode, [image.fromarray(pixels[..., band]) for band in range(bands)])
    file = io.BytesIO()
    whole.save(file, "png")
    expected = pillow(file.getvalue(), "L" if mode == "1" else mode)
    assert np.array_equal(decode_png(file.getvalue()), expected)


@pytest.mark.parametrize("colors", [2, 3, 4, 16, 17, 256])
@pytest.mark.parametrize("clear", [None, 1, b"\x00\x80\xff"])
@pytest.mark.parametrize("width", [1, 7, 8, 13])
def test_palettes(colors: int, clear: Any, width: int) -> None:
    image = pytest.importorskip("PIL.Image")
    whole = image.fromarray((noise(11, width).astype(int) % colors).astype(np.uint8))
    whole.putpalette(noise(colors * 3).tobytes())
    file = io.BytesIO()
    whole.save(file, "png", **({} if clear is None else {"transparency": clear}))
    expected = pillow(file.getvalue(), "RGB" if clear is None else "RGBA")
    assert np.array_equal(decode_png(file.getvalue()), expected)


@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("width", [1, 5, 16])
@pytest.mark.parametrize("clear", [False, True])
def test_gray_of_few_bits(depth: int, width: int, clear: bool) -> None:
    line = (width * depth + 7) // 8
    lines = filtered(noise(6, line, 1), [0, 1, 2, 3, 4])
    data = (
        SIGNATURE
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, 6, depth, GRAY, 0, 0, 0))
        + (chunk(b"tRNS", b"\x00\x01") if clear else b"")
        + chunk(b"IDAT", zlib.compress(lines))
        + chunk(b"IEND", b"")
    )
    found = decode_png(data)
    assert np.array_equal(found[:1], pillow(data, "L"))
    if clear:
        assert np.array_equal(found[1], np.where(found[0] == 255 // (2**depth - 1), 0, 255))
    else:
        assert len(found) == 1


def test_a_colour_that_is_transparent() -> None:
    pixels = noise(6, 6, 3) & 1
    data = png(pixels, COLOR, [4], extra=((b"tRNS", b"\x00\x01\x00\x00\x00\x01"),))
    found = decode_png(data)
    assert np.array_equal(found[3] == 0, (pixels == [1, 0, 1]).all(axis=-1))
    assert np.array_equal(found, pillow(data, "RGBA"))
    data = png(pixels[..., :1], GRAY, extra=((b"tRNS", b"\x00\x01"),))
    assert np.array_equal(decode_png(data), pillow(data, "LA"))


def test_other_chunks_are_passed_over() -> None:
    pixels = noise(3, 4, 3)
    data = png(pixels, COLOR, extra=((b"gAMA", b"\x00\x00\xb1\x8f"), (b"tEXt", b"IDAT\x00x")))
    assert np.array_equal(decode_png(data + b"more"), np.moveaxis(pixels, -1, 0))


def test_a_large_image_takes_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.concatenate([np.full((300, 1), 4, np.uint8), noise(300, 400 * 3)], axis=1)
    steps = 0
    where = np.where

    def count(*arguments: Any) -> Any:
        nonlocal steps
        steps += 1
        return where(*arguments)

    monkeypatch.setattr(np, "where", count)
    unfiltered(rows, 400, 3)
    assert steps <= 10 * (300 + 400)


# --- what is not read --------------------------------------------------------------------------


def refusal(data: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        decode_png(data)
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({2: 16}, "it has 16 bits per channel: convert it to 8 bit"),
        ({6: 1}, "it is interlaced: save it without interlacing"),
        ({3: 1}, "its header is damaged: colour 1, depth 8"),
        ({3: 7}, "its header is damaged"),
        ({2: 4}, "its header is damaged: colour 2, depth 4"),
        ({2: 0}, "its header is damaged"),
        ({4: 1}, "its compression is not known"),
        ({5: 1}, "its compression is not known"),
        ({0: 0}, "it has 0 by 4 pixels"),
        ({0: 2**31 - 1, 1: 2**31 - 1}, "cut out what it is an example of"),
        ({0: 10_000, 1: 10_001}, "it has 10000 by 10001 pixels: cut out what it is an example of"),
        ({1: 5}, "its data end too early"),
        ({0: 10_000, 1: 10_000}, "its data end too early"),
    ],
)
def test_headers_that_are_refused(changes: dict[int, int], words: str) -> None:
    assert words in refusal(png(noise(4, 4, 3), COLOR, header=changes))


def test_sixteen_bits_of_pillow() -> None:
    image = pytest.importorskip("PIL.Image")
    file = io.BytesIO()
    image.fromarray(noise(4, 4).astype(np.uint16) * 257).save(file, "png")
    assert "16 bits per channel" in refusal(file.getvalue())


def test_files_that_are_no_png() -> None:
    for data in (b"", b"\x89PNG", b"GIF89a" + bytes(40), b"\xff\xd8\xff\xe0" + bytes(40)):
        assert refusal(data) == "it is not a PNG file"


def test_damaged_files() -> None:
    good = png(noise(4, 4, 3), COLOR, [4])
    for end in range(8, len(good)):
        assert "too early" in refusal(good[:end]), end
    for place in range(8, len(good) - 12):
        bad = bytearray(good)
        bad[place] ^= 0x10
        refusal(bytes(bad))
    assert "checksum of b'IDAT' is wrong" in refusal(
        good.replace(good[60:62], bytes([good[60] ^ 1, good[61]]), 1)
    )
    header_only = SIGNATURE + chunk(b"IEND", b"")
    assert refusal(header_only) == "its header is damaged"


def test_data_that_do_not_unpack() -> None:
    def with_data(body: bytes) -> bytes:
        ihdr = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, COLOR, 0, 0, 0))
        return SIGNATURE + ihdr + chunk(b"IDAT", body) + chunk(b"IEND", b"")

    assert "its data are damaged" in refusal(with_data(b"not zlib at all"))
    assert "its data end too early" in refusal(with_data(b""))
    assert "its data end too early" in refusal(with_data(zlib.compress(bytes(20))))
    assert "unknown filter" in refusal(with_data(zlib.compress(b"\x05" + bytes(51))))


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked = []

    class Watched:
        def __init__(self) -> None:
            self._real = real()

        def decompress(self, data: bytes, most: int) -> bytes:
            unpacked.append(most)
            return self._real.decompress(data, most)

    real = zlib.decompressobj
    monkeypatch.setattr(zlib, "decompressobj", Watched)
    body = zlib.compress(bytes(50_000_000))
    ihdr = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, COLOR, 0, 0, 0))
    found = decode_png(SIGNATURE + ihdr + chunk(b"IDAT", body) + chunk(b"IEND", b""))
    assert found.shape == (3, 4, 4)
    # A header that promises more than any data of this size can hold is not believed.
    ihdr = chunk(b"IHDR", struct.pack(">IIBBBBB", 9000, 9000, 8, COLOR, 0, 0, 0))
    assert "too early" in refusal(SIGNATURE + ihdr + chunk(b"IDAT", body) + chunk(b"IEND", b""))
    assert unpacked == [4 * 13]


def test_palettes_that_are_damaged() -> None:
    for body in (b"", b"\x00" * 4, b"\x00" * 771):
        data = png(noise(2, 2, 1), PALETTE, extra=((b"PLTE", body),))
        assert refusal(data) == "its palette is damaged"
    assert refusal(png(noise(2, 2, 1), PALETTE)) == "its palette is damaged"
    # Places beyond the palette are black, as elsewhere.
    data = png(np.array([[[0], [200]]], np.uint8), PALETTE, extra=((b"PLTE", b"\x01\x02\x03"),))
    assert decode_png(data).tolist() == [[[1, 0]], [[2, 0]], [[3, 0]]]


@given(st.binary(max_size=200), st.integers(0, 60), st.booleans())
@settings(max_examples=300, deadline=None)
def test_any_bytes_give_pixels_or_one_clear_error(data: bytes, place: int, honest: bool) -> None:
    good = png(noise(3, 3, 3), COLOR, [1, 4])
    changed = good[:place] + data + good[place + len(data) :]
    if honest:  # as if the checksum were right
        ihdr = chunk(b"IHDR", data[:13].ljust(13, b"\x01"))
        changed = SIGNATURE + ihdr + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    with contextlib.suppress(ImageError):
        assert decode_png(changed).dtype == np.uint8


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
