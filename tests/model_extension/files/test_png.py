"""Decoding PNG: every colour and filter, and what is not read."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_extension.clipseg.files.png import SIGNATURE, decode_png, unfiltered
from model_extension.common.errors import ImageError
from tests.support.png_files import (
    CHANNELS,
    COLOR,
    COLOR_ALPHA,
    GRAY,
    GRAY_ALPHA,
    PALETTE,
    chunk,
    filtered,
    noise,
    png,
)


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
