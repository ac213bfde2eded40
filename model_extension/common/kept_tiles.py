"""What a network made of tiles that neighbouring blocks will need again."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Hashable
from typing import NamedTuple

from torch import Tensor

# Bytes that are kept at most: some 230 tiles of CLIPSeg in half precision.
MOST_BYTES = 512 << 20
# Of which tiles that all their blocks have had: somebody may look at them again.
SPARE_BYTES = 96 << 20


class KeptTiles:
    """A bounded memory of tensors by the content of their tile; those used longest ago go first.

    By content and not by place, so that the answer for a block depends on what is in it alone.

    Parameters
    ----------
    most_bytes, spare_bytes : int
        Memory to use at most, on the device that the tensors lie on, and from where on tiles go
        that nobody is expected to ask for.
    """

    def __init__(self, most_bytes: int = MOST_BYTES, spare_bytes: int = SPARE_BYTES) -> None:
        self.most_bytes, self.spare_bytes = most_bytes, spare_bytes
        self.bytes = 0
        self._needed: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._spare: OrderedDict[Hashable, _Kept] = OrderedDict()

    def get(self, content: Hashable) -> list[Tensor] | None:
        """What was made of a tile, or None; counts as one use of it."""
        kept = self._pop(content)
        if kept is None:
            return None
        self._put(content, kept.tensors, kept.uses - 1)
        return kept.tensors

    def keep(self, content: Hashable, tensors: list[Tensor], uses: float = math.inf) -> None:
        """Keep what was made of a tile: no parts of larger tensors, which would stay as a whole.

        Parameters
        ----------
        content : hashable
        tensors : list of Tensor
        uses : float
            How often it will be asked for, as far as one can tell.
        """
        self._pop(content)
        self._put(content, tensors, uses)
        while self._spare and self.bytes > min(self.spare_bytes, self.most_bytes):
            self.bytes -= _size(self._spare.popitem(last=False)[1].tensors)
        while self.bytes > self.most_bytes:
            self.bytes -= _size(self._needed.popitem(last=False)[1].tensors)

    def _put(self, content: Hashable, tensors: list[Tensor], uses: float) -> None:
        (self._needed if uses > 0 else self._spare)[content] = _Kept(tensors, uses)
        self.bytes += _size(tensors)

    def _pop(self, content: Hashable) -> _Kept | None:
        kept = self._needed.pop(content, None) or self._spare.pop(content, None)
        self.bytes -= _size(kept.tensors) if kept else 0
        return kept


class _Kept(NamedTuple):
    tensors: list[Tensor]
    uses: float


def _size(tensors: list[Tensor]) -> int:
    return sum(part.element_size() * part.nelement() for part in tensors)
