"""Cutting blocks into tiles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_extension.common.tiles import padded_side, tile_grid


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 20), st.integers(0, 9))
def test_every_pixel_is_written_once(rows: int, columns: int, size: int, padding: int) -> None:
    padding = min(padding, (size - 1) // 2)
    step = size - 2 * padding
    height, width = (padded_side(side, size, padding) for side in (rows, columns))
    assert height >= rows + 2 * padding
    written = np.zeros((height - 2 * padding, width - 2 * padding), int)
    for tile in tile_grid(rows, columns, size, padding):
        # All of it lies in the grown block.
        assert tile.row + size <= height
        assert tile.column + size <= width
        written[tile.row : tile.row + step, tile.column : tile.column + step] += 1
    assert (written == 1).all()


def test_the_order_is_row_by_row() -> None:
    assert tile_grid(4, 5, 4, 1) == [(0, 0), (0, 2), (0, 4), (2, 0), (2, 2), (2, 4)]


def test_the_arithmetic_of_the_contract() -> None:
    # "Tile 352, pad 88, batch 4: tx = ty = 352, block 528 × 528".
    assert len(tile_grid(352, 352, 352, 88)) == 4
    assert padded_side(352, 352, 88) == 528


def test_padding_that_leaves_nothing() -> None:
    with pytest.raises(ValueError, match="padding 4 leaves nothing of a tile of 8 pixels"):
        tile_grid(1, 1, 8, 4)
