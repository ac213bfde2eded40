"""Calling the raster function of an unpacked package as ArcGIS calls it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.support.tiny_clipseg import load_function

PROMPTS = "water, trees, Ödland"
TILE, PADDING = 32, 8
SCALARS = {
    "text_prompt": PROMPTS,
    "tile_size": str(TILE),
    "padding": str(PADDING),
    "batch_size": "4",
    "threshold": "0,5",
}


def function(emd: Path, device: int | None = -1, **scalars: Any) -> Any:
    """An object that is ready for its first block."""
    instance = load_function(emd).CLIPSegClassifier()
    instance.initialize(model=str(emd), **({} if device is None else {"device": device}))
    instance.getConfiguration(**{**SCALARS, **scalars})
    return instance


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def update(
    instance: Any,
    pixels: np.ndarray,
    mask: np.ndarray | None = None,
    *,
    kind: str = "u1",
    shape: tuple[int, ...] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    padding = instance.arguments.padding
    inner = tuple(side - 2 * padding for side in pixels.shape[-2:])
    blocks = {"raster_pixels": pixels}
    if mask is not None:
        blocks["raster_mask"] = mask
    answer = instance.updatePixels(
        (10.0, 20.0), shape or (1, *inner), {"pixelType": kind}, **blocks
    )
    assert set(answer) == {"output_pixels", "output_mask"}
    assert answer["output_mask"].dtype == np.uint8
    assert answer["output_mask"].shape == answer["output_pixels"].shape
    assert answer["output_pixels"].dtype == np.dtype(kind)
    return answer["output_pixels"], answer["output_mask"]


def expected(instance: Any, pixels: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Probabilities of a block, tile by tile with the network itself, blended pixel by pixel."""
    arguments, loaded = instance.arguments, instance._loaded().segmenter
    size, padding = arguments.tile_size, arguments.padding
    step = size - 2 * padding
    rows, columns = (side - 2 * padding for side in seen.shape)
    mean = np.array([0.485, 0.456, 0.406]).reshape(3, 1, 1)
    std = np.array([0.229, 0.224, 0.225]).reshape(3, 1, 1)
    image = np.where(seen, (pixels / 255 - mean) / std, 0)
    embeddings = loaded.embedder.texts(arguments.prompts)
    height, width = (-(-side // step) * step + 2 * padding for side in (rows, columns))
    total = np.zeros((len(arguments.prompts), height, width))
    weight = np.zeros((height, width))
    risen = np.sin(np.pi / 2 * (np.arange(-step, size) + 0.5) / max(1, 2 * padding)) ** 2
    risen[:step] = 0
    risen[step + 2 * padding :] = 1
    ramp = risen[step:] - risen[:size]  # its own ramp, less that of the next tile
    for row in range(0, rows, step):
        for column in range(0, columns, step):
            tile = np.zeros((3, size, size), np.float32)
            part = image[:, row : row + size, column : column + size]
            tile[:, : part.shape[1], : part.shape[2]] = part
            if not seen[row : row + size, column : column + size].any():
                continue
            with torch.no_grad():
                logits = loaded.network(torch.from_numpy(tile)[None], embeddings)[0].numpy()
            place = (slice(row, row + size), slice(column, column + size))
            total[:, place[0], place[1]] += ramp[:, None] * ramp / (1 + np.exp(-logits))
            weight[place] += ramp[:, None] * ramp
    result = (total / np.maximum(weight, 1e-30)).astype(np.float32)
    result = result[:, padding : padding + rows, padding : padding + columns]
    return result


def same(one: tuple[np.ndarray, ...], other: tuple[np.ndarray, ...]) -> bool:
    return all(bool((a == b).all()) for a, b in zip(one, other))
