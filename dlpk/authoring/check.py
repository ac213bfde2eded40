"""The function in its folder, compared with the model called directly."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from builder.pixelwise import Network

from ..errors import AuthoringError
from .original import Original
from .probe import TOLERANCE

# Pixels around 3 standard deviations: what a network sees in practice.
SPREAD = 2.0


def compare(folder: Path, original: Original, network: Network) -> float:
    """Largest difference between the function's values for a raster and the model's own.

    The raster is one tile: bands, normalisation and activation are compared, and nothing is
    blended.

    Raises
    ------
    AuthoringError
        They differ by more than 1e-4 (continuous values: as a part of the largest).
    """
    import torch

    from model_extension.pixelwise.network import pixel_values

    from ..classification.model import Model

    pixels = _raster(network)
    wanted = pixels[list(network.bands)].astype(np.float64)
    mean, std = (np.array(values)[:, None, None] for values in (network.mean, network.std))
    images = torch.from_numpy(((wanted - mean) / std).astype(np.float32))[None]
    size = (network.tile_size, network.tile_size)
    with torch.no_grad():
        expected = pixel_values(original.call(images), size, network.activation)[0].numpy()
    continuous = network.activation == "regression"
    with Model(folder, device="cpu") as model:
        given = {} if continuous else {"return_probability_raster": True}
        found = np.atleast_3d(model.predict(pixels, arguments=given).labels)
    found = found.reshape(expected.shape)
    worst = float(np.abs(found - expected).max())
    if continuous:
        worst /= max(1.0, float(np.abs(expected).max()))
    if not worst <= TOLERANCE:
        raise AuthoringError(
            f"the function differs from the model called directly by {worst:.1e}, more than "
            f"{TOLERANCE:g}"
        )
    return worst


def _raster(network: Network) -> np.ndarray:
    """A raster of one tile as the network was trained for, with more bands where it skips some."""
    random = np.random.default_rng(0)
    shape = (max(network.bands) + 1, network.tile_size, network.tile_size)
    noise = random.normal(0.0, SPREAD / 2, shape)
    smooth = np.linspace(-SPREAD, SPREAD, shape[2])
    values = noise + smooth
    if network.data_range is not None and list(network.data_range) == [0.0, 255.0]:
        pixels: np.ndarray = np.clip(128 + 50 * values, 0, 255).astype(np.uint8)
        return pixels
    mean, std = np.zeros(shape[0]), np.ones(shape[0])
    mean[list(network.bands)], std[list(network.bands)] = network.mean, network.std
    values = values * std[:, None, None] + mean[:, None, None]
    if mean.max() + std.max() > 300:
        return np.clip(values, 0, 65535).astype(np.uint16)
    return values.astype(np.float32)
