"""Masks of whole rasters, and how well they agree with the references."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import CLIPSegForImageSegmentation, CLIPTokenizer

from training import network
from training.data.references import UNKNOWN
from training.data.sampling import SIZE, normalise

PADDING = 24
THRESHOLD = 0.5
BATCH = 16


def probabilities(
    model: CLIPSegForImageSegmentation, pixels: NDArray[np.uint8], prompts: torch.Tensor
) -> NDArray[np.float16]:
    """Return the probability of each prompt at each pixel.

    Overlapping tiles of `SIZE` pixels, of which the outer `PADDING` pixels are thrown away; beyond
    the raster its edge is mirrored.

    Parameters
    ----------
    model : network of ``transformers``
        The network.
    pixels : array of uint8, shape (3, height, width)
        Red, green, blue, 0 to 255.
    prompts : tensor of float32, shape (prompt, PROJECTION)
        Embeddings.

    Returns
    -------
    array of float16, shape (prompt, height, width)
    """
    stride = SIZE - 2 * PADDING
    height, width = pixels.shape[1:]
    rows, columns = -(-height // stride), -(-width // stride)
    padding = (
        (0, 0),
        (PADDING, rows * stride - height + PADDING),
        (PADDING, columns * stride - width + PADDING),
    )
    padded = np.pad(pixels, padding, mode="reflect")
    result = np.zeros((len(prompts), rows * stride, columns * stride), dtype=np.float16)
    tiles = [(row * stride, column * stride) for row in range(rows) for column in range(columns)]
    inner = slice(PADDING, SIZE - PADDING)
    with torch.inference_mode():
        for first in range(0, len(tiles), BATCH):
            places = tiles[first : first + BATCH]
            batch = np.stack([padded[:, y : y + SIZE, x : x + SIZE] for y, x in places])
            activations, _ = network.encode_images(model, normalise(torch.from_numpy(batch)))
            for number, prompt in enumerate(prompts):
                logits = network.decode(model, activations, prompt.expand(len(places), -1))
                found = logits.sigmoid()[:, inner, inner].numpy().astype(np.float16)
                for (y, x), tile in zip(places, found):
                    result[number, y : y + stride, x : x + stride] = tile
    return result[:, :height, :width]


def text_probabilities(
    model: CLIPSegForImageSegmentation,
    tokenizer: CLIPTokenizer,
    pixels: NDArray[np.uint8],
    texts: list[str],
) -> NDArray[np.float16]:
    """Return the probability of each text at each pixel; see `probabilities`."""
    with torch.inference_mode():
        prompts = network.embed_texts(model, tokenizer, texts)
    return probabilities(model, pixels, prompts)


def overlap(found: NDArray[np.bool_], labels: NDArray[np.uint8]) -> float:
    """Return intersection over union where the labels are known; NaN where neither has any."""
    known = labels != UNKNOWN
    present = labels == 1
    union = ((found | present) & known).sum()
    return float((found & present & known).sum() / union) if union else float("nan")
