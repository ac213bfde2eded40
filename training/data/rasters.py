"""The scenes that the training reads, with their labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from osgeo import gdal

from training.data import references, split
from training.data.references import Labels, Mask

gdal.UseExceptions()


@dataclass(frozen=True)
class Source:
    """One scene as the training sees it.

    Parameters
    ----------
    name : str
        Name in tables.
    rgb : array of float32, shape (3, height, width)
        Red, green, blue as stored.
    labels : array of uint8, shape (concept, height, width)
        See `references`.
    trainable : array of bool, shape (height, width)
        Pixels that the training may see.
    valid : array of bool, shape (height, width)
        Pixels inside the footprint.
    stretch : bool
        True where the values are not 8 bit and therefore stretched before the network sees them.
    weight : float
        Share of the training crops, relative to the other scenes.
    """

    name: str
    rgb: NDArray[np.float32]
    labels: Labels
    trainable: Mask
    valid: Mask
    stretch: bool
    weight: float


def read(path: Path) -> NDArray[np.float32]:
    """Return all bands of a raster, shape (band, height, width)."""
    return np.asarray(gdal.Open(str(path)).ReadAsArray(), dtype=np.float32)


def read_swir(path: Path, like: Path) -> NDArray[np.float32]:
    """Return band 1 of a coarser raster on the pixel grid of a finer one.

    The two grids start at different corners, so the band is resampled (bilinear) by the
    geotransforms of both files, not by doubling its pixels.

    Parameters
    ----------
    path, like : Path
        The coarse raster and the one whose grid is wanted, in the same coordinate system.

    Returns
    -------
    array of float32, shape (height, width)
    """
    fine = gdal.Open(str(like))
    left, width, _, top, _, height = fine.GetGeoTransform()
    warped = gdal.Warp(
        "",
        str(path),
        format="MEM",
        outputBounds=(
            left,
            top + height * fine.RasterYSize,
            left + width * fine.RasterXSize,
            top,
        ),
        width=fine.RasterXSize,
        height=fine.RasterYSize,
        resampleAlg="bilinear",
        outputType=gdal.GDT_Float32,
    )
    return np.asarray(warped.GetRasterBand(1).ReadAsArray(), dtype=np.float32)


def sentinel2_source(scene: Path, swir: Path) -> Source:
    """Return the Sentinel-2 scene with the held-out blocks marked (`split`)."""
    rgbn = read(scene)
    shape = rgbn.shape[1:]
    labels = references.sentinel2(rgbn, read_swir(swir, scene))
    trainable = split.training_mask(*shape)
    return Source("Sentinel-2", rgbn[:3], labels, trainable, np.ones(shape, bool), True, 12.0)


def landsat8_source(path: Path) -> Source:
    """Return the cloudy Landsat 8 scene; a strip in its middle is held out."""
    rgbn = read(path)
    return _secondary("Landsat 8", rgbn[:3], references.landsat8(rgbn), None, True, 2.0)


def bahamas_source(path: Path) -> Source:
    """Return the Landsat picture of the Bahamas; its eastern third is held out."""
    rgb = read(path)
    valid = rgb.max(axis=0) > 0
    return _secondary("Bahamas", rgb, references.bahamas(rgb, valid), valid, False, 1.5)


def snow_source(path: Path) -> Source:
    """Return the aerial picture of a snowy forest; its eastern third is held out."""
    rgb = read(path)[:3]
    return _secondary("snowy forest", rgb, references.snowy_forest(rgb), None, False, 1.0)


def trees_source(path: Path) -> Source:
    """Return the aerial picture of trees; its eastern third is held out."""
    rgb = read(path)[:3]
    return _secondary("dry trees", rgb, references.dry_trees(rgb), None, False, 0.7)


def held_out_columns(name: str, width: int) -> slice:
    """Return the columns of a secondary scene that the training never sees."""
    if name == "Landsat 8":
        # Its clouds thin out eastwards: the middle has both thick and thin ones.
        return slice(width // 3, width * 6 // 10)
    return slice(width - width // 3, width)


def _secondary(
    name: str,
    rgb: NDArray[np.float32],
    labels: Labels,
    valid: Mask | None,
    stretch: bool,
    weight: float,
) -> Source:
    shape = rgb.shape[1:]
    held_out = held_out_columns(name, shape[1])
    trainable = np.ones(shape, dtype=bool)
    trainable[:, max(held_out.start - split.GAP, 0) : held_out.stop + split.GAP] = False
    valid = np.ones(shape, dtype=bool) if valid is None else valid
    return Source(name, rgb, labels, trainable & valid, valid, stretch, weight)
