"""Encoded tiles that neighbouring blocks will need again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from torch import Tensor

# Bytes of activations that are kept at most: some 230 tiles in half precision.
MOST_BYTES = 512 << 20


class EncodedTiles:
    """A bounded memory of encoded tiles, by their content: the one used longest ago goes first.

    By content and not by place, so that the answer for a block depends on what is in it alone.

    Parameters
    ----------
    most_bytes : int
        Memory to use at most, on the device that the activations lie on.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self.bytes = 0
        self._tiles: OrderedDict[Hashable, list[Tensor]] = OrderedDict()

    def get(self, content: Hashable) -> list[Tensor] | None:
        """Activations of a tile, or None."""
        if content not in self._tiles:
            return None
        self._tiles.move_to_end(content)
        return self._tiles[content]

    def keep(self, content: Hashable, activations: list[Tensor]) -> None:
        """Keep a tile's activations, one tensor per layer that the decoder reads."""
        if content in self._tiles:
            return
        self._tiles[content] = activations
        self.bytes += _size(activations)
        while self.bytes > self.most_bytes:
            self.bytes -= _size(self._tiles.popitem(last=False)[1])


def _size(activations: list[Tensor]) -> int:
    return sum(part.element_size() * part.nelement() for part in activations)
