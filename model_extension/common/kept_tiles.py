"""What a network made of tiles that neighbouring blocks will need again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from torch import Tensor

# Bytes that are kept at most: some 230 tiles of CLIPSeg in half precision.
MOST_BYTES = 512 << 20


class KeptTiles:
    """A bounded memory of tensors by the content of their tile; those used longest ago go first.

    By content and not by place, so that the answer for a block depends on what is in it alone.

    Parameters
    ----------
    most_bytes : int
        Memory to use at most, on the device that the tensors lie on.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self.bytes = 0
        self._tiles: OrderedDict[Hashable, list[Tensor]] = OrderedDict()

    def get(self, content: Hashable) -> list[Tensor] | None:
        """What was made of a tile, or None."""
        if content not in self._tiles:
            return None
        self._tiles.move_to_end(content)
        return self._tiles[content]

    def keep(self, content: Hashable, tensors: list[Tensor]) -> None:
        """Keep what was made of a tile: no parts of larger tensors, which would stay as a whole."""
        if content in self._tiles:
            return
        self._tiles[content] = tensors
        self.bytes += _size(tensors)
        while self.bytes > self.most_bytes:
            self.bytes -= _size(self._tiles.popitem(last=False)[1])


def _size(tensors: list[Tensor]) -> int:
    return sum(part.element_size() * part.nelement() for part in tensors)
