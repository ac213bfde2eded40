"""The grid of tiles of a raster."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_extension.common.resample import averages, neighbours
from model_extension.common.tiles import Place, Side, grids, moved, reach, weights


@st.composite
def sides(draw: Any) -> Side:
    size = 8 * draw(st.integers(1, 5))
    overlap, pixels = draw(st.integers(0, size - 1)), draw(st.integers(1, 300))
    scales = [draw(st.sampled_from([0.3, 0.5, 1.0, 1.7, 2.0]))]
    return grids(Place(0, 0, pixels, draw(st.integers(1, 300))), size, 8, overlap, scales)[0].rows


@given(sides())
def test_tiles_lie_inside_the_raster_and_each_pixel_is_nearest_to_one(side: Side) -> None:
    scaled = round(side.pixels * side.factor)
    assert side.starts[0] == 0
    assert side.starts[-1] + side.size == scaled or (len(side.starts) == 1 and side.size >= scaled)
    cores = [side.core(number) for number in range(len(side.starts))]
    assert cores[0][0] == 0 and cores[-1][1] == side.pixels
    for (_, end), (first, _) in zip(cores, cores[1:]):
        assert first in (end, end - 1)  # a pixel between two tiles is near to both
    for start, (first, last) in zip(side.starts, cores):
        assert side.span(start)[0] <= first < last <= side.span(start)[1]


@pytest.mark.parametrize(
    ("pixels", "scale", "factor", "size", "starts"),
    [
        (352, 1.0, 1.0, 352, (0,)),
        (512, 1.0, 1.0, 352, (0, 160)),
        (1000, 1.0, 1.0, 352, (0, 216, 432, 648)),
        (1000, 0.5, 0.5, 352, (0, 148)),
        (512, 0.5, 352 / 512, 352, (0,)),  # looked at whole, not smaller than that
        (200, 1.0, 1.0, 208, (0,)),  # a smaller tile, filled up to whole patches
        (200, 0.5, 1.0, 208, (0,)),
        (200, 2.0, 2.0, 352, (0, 48)),
    ],
)
def test_where_tiles_lie(
    pixels: int, scale: float, factor: float, size: int, starts: tuple[int, ...]
) -> None:
    grid = grids(Place(-7, 5, pixels, pixels), 352, 16, 88, [scale])[0]
    assert grid.rows == grid.columns == Side(pixels, size, factor, starts)


def test_scales_that_come_to_the_same_are_taken_once() -> None:
    assert len(grids(Place(0, 0, 300, 400), 352, 16, 88, [1, 0.5])) == 1
    assert len(grids(Place(0, 0, 512, 512), 352, 16, 88, [1, 0.5, 0.25])) == 2


@given(sides(), st.integers(0, 299), st.integers(1, 99))
def test_no_tile_beyond_its_reach_matters(side: Side, first: int, pixels: int) -> None:
    last = min(side.pixels, first + pixels)
    if first >= last:
        return
    for number in side.reaching(first, last):
        room = round(side.most_shift / side.factor) + 2
        span = side.span(side.starts[number])
        assert span[0] - room < last and span[1] + room > first
        needed = averages(side, side.starts[number])[0]
        if span[0] < last and span[1] > first:
            assert first - needed <= reach(side.size, [side.factor])


@given(sides(), st.data())
def test_moved_tiles_lose_nothing_and_stay_inside(side: Side, data: Any) -> None:
    start = data.draw(st.sampled_from(side.starts))
    first, last = side.span(start)
    valid = np.zeros(last - first, bool)
    low = data.draw(st.integers(0, len(valid) - 1))
    valid[low : data.draw(st.integers(low + 1, len(valid)))] = True
    to = moved(side, start, valid)
    assert 0 <= to <= max(side.starts)
    assert abs(to - start) <= side.most_shift
    seen = np.flatnonzero(valid) + first
    assert side.span(to)[0] <= seen[0] and seen[-1] < side.span(to)[1]


@given(sides())
def test_averages_keep_what_is_the_same_everywhere(side: Side) -> None:
    for start in side.starts:
        first, shares = averages(side, start)
        assert shares.shape[0] == side.size and first + shares.shape[1] <= side.pixels
        totals = shares.sum(axis=1)
        inside = (start + np.arange(side.size) + 0.5) / side.factor < side.pixels
        assert np.allclose(totals[inside], 1, atol=1e-5)
        assert (totals[~inside] == 0).all()


@given(sides())
def test_there_and_back_again_keeps_a_slope(side: Side) -> None:
    slope = np.arange(side.pixels, dtype=float)
    for start in side.starts:
        first, shares = averages(side, start)
        tile = shares @ slope[first : first + shares.shape[1]]
        span = side.span(start)
        lower, upper, share = neighbours(side, start, *span)
        back = tile[lower] * (1 - share) + tile[upper] * share
        assert np.isfinite(back).all()
        away = slice(4, -4) if side.factor < 1 else slice(2, -2)
        far = np.abs(back - slope[slice(*span)])[away]
        inside = (slope[slice(*span)] < side.pixels - 4)[away]
        if far[inside].size and side.pixels * side.factor >= side.size:
            assert far[inside].max() < 2 / min(side.factor, 1)


@given(sides())
def test_the_middle_of_a_tile_counts_most(side: Side) -> None:
    shares = weights(side, side.starts[0])
    assert shares.dtype == np.float32 and shares.min() > 0 and shares.max() <= 1
    first, last = side.span(side.starts[0])
    assert len(shares) == last - first
