"""A network's answers for blocks of a raster, blended from overlapping tiles."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Callable

import numpy as np
import torch
from torch import Tensor

from ..common.blend import Blend
from ..common.block_tiles import Block, Tiles
from ..common.device import memory_needed
from ..common.kept_tiles import KeptTiles
from ..common.symmetries import turned, turned_back
from ..common.tiles import Place, grids
from .arguments import Arguments
from .definition import Definition

Predict = Callable[[Tensor], Tensor]


class Tiled:
    """Blocks in, blended values out.

    Tiles lie on one grid for the whole raster: what is found at a place does not depend on the
    block.

    Parameters
    ----------
    predict : callable
        Takes normalised tiles, shape (tiles, bands, rows, columns), and gives values for their
        pixels, shape (tiles, outputs, rows, columns).
    definition : Definition
    arguments : Arguments
    device : torch.device
        Where tiles are given to `predict`.
    """

    def __init__(
        self, predict: Predict, definition: Definition, arguments: Arguments, device: torch.device
    ) -> None:
        self.predict, self.device = predict, device
        self.definition, self.arguments = definition, arguments
        mean, std = (
            np.array(values, np.float64)[:, None, None]
            for values in (definition.mean, definition.std)
        )
        self._scale = self._there((1 / std).astype(np.float32))
        self._shift = self._there((-mean / std).astype(np.float32))
        self._kept = KeptTiles()

    def values(self, pixels: np.ndarray, valid: np.ndarray, place: Place) -> np.ndarray:
        """Values of a block's pixels.

        Parameters
        ----------
        pixels, valid : ndarray
            From `blocks.read_block`, with ``arguments.block_padding`` pixels around what is wanted.
        place : Place
            Where they lie in the raster.

        Returns
        -------
        ndarray
            float32, shape (outputs, rows, columns), without the padding; 0 where nothing is valid.

        Raises
        ------
        MemoryShortage
            The device's memory does not hold the batch.
        """
        arguments, outputs = self.arguments, self.definition.outputs
        padding, size = arguments.block_padding, arguments.tile_size
        result = np.zeros((outputs, *(side - 2 * padding for side in valid.shape)), np.float32)
        block = Block.cut(pixels, valid, place, padding)
        if block.empty:
            return result
        # 8 bit crosses as it is; what torch may have no type for becomes float.
        image = block.pixels if pixels.dtype == np.uint8 else block.pixels.astype(np.float32)
        what = f"{arguments.batch_size} tiles of {size} pixels"
        with memory_needed(what, "try a smaller batch size or tile size"), torch.no_grad():
            unit, overlap = self.definition.size_unit, 2 * arguments.padding
            (grid,) = grids(place, size, unit, overlap, (1.0,))
            there = self._there(image), self._there(block.valid)
            tiles = Tiles(block, grid, *there, self._scale, self._shift)
            blend = Blend(grid, block.rows, block.columns, outputs, self._scale)
            # On the processor batches bring nothing, and single tiles give the same bits in any
            # company.
            at_once = 1 if self.device.type == "cpu" else arguments.batch_size
            starts = tiles.starts()
            for first in range(0, len(starts), at_once):
                group = starts[first : first + at_once]
                blend.add(group, self._predicted(tiles, group))
            result[(slice(None), *block.inner)] = blend.result()[0].cpu().numpy()
        return result

    def _predicted(self, tiles: Tiles, group: list[tuple[int, int]]) -> Tensor:
        """Values of some tiles, from memory where a block before has seen them all."""
        uses = [tiles.others(start) for start in group]
        keys: list[Hashable] = [
            tiles.content(start) if times else None for start, times in zip(group, uses)
        ]
        kept = [None if key is None else self._kept.get(key) for key in keys]
        missing = [start for start, known in zip(group, kept) if known is None]
        fresh = iter(self._fresh(tiles, missing) if missing else ())
        found = [next(fresh) if known is None else known[0] for known in kept]
        for key, known, values, times in zip(keys, kept, found, uses):
            if key is not None and known is None:
                self._kept.keep(key, [values.clone()], times)
        return torch.stack(found)

    def _fresh(self, tiles: Tiles, group: list[tuple[int, int]]) -> Tensor:
        images = torch.stack([tiles.image(start) for start in group])
        views = self.arguments.views
        total = turned_back(self.predict(turned(images, views[0])), views[0])
        for view in views[1:]:
            total = total + turned_back(self.predict(turned(images, view)), view)
        return total / len(views) if len(views) > 1 else total

    def _there(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)
