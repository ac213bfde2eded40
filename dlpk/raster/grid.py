"""The order in which a raster is asked for, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Block(NamedTuple):
    """A rectangle of the output.

    Parameters
    ----------
    column, row : int
        Top left pixel in the raster.
    width, height : int
        Size in pixels of what the function is asked for.
    used_width, used_height : int
        Size of the part that lies in the raster; smaller at its right and bottom edge when the
        function wants blocks of one fixed size.
    """

    column: int
    row: int
    width: int
    height: int
    used_width: int
    used_height: int


class BlockGrid(NamedTuple):
    """All blocks of a raster, row by row.

    Parameters
    ----------
    width, height : int
        Size of the raster in pixels.
    tx, ty : int
        Width and height of a block in pixels, without padding.
    fixed : bool
        Whether blocks at the edge keep that size (``fixedTileSize``).
    """

    width: int
    height: int
    tx: int
    ty: int
    fixed: bool

    def __len__(self) -> int:
        """Number of blocks."""
        return -(-self.width // self.tx) * -(-self.height // self.ty)

    def blocks(self, first: int = 0, last: int | None = None) -> Iterator[Block]:
        """Go through the blocks row by row; ArcGIS does not document its order.

        Parameters
        ----------
        first, last : int
            Numbers in that order; all of them by default.
        """
        across = -(-self.width // self.tx)
        for number in range(first, len(self) if last is None else last + 1):
            yield self.block(number % across, number // across)

    def block(self, across: int, down: int) -> Block:
        """The block in a column and row of the grid."""
        column, row = across * self.tx, down * self.ty
        used = (min(self.tx, self.width - column), min(self.ty, self.height - row))
        return Block(column, row, *((self.tx, self.ty) if self.fixed else used), *used)
