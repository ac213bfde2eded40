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


class Raster:
    """A raster in memory: where it lies, and what of it is valid."""

    cell = 10.0
    left, top = 500_000.0, 4_000_000.0

    def __init__(self, image: np.ndarray, seen: np.ndarray | None = None) -> None:
        self.image = image
        self.rows, self.columns = image.shape[-2:]
        self.seen = np.ones(image.shape[-2:], bool) if seen is None else seen

    @property
    def info(self) -> dict[str, Any]:
        """What ``updateRasterInfo`` is told."""
        right, bottom = self.left + self.columns * self.cell, self.top - self.rows * self.cell
        extent = (self.left, bottom, right, self.top)
        return {
            "nativeExtent": extent,
            "extent": extent,
            "cellSize": (self.cell, self.cell),
            "spatialReference": 32618,
            "nativeSpatialReference": 32618,
        }


def block(
    instance: Any,
    raster: Raster,
    row: int,
    column: int,
    rows: int,
    columns: int,
    kind: str | None = None,
    shape: tuple[int, ...] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Have a block of a raster classified; it may reach beyond the raster's end."""
    bands = instance.updateRasterInfo(raster_info=raster.info, output_info={})["output_info"]
    padding = instance.arguments.block_padding
    sides = ((padding + row, rows + padding), (padding + column, columns + padding))
    more = tuple((padding, rows + columns + padding) for _ in sides)
    here = tuple(slice(first - padding, first + pixels) for first, pixels in sides)
    pixels = np.pad(raster.image, ((0, 0), *more))[(slice(None), *here)]
    mask = np.pad(raster.seen, more)[here]
    kind = kind or bands["pixelType"]
    answer = instance.updatePixels(
        (raster.left + column * raster.cell, raster.top - row * raster.cell),
        shape or (bands["bandCount"], rows, columns),
        {"pixelType": kind, "cellSize": (raster.cell, raster.cell)},
        raster_pixels=pixels,
        raster_mask=np.repeat(mask[None], len(pixels), 0).astype(np.uint8),
    )
    assert set(answer) == {"output_pixels", "output_mask"}
    assert answer["output_mask"].dtype == np.uint8
    assert answer["output_mask"].shape == answer["output_pixels"].shape
    assert answer["output_pixels"].dtype == np.dtype(kind)
    return answer["output_pixels"], answer["output_mask"]


def update(
    instance: Any,
    pixels: np.ndarray,
    mask: np.ndarray | None = None,
    *,
    kind: str = "u1",
    shape: tuple[int, ...] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Have a whole raster classified in one block, with any pixels and any mask."""
    instance.updateRasterInfo(raster_info=Raster(pixels).info, output_info={})
    more = (instance.arguments.block_padding,) * 2
    blocks = {"raster_pixels": _padded(pixels, more)}
    if mask is not None:
        blocks["raster_mask"] = _padded(mask, more)
    answer = instance.updatePixels(
        (Raster.left, Raster.top), shape or (1, *pixels.shape[-2:]), {"pixelType": kind}, **blocks
    )
    return answer["output_pixels"], answer["output_mask"]


def _padded(array: np.ndarray, more: tuple[int, int]) -> np.ndarray:
    width = [(0, 0)] * (array.ndim - 2) + [more, more]
    padded = np.pad(np.ma.getdata(array), width)
    if isinstance(array, np.ma.MaskedArray):
        return np.ma.array(padded, mask=np.pad(np.ma.getmaskarray(array), width))
    padded = np.asfortranarray(padded) if array.flags.f_contiguous else padded
    padded.flags.writeable = array.flags.writeable
    return padded


def expected(instance: Any, image: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Probabilities of a raster, tile by tile with the network itself, pixel by pixel blended.

    Written apart from the code it checks, for one scale and for rasters without moved tiles.
    """
    arguments, loaded = instance.arguments, instance._loaded().segmenter
    embeddings = loaded.embedder.texts(arguments.prompts)
    patch = loaded.definition.network.patch
    mean = np.array([0.485, 0.456, 0.406]).reshape(3, 1, 1)
    std = np.array([0.229, 0.224, 0.225]).reshape(3, 1, 1)
    normal = (image / 255 - mean) / std

    def places(pixels: int) -> tuple[int, list[int]]:
        if pixels <= arguments.tile_size:
            return -(-pixels // patch) * patch, [0]
        step = arguments.tile_size - 2 * arguments.padding
        tiles = 1 + int(np.ceil((pixels - arguments.tile_size) / step))
        last = pixels - arguments.tile_size
        return arguments.tile_size, [int(n * last / (tiles - 1) + 0.5) for n in range(tiles)]

    (height, down), (width, across) = places(seen.shape[0]), places(seen.shape[1])
    total, weight = np.zeros((len(embeddings), *seen.shape)), np.zeros(seen.shape)
    for row in down:
        for column in across:
            here = np.s_[row : row + height, column : column + width]
            part, valid = normal[(slice(None), *here)], seen[here]
            if not valid.any():
                continue
            tile = np.tile(part[:, valid].mean(axis=1)[:, None, None], (1, height, width))
            tile[:, : part.shape[1], : part.shape[2]][:, valid] = part[:, valid]
            with torch.no_grad():
                logits = loaded.network(torch.from_numpy(tile.astype(np.float32))[None], embeddings)
            hann = [
                np.sin(np.pi * np.clip((np.arange(side) + 0.5) / side, 0.001, 0.999)) ** 2
                for side in (height, width)
            ]
            share = (hann[0][:, None] * hann[1])[: part.shape[1], : part.shape[2]]
            total[(slice(None), *here)] += (
                share * logits[0].sigmoid().numpy()[:, : part.shape[1], : part.shape[2]]
            )
            weight[here] += share
    return (total / np.maximum(weight, 1e-30)).astype(np.float32)


def same(one: tuple[np.ndarray, ...], other: tuple[np.ndarray, ...]) -> bool:
    return all(bool((a == b).all()) for a, b in zip(one, other))
