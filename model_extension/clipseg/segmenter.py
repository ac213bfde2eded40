"""The network on blocks of a raster: tiles in, probabilities out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Callable

import numpy as np
import torch

from .definition import ModelDefinition
from .errors import DeviceError, MemoryShortage, WeightsError
from .network import CLIPSeg
from .prompts import match_names
from .safetensors import SafetensorsFile
from .tiles import Tile, padded_side, tile_grid
from .tokenizer import Tokenizer
from .weights import load_network

EMBEDDINGS_FILE = "prompt_embeddings.safetensors"
EMBEDDINGS_TENSOR = "prompts"


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
    """

    def __init__(
        self,
        definition: ModelDefinition,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        warn: Callable[[str], None] = lambda message: None,
    ) -> None:
        self.definition = definition
        self.device = device
        self.dtype = dtype
        self.warn = warn
        advice = "choose a device with more memory, the processor for example (-1)"
        with SafetensorsFile(definition.weights) as file, _memory("the network", advice):
            self.network: CLIPSeg = load_network(
                file, definition.network, device=device, dtype=dtype, where=definition.weights
            )
        # What goes in and comes out keeps at least single precision: in half precision not even
        # the 256 values of a band would remain distinct.
        self._outer = torch.promote_types(dtype, torch.float32)
        mean = torch.tensor(definition.mean, dtype=torch.float64)
        std = torch.tensor(definition.std, dtype=torch.float64)
        # (v / 255 - mean) / std as one multiplication and one addition.
        self._scale = (1.0 / (255.0 * std)).to(device, self._outer).view(3, 1, 1)
        self._shift = (-mean / std).to(device, self._outer).view(3, 1, 1)
        self._embedded: tuple[tuple[str, ...], torch.Tensor] | None = None

    def embed(self, prompts: Sequence[str]) -> torch.Tensor:
        """Embeddings of the prompts, computed once and kept for the following blocks.

        Parameters
        ----------
        prompts : sequence of str

        Returns
        -------
        Tensor
            Shape (prompts, projection).

        Raises
        ------
        PromptError
            A prompt is not in the package's frozen vocabulary.
        """
        key = tuple(prompts)
        if self._embedded is None or self._embedded[0] != key:
            frozen = self.definition.prompt_names is not None
            embeddings = self._look_up(key) if frozen else self._embed_text(key)
            self._embedded = (key, embeddings)
        return self._embedded[1]

    def _embed_text(self, prompts: tuple[str, ...]) -> torch.Tensor:
        tokenizer = Tokenizer.from_folder(self.definition.folder)
        context = self.definition.network.context
        tokens, lengths = tokenizer.batch(prompts, context)
        for prompt, length in zip(prompts, lengths):
            if length > context:
                self.warn(
                    f"the prompt {prompt[:60]!r}… has {length} tokens and the model reads "
                    f"{context}: its last {length - context} have no effect; shorten it"
                )
        with torch.no_grad():
            return self.network.embed_text(torch.from_numpy(tokens).to(self.device))

    def _look_up(self, prompts: tuple[str, ...]) -> torch.Tensor:
        names = self.definition.prompt_names or ()
        rows = match_names(prompts, names)
        path = self.definition.path(EMBEDDINGS_FILE)
        with SafetensorsFile(path) as file:
            if EMBEDDINGS_TENSOR not in file.keys():
                raise WeightsError(f"{path} has no tensor {EMBEDDINGS_TENSOR!r}")
            known = np.array(file.tensor(EMBEDDINGS_TENSOR))
        expected = (len(names), self.definition.network.projection)
        if known.shape != expected:
            raise WeightsError(
                f"{path}: tensor {EMBEDDINGS_TENSOR!r} has shape {list(known.shape)}, the model "
                f"definition asks for {list(expected)}"
            )
        return torch.from_numpy(known[rows]).to(self.device, self.dtype)

    def probabilities(
        self,
        pixels: np.ndarray,
        valid: np.ndarray,
        prompts: Sequence[str],
        *,
        tile_size: int,
        padding: int,
        batch_size: int,
    ) -> torch.Tensor:
        """Probability of every prompt for every pixel of a block.

        Parameters
        ----------
        pixels : ndarray
            Shape (3, rows + 2·padding, columns + 2·padding), 0 to 255, uint8 or any other type.
        valid : ndarray
            Shape of one band of `pixels`; False where there is nothing to see.
        prompts : sequence of str
        tile_size, padding, batch_size : int
            See `clipseg.arguments.Arguments`.

        Returns
        -------
        Tensor
            On the device, shape (prompts, rows, columns), 0 to 1.

        Raises
        ------
        MemoryShortage
            The device's memory does not hold `batch_size` tiles.
        """
        rows, columns = pixels.shape[1] - 2 * padding, pixels.shape[2] - 2 * padding
        height = padded_side(rows, tile_size, padding)
        width = padded_side(columns, tile_size, padding)
        step = tile_size - 2 * padding
        tiles = tile_grid(rows, columns, tile_size, padding)
        embeddings = self.embed(prompts)
        what = f"{batch_size} tiles of {tile_size} pixels and {len(prompts)} prompts"
        with _memory(what, "try a smaller batch size, a smaller tile size or fewer prompts"):
            image = self._to_device(pixels, height, width)
            seen = self._to_device(valid[None], height, width)
            result = torch.empty(
                (len(prompts), height - 2 * padding, width - 2 * padding),
                dtype=self._outer,
                device=self.device,
            )
            for start in range(0, len(tiles), batch_size):
                group = tiles[start : start + batch_size]
                masks = self._masks(image, seen, group, tile_size, embeddings)
                masks = masks[..., padding : padding + step, padding : padding + step]
                for tile, mask in zip(group, masks):
                    result[:, tile.row : tile.row + step, tile.column : tile.column + step] = mask
        return result[:, :rows, :columns]

    def _masks(
        self,
        image: torch.Tensor,
        seen: torch.Tensor,
        group: Sequence[Tile],
        size: int,
        embeddings: torch.Tensor,
    ) -> torch.Tensor:
        def cut(source: torch.Tensor) -> torch.Tensor:
            return torch.stack(
                [source[:, t.row : t.row + size, t.column : t.column + size] for t in group]
            ).to(self._outer)

        # Pixels without data take the mean colour, which is 0 after normalisation.
        batch = (cut(image) * self._scale + self._shift) * cut(seen)
        with torch.no_grad():
            logits = self.network(batch.to(self.dtype), embeddings)
        return torch.sigmoid(logits.to(self._outer))

    def _to_device(self, block: np.ndarray, height: int, width: int) -> torch.Tensor:
        """Copy a block to the device, with zeros at its end so that whole tiles fit."""
        # uint8 crosses as it is; what torch may have no type for becomes float.
        kind = block.dtype if block.dtype in (np.uint8, np.bool_) else np.dtype(np.float32)
        grown = np.zeros((len(block), height, width), kind)
        grown[:, : block.shape[1], : block.shape[2]] = block
        return torch.from_numpy(grown).to(self.device)


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
