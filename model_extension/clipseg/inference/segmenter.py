"""The network on blocks of a raster: tiles in, probabilities out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Callable

import numpy as np
import torch
from torch import Tensor

from ...common.errors import DeviceError, MemoryShortage
from ...common.safetensors import SafetensorsFile
from ...common.tiles import Tile, padded_side, tile_grid, window
from ..contract.definition import ModelDefinition
from ..language.plan import Concept
from ..language.recipes import BEST
from ..network.compiling import Compiled, filled_up
from ..network.network import CLIPSeg
from ..network.weights import load_network
from .embedding import Embedder
from .presence import Gate


class Segmenter:
    """A loaded network with the prompts of a run.

    Parameters
    ----------
    definition : ModelDefinition
        The package.
    device : torch.device
        Where to compute.
    dtype : torch.dtype
        Precision to compute in.
    warn : callable
        Takes a message for the user.
    exact : bool
        Whether single precision gives the reference's results to the last bit: see
        `clipseg.network.weights.load_network`.
    compiled : bool
        Whether the network is compiled when the run turns out to be long.
    """

    def __init__(
        self,
        definition: ModelDefinition,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        warn: Callable[[str], None] = lambda message: None,
        exact: bool = True,
        compiled: bool = False,
    ) -> None:
        self.definition = definition
        self.device = device
        self.dtype = dtype
        self.exact = exact
        self.compiled = compiled
        advice = "choose a device with more memory, the processor for example (-1)"
        with SafetensorsFile(definition.weights) as file, _memory("the network", advice):
            self.network: CLIPSeg = load_network(
                file,
                definition.network,
                device=device,
                dtype=dtype,
                exact=exact,
                where=definition.weights,
            )
        if compiled:
            self._compiled_encode = Compiled(self.network.encode, warn)
            self._compiled_decode = Compiled(self.network.decode, warn)
        # What goes in and comes out keeps at least single precision: in half precision not even
        # the 256 values of a band would remain distinct.
        self._outer = torch.promote_types(dtype, torch.float32)
        mean = torch.tensor(definition.mean, dtype=torch.float64).view(3, 1, 1)
        std = torch.tensor(definition.std, dtype=torch.float64).view(3, 1, 1)
        # (v / 255 - mean) / std as one multiplication and one addition.
        self._scale = (1.0 / (255.0 * std)).to(device, self._outer)
        self._shift = (-mean / std).to(device, self._outer)
        self.embedder = Embedder(
            definition,
            self.network,
            device,
            mean.to(device, self._outer),
            std.to(device, self._outer),
            warn,
        )
        self._embeddings: Tensor | None = None
        self._gate: Gate | None = None

    def look_for(
        self,
        concepts: Sequence[Concept],
        *,
        templates: Sequence[str] = ("{}",),
        text_weight: float = 0.5,
        recipe: str = BEST,
        presence_threshold: float = 0.0,
    ) -> None:
        """Set what to look for; embedded here once, for all blocks that follow.

        Parameters
        ----------
        concepts : sequence of Concept
        templates, text_weight, recipe
            See `clipseg.inference.embedding.Embedder.concepts`.
        presence_threshold : float
            Tiles that are less like a concept than this have none of it: see
            `clipseg.inference.presence.Gate`. 0 switches the gate off.

        Raises
        ------
        CLIPSegError
            A prompt or an example cannot be used.
        """
        parts = self.embedder.parts(concepts, templates, recipe)
        self._embeddings = torch.stack([part.mixed(text_weight) for part in parts])
        self._gate = None
        if presence_threshold > 0:
            by_image = [part.is_image(text_weight) for part in parts]
            self._gate = Gate(
                presence_threshold,
                torch.stack([part.leading(text_weight) for part in parts]),
                torch.tensor(by_image, device=self.device),
                self.embedder.blank() if all(by_image) else self.embedder.neutral(),
                self.embedder.blank(),
            )

    def probabilities(
        self,
        pixels: np.ndarray,
        valid: np.ndarray,
        *,
        tile_size: int,
        padding: int,
        batch_size: int,
        views: Sequence[int] = (0,),
    ) -> Tensor:
        """Probability of every concept for every pixel of a block.

        Parameters
        ----------
        pixels : ndarray
            Shape (3, rows + 2·padding, columns + 2·padding), 0 to 255, uint8 or any other type.
        valid : ndarray
            Shape of one band of `pixels`; False where there is nothing to see.
        tile_size, padding, batch_size : int
            See `clipseg.contract.arguments.Arguments`.
        views : sequence of int
            Symmetries of the square (0 to 7) that tiles are looked at in; the results are
            averaged.

        Returns
        -------
        Tensor
            On the device, shape (concepts, rows, columns), 0 to 1.

        Raises
        ------
        MemoryShortage
            The device's memory does not hold `batch_size` tiles.
        """
        embeddings = self._embeddings
        if embeddings is None:
            raise RuntimeError("look_for was not called before this method")
        rows, columns = pixels.shape[1] - 2 * padding, pixels.shape[2] - 2 * padding
        height = padded_side(rows, tile_size, padding)
        width = padded_side(columns, tile_size, padding)
        tiles = [
            tile
            for tile in tile_grid(rows, columns, tile_size, padding)
            # What lies between the borders of a tile is there for it alone. Where that is empty,
            # beyond the edge of a raster for example, its neighbours do without its borders.
            if _middle(valid, tile, tile_size, padding).any()
        ]
        what = f"{batch_size} tiles of {tile_size} pixels and {len(embeddings)} prompts"
        with _memory(what, "try a smaller batch size, a smaller tile size or fewer prompts"):
            image = self._to_device(pixels, height, width)
            seen = self._to_device(valid[None], height, width)
            blend = _Blend(len(embeddings), height, width, tile_size, padding, seen, self._outer)
            for start in range(0, len(tiles), batch_size):
                group = tiles[start : start + batch_size]
                # What is compiled is compiled for one size of batch.
                least = batch_size if self.compiled else 1
                masks = self._masks(image, seen, group, tile_size, embeddings, views, least)
                blend.add(group, masks[: len(group)])
            return blend.result()[:, padding : padding + rows, padding : padding + columns]

    def _masks(
        self,
        image: Tensor,
        seen: Tensor,
        group: Sequence[Tile],
        size: int,
        embeddings: Tensor,
        views: Sequence[int],
        least: int,
    ) -> Tensor:
        """Probabilities of some tiles, shape (tiles, concepts, size, size), at least so many."""

        def cut(source: Tensor) -> Tensor:
            return torch.stack(
                [source[:, t.row : t.row + size, t.column : t.column + size] for t in group]
            ).to(self._outer)

        # Pixels without data take the mean colour, which is 0 after normalisation.
        batch = cut(image).mul_(self._scale).add_(self._shift).mul_(cut(seen))
        batch = filled_up(batch, least)
        grid = (size // self.definition.network.patch,) * 2
        encode: Callable[..., Any] = self.network.encode
        decode: Callable[..., Any] = self.network.decode
        if self.compiled:
            encode, decode = self._compiled_encode, self._compiled_decode
        total: Tensor | None = None
        present: Tensor | None = None
        with torch.no_grad():
            for view in views:
                activations = encode(turned(batch, view))
                logits = decode(activations, embeddings, grid)
                found = turned_back(logits.to(self._outer).sigmoid(), view)
                total = found if total is None else total + found
                if self._gate is not None and present is None:
                    present = self._gate.present(self._finish(activations[-1]))
        assert total is not None
        result = total / len(views) if len(views) > 1 else total
        return result if present is None else result * present[:, :, None, None]

    def _finish(self, deepest: Tensor) -> Tensor:
        """Embed images of which the last activation that the decoder reads is there already."""
        vision = self.network.vision
        x = deepest
        for block in vision.blocks[max(self.definition.network.extract) + 1 :]:
            x = block(x)
        embeddings: Tensor = vision.projection(vision.norm_out(x[:, 0]))
        return embeddings

    def _to_device(self, block: np.ndarray, height: int, width: int) -> Tensor:
        """Copy a block to the device, with zeros at its end so that whole tiles fit."""
        # uint8 crosses as it is; what torch may have no type for becomes float.
        kind = block.dtype if block.dtype in (np.uint8, np.bool_) else np.dtype(np.float32)
        grown = np.zeros((len(block), height, width), kind)
        grown[:, : block.shape[1], : block.shape[2]] = block
        return torch.from_numpy(grown).to(self.device)


class _Blend:
    """Adds up overlapping tiles with weights that fade towards their edges."""

    def __init__(
        self,
        concepts: int,
        height: int,
        width: int,
        size: int,
        padding: int,
        like: Tensor,
        dtype: torch.dtype,
    ) -> None:
        self._size = size
        side = torch.tensor(window(size, padding), dtype=dtype, device=like.device)
        self._window = side[:, None] * side[None, :]
        self._sum = torch.zeros((concepts, height, width), dtype=dtype, device=like.device)
        self._weight = torch.zeros((height, width), dtype=dtype, device=like.device)

    def add(self, tiles: Sequence[Tile], masks: Tensor) -> None:
        """Add the probabilities of tiles, shape (tiles, concepts, size, size); uses them up."""
        for tile, mask in zip(tiles, masks.mul_(self._window)):
            rows = slice(tile.row, tile.row + self._size)
            columns = slice(tile.column, tile.column + self._size)
            self._sum[:, rows, columns] += mask
            self._weight[rows, columns] += self._window

    def result(self) -> Tensor:
        """The blended probabilities, 0 where no tile lies; to be asked for once."""
        return self._sum.div_(self._weight.clamp_(min=torch.finfo(self._sum.dtype).tiny))


def _middle(valid: np.ndarray, tile: Tile, size: int, padding: int) -> np.ndarray:
    """The part of a block that a tile covers without its borders."""
    first, last = padding, size - padding
    return valid[tile.row + first : tile.row + last, tile.column + first : tile.column + last]


def turned(images: Tensor, view: int) -> Tensor:
    """Images in one of the eight symmetries of the square: a quarter turn each, mirrored from 4."""
    if view >= 4:
        images = images.flip(-1)
    return torch.rot90(images, view % 4, (-2, -1)) if view % 4 else images


def turned_back(images: Tensor, view: int) -> Tensor:
    """Undo `turned`."""
    if view % 4:
        images = torch.rot90(images, -(view % 4), (-2, -1))
    return images.flip(-1) if view >= 4 else images


@contextmanager
def _memory(what: str, advice: str) -> Iterator[None]:
    """Turn torch's words for a lack of memory into advice."""
    try:
        yield
    except RuntimeError as error:
        text = str(error).lower()
        if "out of memory" not in text and "allocate memory" not in text:
            raise
        raise MemoryShortage(f"Ran out of memory for {what}: {advice}") from error


def choose_device(number: int) -> torch.device:
    """The device that ArcGIS means (contract, section 3).

    Parameters
    ----------
    number : int
        -2: the graphics card with the most free memory, the processor when there is none. 0 and
        up: that graphics card. Any other negative number: the processor.

    Returns
    -------
    torch.device

    Raises
    ------
    DeviceError
        There is no such card.
    """
    cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if number >= cards and number >= 0:
        raise DeviceError(
            f"graphics card {number} was asked for and torch {torch.__version__} sees {cards}: "
            "choose another, or the processor (-1)"
        )
    if number >= 0:
        return torch.device("cuda", number)
    if number != -2 or cards == 0:
        return torch.device("cpu")
    if hasattr(torch.cuda, "mem_get_info"):
        return torch.device("cuda", max(range(cards), key=lambda c: torch.cuda.mem_get_info(c)[0]))
    return torch.device("cuda", 0)
