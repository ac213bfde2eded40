"""The network on blocks of a raster: tiles in, probabilities out."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any, Callable

import numpy as np
import torch
from torch import Tensor

from ...common.blend import Blend
from ...common.block_tiles import Block, Tiles
from ...common.device import memory_needed
from ...common.kept_tiles import KeptTiles
from ...common.safetensors import SafetensorsFile
from ...common.symmetries import turned, turned_back
from ...common.tiles import Place, grids
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
        with SafetensorsFile(definition.weights) as file, memory_needed("the network", advice):
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
        self._tiles = KeptTiles()
        # Who has changed the prompts will look at the same tiles again.
        self._changes = 0
        # Of all concepts, and how many each has.
        self._embeddings: Tensor | None = None
        self._counts: list[int] = []
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
            See `clipseg.inference.embedding.Embedder.parts`.
        presence_threshold : float
            Tiles that are less like a concept than this have none of it: see
            `clipseg.inference.presence.Gate`. 0 switches the gate off.

        Raises
        ------
        CLIPSegError
            A prompt or an example cannot be used.
        """
        self._changes += 1
        parts = self.embedder.parts(concepts, templates, recipe)
        embeddings = [part.mixed(text_weight) for part in parts]
        self._embeddings, self._counts = torch.cat(embeddings), list(map(len, embeddings))
        self._gate = None
        if presence_threshold > 0:
            by_image = [part.is_image(text_weight) for part in parts]
            self._gate = Gate(
                presence_threshold,
                torch.stack([part.leading(text_weight).mean(0) for part in parts]),
                torch.tensor(by_image, device=self.device),
                self.embedder.blank() if all(by_image) else self.embedder.neutral(),
                self.embedder.blank(),
            )

    def probabilities(
        self,
        pixels: np.ndarray,
        valid: np.ndarray,
        place: Place,
        *,
        padding: int,
        tile_size: int,
        overlap: int,
        batch_size: int,
        scales: Sequence[float] = (1.0,),
        views: Sequence[int] = (0,),
    ) -> Tensor:
        """Probability of every concept for every pixel of a block.

        Parameters
        ----------
        pixels : ndarray
            Shape (3, rows + 2·padding, columns + 2·padding), 0 to 255, uint8 or any other type.
        valid : ndarray
            Shape of one band of `pixels`; False where there is nothing to see.
        place : Place
            Where `pixels` lie in the raster, whose tiles are those of `common.tiles.grids`.
        padding : int
            At least `common.tiles.reach`, where the raster goes on beyond the block.
        tile_size, overlap, batch_size, scales
            See `clipseg.contract.arguments.Arguments`; the overlap is twice the padding of tiles.
        views : sequence of int
            Symmetries of the square (0 to 7) that tiles are looked at in; the results are
            averaged.

        Returns
        -------
        Tensor
            On the device, shape (concepts, rows, columns), 0 to 1; 0 where nothing is valid.

        Raises
        ------
        MemoryShortage
            The device's memory does not hold `batch_size` tiles.
        """
        if self._embeddings is None:
            raise RuntimeError("look_for was not called before this method")
        concepts = len(self._counts)
        block = Block.cut(pixels, valid, place, padding)
        rows, columns = pixels.shape[1] - 2 * padding, pixels.shape[2] - 2 * padding
        what = f"{batch_size} tiles of {tile_size} pixels and {concepts} prompts"
        with memory_needed(what, "try a smaller batch size, a smaller tile size or fewer prompts"):
            result = torch.zeros((concepts, rows, columns), dtype=self._outer, device=self.device)
            if not block.empty:
                image, seen = self._to_device(block.pixels), self._to_device(block.valid)
                patch = self.definition.network.patch
                total = times = None
                for grid in grids(place, tile_size, patch, overlap, scales):
                    tiles = Tiles(block, grid, image, seen, self._scale, self._shift)
                    found, covered = self._blended(tiles, batch_size, views)
                    total = found if total is None else total.add_(found)
                    times = covered.to(found.dtype) if times is None else times.add_(covered)
                assert total is not None and times is not None
                inner = (slice(None), *block.inner)
                result[inner] = total.div_(times.clamp_(min=1.0))
            return result

    def _blended(
        self, tiles: Tiles, batch_size: int, views: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        """Probabilities of one grid over a block, and where there are any."""
        blend = Blend(
            tiles.grid, tiles.block.rows, tiles.block.columns, len(self._counts), self._scale
        )
        # On the processor batches bring nothing, and single tiles give the same bits in any
        # company.
        at_once = batch_size if self.compiled or self.device.type != "cpu" else 1
        starts = tiles.starts()
        for first in range(0, len(starts), at_once):
            group = starts[first : first + at_once]
            blend.add(group, self._masks(tiles, group, batch_size, views))
        return blend.result()

    def _masks(
        self, tiles: Tiles, group: Sequence[tuple[int, int]], batch_size: int, views: Sequence[int]
    ) -> Tensor:
        """Probabilities of some tiles, shape (at least tiles, concepts, rows, columns)."""
        assert self._embeddings is not None
        # What is compiled is compiled for one size of batch.
        least = batch_size if self.compiled else 1
        encode: Callable[..., Any] = self.network.encode
        decode: Callable[..., Any] = self.network.decode
        if self.compiled:
            encode, decode = self._compiled_encode, self._compiled_decode
        patch = self.definition.network.patch
        total: Tensor | None = None
        present: Tensor | None = None
        with torch.no_grad():
            for view in views:
                activations = self._encoded(tiles, group, view, encode, least)
                size = (tiles.grid.rows.size // patch, tiles.grid.columns.size // patch)
                logits = decode(activations, self._embeddings, size[::-1] if view % 2 else size)
                found = turned_back(self._of_concepts(logits).to(self._outer).sigmoid(), view)
                total = found if total is None else total + found
                if self._gate is not None and present is None:
                    present = self._gate.present(self._finish(activations[-1]))
        assert total is not None
        result = total / len(views) if len(views) > 1 else total
        return result if present is None else result * present[:, :, None, None]

    def _of_concepts(self, logits: Tensor) -> Tensor:
        """Of several embeddings of a concept the best logit; shape (tiles, concepts, h, w)."""
        if len(self._counts) == logits.shape[1]:
            return logits
        parts = torch.split(logits, self._counts, dim=1)
        return torch.stack([part.amax(1) for part in parts], dim=1)

    def _encoded(
        self,
        tiles: Tiles,
        group: Sequence[tuple[int, int]],
        view: int,
        encode: Callable[..., Any],
        least: int,
    ) -> list[Tensor]:
        """Activations of some tiles, from memory where they have been seen before."""
        again = self._changes > 1
        uses = [math.inf if again else tiles.others(start) for start in group]
        keys: list[Hashable] = [
            (view, tiles.content(start)) if times else None for start, times in zip(group, uses)
        ]
        known: dict[Hashable, Any] = {key: self._tiles.get(key) for key in keys if key is not None}
        missing = [start for start, key in zip(group, keys) if known.get(key) is None]
        fresh: list[list[Tensor]] = []
        if missing:
            batch = turned(torch.stack([tiles.image(start) for start in missing]), view)
            encoded = encode(filled_up(batch, least))
            if len(missing) == len(group) and not known:
                return list(encoded)
            # Copies: a part of a batch would keep all of it in memory.
            fresh = [[layer[i : i + 1].clone() for layer in encoded] for i in range(len(missing))]
        parts = [known.get(key) or fresh.pop(0) for key in keys]
        for key, part, times in zip(keys, parts, uses):
            if key is not None and (again or known[key] is None):
                self._tiles.keep(key, part, times)
        layers = [torch.cat(parts) for parts in zip(*parts)]
        return [filled_up(layer, least) for layer in layers]

    def _finish(self, deepest: Tensor) -> Tensor:
        """Embed images of which the last activation that the decoder reads is there already."""
        vision = self.network.vision
        x = deepest
        for block in vision.blocks[max(self.definition.network.extract) + 1 :]:
            x = block(x)
        embeddings: Tensor = vision.projection(vision.norm_out(x[:, 0]))
        return embeddings

    def _to_device(self, block: np.ndarray) -> Tensor:
        # uint8 crosses as it is; what torch may have no type for becomes float.
        kind = block.dtype if block.dtype in (np.uint8, np.bool_) else np.dtype(np.float32)
        return torch.from_numpy(np.ascontiguousarray(block, kind)).to(self.device)
