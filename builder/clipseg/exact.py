"""The network in double precision, one transformer block in memory at a time.

What a package stores of the network's results (golden chips, frozen prompts) has to come out the
same on every machine. In single precision the last bits depend on the processor and the number of
threads; in double precision they do so too, but far behind the digits that are stored. Held whole,
the network would take four times the memory of the weights in half precision, so all blocks of a
tower share the memory of one, and each takes its tensors from the file when its turn comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from model_extension.clipseg.network.config import NetworkConfig
from model_extension.clipseg.network.network import CLIPSeg
from model_extension.clipseg.network.tensors import check_tensors
from model_extension.clipseg.network.weights import slots

from .tensors import Tensors

# Prompts: in double precision they take four times the memory of half precision.
DECODED_AT_ONCE = 4
VOCABULARY = "clip.text_model.embeddings.token_embedding.weight"


class ExactNetwork:
    """CLIPSeg in double precision on the processor.

    Parameters
    ----------
    tensors : Tensors
        The weights, open as long as the network is used.
    config : NetworkConfig
        Sizes.
    where : str
        Name of the weights, for messages.

    Raises
    ------
    WeightsError
        A tensor is missing or of another shape.
    """

    def __init__(
        self,
        tensors: Tensors,
        config: NetworkConfig,
        where: str,
    ) -> None:
        check_tensors(config, {name: tensors.shape(name) for name in tensors.keys()}, where)
        self._tensors = tensors
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            # Memory that nothing was written to yet does not count.
            self._network = network = CLIPSeg(config).eval().requires_grad_(False)
            network.decoded_at_once = DECODED_AT_ONCE
        finally:
            torch.set_default_dtype(before)
        towers = [("clip.vision_model.encoder.layers.", network.vision.blocks)]
        if network.text is not None:
            towers.append(("clip.text_model.encoder.layers.", network.text.blocks))
        for _, blocks in towers:
            _share(list(blocks))
        self._slots = slots(network)
        self._hooks = [
            block.register_forward_pre_hook(partial(self._fill, f"{prefix}{index}."))
            for prefix, blocks in towers
            for index, block in enumerate(blocks)
        ]
        later = [prefix for prefix, _ in towers]
        if network.text is not None:
            self._hooks.append(network.text.vocabulary.register_forward_pre_hook(self._look_up))
            later.append(VOCABULARY)
        self._fill_all(name for name in self._slots if not name.startswith(tuple(later)))

    def close(self) -> None:
        """Let go of the hooks: they and this object hold each other, and the memory, otherwise."""
        for hook in self._hooks:
            hook.remove()

    def embed_text(self, tokens: np.ndarray) -> np.ndarray:
        """Prompt embeddings from tokens.

        Parameters
        ----------
        tokens : ndarray of int64
            Shape (prompts, length), every row with an end token.

        Returns
        -------
        ndarray of float64
            Shape (prompts, projection).
        """
        with torch.no_grad():
            embeddings = self._network.embed_text(torch.from_numpy(tokens))
        return np.asarray(embeddings.numpy())

    def probabilities(self, pixels: np.ndarray, embeddings: np.ndarray) -> np.ndarray:
        """Probabilities of an image for every prompt.

        Parameters
        ----------
        pixels : ndarray of float64
            Shape (3, height, width), normalised; sides are multiples of the patch size.
        embeddings : ndarray of float64
            Shape (prompts, projection).

        Returns
        -------
        ndarray of float64
            Shape (prompts, height, width), 0 to 1.
        """
        with torch.no_grad():
            image, prompts = (torch.from_numpy(array) for array in (pixels[None], embeddings))
            logits = self._network(image, prompts)
            return np.asarray(torch.sigmoid(logits[0]).numpy())

    def _fill(self, prefix: str, *_: Any) -> None:
        self._fill_all(name for name in self._slots if name.startswith(prefix))

    def _look_up(self, layer: nn.Module, tokens: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        """Read those rows of the vocabulary that occur, and renumber the tokens accordingly."""
        used, renumbered = torch.unique(tokens[0], return_inverse=True)
        rows = self._tensors.tensor(VOCABULARY)[used.numpy()]
        layer.weight.data = torch.from_numpy(rows.astype(np.float64))
        return (renumbered,)

    def _fill_all(self, names: Iterable[str]) -> None:
        for name in names:
            # Through numpy, since torch warns of read-only memory.
            np.copyto(self._slots[name].numpy(), self._tensors.tensor(name))


def _share(blocks: Sequence[nn.Module]) -> None:
    """Give all blocks the memory of the first."""
    for block in blocks:
        for parameter, memory in zip(block.parameters(), blocks[0].parameters()):
            parameter.data = memory.data
