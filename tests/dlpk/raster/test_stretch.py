"""One stretch for all of a raster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dlpk.raster import sampling
from dlpk.raster.dataset import Raster
from dlpk.raster.sampling import find_stretch
from dlpk.raster.stretch import Stretch, find_range
from tests.support.runs import make_raster

BYTE = (0.0, 255.0)


def stretch_of(path: Path, data_range: tuple[float, float] = BYTE, how: str = "minmax") -> Stretch:
    raster = Raster(path)
    found = find_stretch(raster, range(raster.count), data_range, how)
    assert found is not None
    return found


def test_bytes_stay_as_they_are(tmp_path: Path) -> None:
    raster = Raster(make_raster(tmp_path / "s.tif"))
    assert find_stretch(raster, [0], BYTE, "percent-clip") is None
    assert find_stretch(raster, [0], (0.0, 1.0), "none") is None
    found = find_stretch(raster, [0, 1], (0.0, 1.0), "minmax")
    assert found is not None
    # A dark picture stays dark.
    assert (found.low.tolist(), found.high.tolist()) == ([0, 0], [255, 255])


def test_extremes_are_those_of_all_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "WINDOW", 64)
    monkeypatch.setattr(sampling, "SAMPLE_SIDE", 8)
    pixels = np.full((2, 150, 170), 500, np.uint16)
    pixels[0, 149, 169], pixels[1, 77, 3] = 65535, 1
    found = stretch_of(make_raster(tmp_path / "s.tif", pixels))
    assert found.low.tolist() == [500, 1]
    assert found.high.tolist() == [65535, 500]


@pytest.mark.parametrize("way", ["whole", "windows"])
def test_percentiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    pixels = np.random.default_rng(0).permutation(200 * 300).reshape(1, 200, 300).astype(np.int32)
    pixels[0, 0, :20] = 10**9  # a third of a thousandth
    path = make_raster(
        tmp_path / "s.tif", pixels, options=["TILED=YES", "BLOCKXSIZE=16", "BLOCKYSIZE=16"]
    )
    if way == "windows":
        monkeypatch.setattr(sampling, "DECODED_PIXELS", 100 * 200)
        monkeypatch.setattr(sampling, "WINDOW", 16)
    else:
        monkeypatch.setattr(sampling, "SAMPLE_SIDE", 100)
    found = stretch_of(path, how="percent-clip")
    assert found.low[0] == pytest.approx(300, abs=250)
    assert found.high[0] == pytest.approx(59700, abs=250)


class Shape:
    """A raster of which only the size and its blocks are asked for."""

    def __init__(self, width: int, height: int, block: tuple[int, int]) -> None:
        self.native = self
        self.RasterXSize, self.RasterYSize = width, height
        self._block = block

    def GetRasterBand(self, number: int) -> Any:
        return self

    def GetBlockSize(self) -> list[int]:
        return list(self._block)


SIDES = st.one_of(st.integers(1, 40), st.sampled_from([511, 512, 513, 4000, 40_000]))


@settings(deadline=None)
@given(width=SIDES, height=SIDES, block=st.tuples(SIDES, SIDES), most=st.integers(1, 10**8))
def test_windows(width: int, height: int, block: tuple[int, int], most: int) -> None:
    block = min(block[0], width), min(block[1], height)
    shape: Any = Shape(width, height, block)
    whole, some = (list(sampling._windows(shape, budget)) for budget in (None, most))
    for left, top, across, down in whole:
        assert 0 <= left < left + across <= width
        assert 0 <= top < top + down <= height
        assert across * down <= sampling.LARGEST_WINDOW
        # Made of whole blocks, so that none is decoded for two windows.
        if (block[0] + sampling.WINDOW) * (block[1] + sampling.WINDOW) <= sampling.LARGEST_WINDOW:
            assert left % block[0] == top % block[1] == 0
    assert sum(across * down for _, _, across, down in whole) == width * height
    assert len({window[:2] for window in whole}) == len(whole)
    assert set(some) <= set(whole)
    assert len(set(some)) == len(some) > 0
    # Two windows in each direction at least, where there are any.
    across, down = max(w for _, _, w, _ in whole), max(h for _, _, _, h in whole)
    assert sum(w * h for _, _, w, h in some) <= max(most, 4 * across * down)
    if len(some) < len(whole):
        for place, side in ((0, width), (1, height)):
            numbers = len({window[place] for window in whole})
            assert len({window[place] for window in some}) >= min(2, numbers)
            # No part of the raster is far from what was chosen of its columns and rows.
            found = sorted({(window[place] + window[place + 2] / 2) / side for window in some})
            gaps = np.diff([-found[0], *found, 2 - found[-1]])
            assert numbers <= 4 or gaps.max() <= 2 * gaps.min() + 3 / numbers


def test_a_sample_decodes_no_more_than_it_has_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However wide the raster is: a reduced read would decode a row of tiles for every row."""
    pixels = np.arange(3 * 64 * 4096, dtype=np.int32).reshape(3, 64, 4096)
    options = ["TILED=YES", "BLOCKXSIZE=32", "BLOCKYSIZE=32", "COMPRESS=DEFLATE"]
    raster = Raster(make_raster(tmp_path / "s.tif", pixels, options=options))
    read: list[int] = []
    native = raster.read_native

    def counted(bands: Any, window: tuple[int, int, int, int]) -> Any:
        read.append(window[2] * window[3])
        return native(bands, window)

    monkeypatch.setattr(raster, "read_native", counted)
    monkeypatch.setattr(raster, "read_reduced", lambda *args, **more: pytest.fail("reduced"))
    for how in ("minmax", "percent-clip"):
        read.clear()
        found = find_stretch(raster, [0, 1, 2], BYTE, how)
        assert sum(read) == 64 * 4096
        assert found is not None and len(set(found.low)) == 3
    monkeypatch.setattr(sampling, "DECODED_PIXELS", 20_000)
    monkeypatch.setattr(sampling, "WINDOW", 32)
    read.clear()
    find_stretch(raster, [0, 1, 2], BYTE, "percent-clip")
    assert 0 < sum(read) <= 20_000


@pytest.mark.parametrize(
    "place", [(slice(0, 64), slice(0, 64)), (slice(450, 460), slice(None)), (-1, -1)]
)
def test_data_between_the_windows_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Any
) -> None:
    """As in a scene that lies across its raster, or a strip of one."""
    monkeypatch.setattr(sampling, "WINDOW", 64)
    monkeypatch.setattr(sampling, "DECODED_PIXELS", 4 * 64 * 64)
    pixels = np.zeros((2, 900, 900), np.uint16)
    pixels[(slice(None), *place)] = 700
    pixels[(1, *place)] = 900
    options = ["TILED=YES", "BLOCKXSIZE=64", "BLOCKYSIZE=64"]
    path = make_raster(tmp_path / "s.tif", pixels, nodata=0, options=options)
    found = stretch_of(path, how="percent-clip")
    assert (found.low.tolist(), found.high.tolist()) == ([700, 900], [700, 900])


def test_nothing_valid(tmp_path: Path) -> None:
    path = make_raster(tmp_path / "s.tif", np.full((1, 9, 9), np.nan, np.float32))
    for how in ("minmax", "percent-clip"):
        found = stretch_of(path, how=how)
        assert (found.low[0], found.high[0]) == (0, 1)
        assert not found.apply(np.full((1, 2, 2), np.nan, np.float32)).any()


def test_nodata_does_not_count(tmp_path: Path) -> None:
    pixels = np.array([[[0, 100, 200, 65535]]], np.uint16)
    for how in ("minmax", "percent-clip"):
        found = stretch_of(make_raster(tmp_path / "s.tif", pixels, nodata=65535), how=how)
        assert (found.low[0], found.high[0]) == (0, 200)
        found = stretch_of(make_raster(tmp_path / "s.tif", pixels, nodata=0), how=how)
        assert (found.low[0], found.high[0]) == (100, 65535)


@settings(max_examples=150, deadline=None)
@given(
    pixels=st.sampled_from(["u1", "u2", "i2", "i4", "u4", "f4", "f8"]).flatmap(
        lambda kind: hnp.arrays(kind, (2, 3, 4))
    ),
    data_range=st.sampled_from([BYTE, (0.0, 1.0), (-1.0, 1.0), (5.0, 5000.0)]),
    how=st.sampled_from(["minmax", "percent-clip"]),
)
def test_any_values(pixels: np.ndarray, data_range: tuple[float, float], how: str) -> None:
    if pixels.dtype.kind == "f":  # differences of the largest numbers are no numbers
        pixels = np.where(np.abs(pixels) < 1e30, pixels, np.nan).astype(pixels.dtype)
    ranges = [find_range(band, how) for band in pixels]
    low, high = (np.array(ends, float) for ends in zip(*ranges))
    before = pixels.copy()
    with np.errstate(all="ignore"):
        result = Stretch(low, high, data_range).apply(pixels)
    np.testing.assert_array_equal(pixels, before)
    assert result.dtype == (np.uint8 if data_range == BYTE else np.float32)
    assert np.isfinite(result).all()
    assert result.min() >= data_range[0]
    assert result.max() <= data_range[1]
    # The order of values is kept in every band.
    for old, new in zip(pixels.reshape(2, -1), result.reshape(2, -1)):
        known = np.isfinite(old)
        order = np.argsort(old[known], kind="stable")
        assert (np.diff(new[known][order].astype(float)) >= 0).all()


def test_ends_become_ends() -> None:
    stretch = Stretch(np.array([10.0]), np.array([20.0]), (-1.0, 1.0))
    pixels = np.array([[[0, 10, 15, 20, 99]]], np.int32)
    assert stretch.apply(pixels).tolist() == [[[-1, -1, 0, 1, 1]]]
    flat = Stretch(np.array([7.0]), np.array([7.0]), BYTE)
    assert flat.apply(np.full((1, 1, 2), 7, np.uint16)).tolist() == [[[0, 0]]]


def test_large_integers_keep_their_difference() -> None:
    # Single precision would not tell these apart.
    base = 4_000_000_000
    stretch = Stretch(np.array([float(base)]), np.array([base + 255.0]), BYTE)
    pixels = (base + np.arange(256, dtype=np.uint64)).astype(np.uint32)[None, None]
    assert stretch.apply(pixels)[0, 0].tolist() == list(range(256))
