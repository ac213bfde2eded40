"""Labelled images as readers hand them over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from osgeo import gdal

from ..errors import TruthError
from ..raster.gdal_files import open_raster
from .measures.counts import IGNORED

# What a dataset asks for: every class at once, one phrase per image, or an alpha matte per phrase.
KINDS = ("classes", "phrases", "mattes")


@dataclass(frozen=True)
class Sample:
    """One image with its truth.

    Parameters
    ----------
    name : str
    image : Path
        Anything GDAL opens, or ``.npz`` with ``image``, shape (3, rows, columns), 0 to 1.
    truth : callable
        Gives uint8, shape (rows, columns): 0 background, 1, 2, … the classes (1 alone for a
        phrase), 255 not known; or float32 alpha from 0 to 1.
    phrase : str
        What to look for in this image; empty where the dataset's classes are.
    label : str
        Class that the phrase stands for, where means are taken by class.
    group, entity : str
        Scenes that belong together; thing that several phrases mean.
    part : str
        Part of the dataset, such as a fold, that figures are computed for before their mean.
    support : tuple of Sample
        Images that show the thing of this phrase, for one-shot protocols.
    """

    name: str
    image: Path
    truth: Callable[[], np.ndarray]
    phrase: str = ""
    label: str = ""
    group: str = ""
    entity: str = ""
    part: str = ""
    support: tuple[Sample, ...] = ()


@dataclass(frozen=True)
class Dataset:
    """A labelled dataset on disk.

    Parameters
    ----------
    name : str
    kind : str
        One of `KINDS`.
    classes : tuple of str
        Without the background; empty for phrases.
    samples : tuple of Sample
    unseen : tuple of str
        Classes that training must not have seen, where seen and unseen ones are told apart.
    about : str
        Choices of the reader that change figures.
    """

    name: str
    kind: str
    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    unseen: tuple[str, ...] = ()
    about: str = ""


def read_classes(path: Path, values: Mapping[int, int], ignore: Sequence[int] = ()) -> np.ndarray:
    """Classes from an image of values: other values are background.

    Returns
    -------
    ndarray
        uint8, shape (rows, columns).
    """
    pixels = first_band(path)
    classes = np.zeros(pixels.shape, np.uint8)
    for value, number in values.items():
        classes[pixels == value] = number
    for value in ignore:
        classes[pixels == value] = IGNORED
    return classes


def first_band(path: Path) -> np.ndarray:
    """Pixels of the first band, shape (rows, columns)."""
    dataset = open_raster(str(path))
    return np.asarray(dataset.GetRasterBand(1).ReadAsArray())


def read_colors(path: Path, colors: Mapping[tuple[int, int, int], int]) -> np.ndarray:
    """Classes from an image of colours: other colours are not known."""
    dataset = open_raster(str(path))
    if dataset.RasterCount < 3:
        dataset = gdal.Translate("", dataset, format="VRT", rgbExpand="rgb")
    pixels = dataset.ReadAsArray()[:3].astype(np.uint32)
    code = (pixels[0] << 16) + (pixels[1] << 8) + pixels[2]
    classes = np.full(code.shape, IGNORED, np.uint8)
    for (red, green, blue), number in colors.items():
        classes[code == (red << 16) + (green << 8) + blue] = number
    return classes


def need(path: Path, what: str) -> Path:
    """A path that has to be there.

    Raises
    ------
    TruthError
        It is not; says what it is, and how far the path is right.
    """
    if path.exists():
        return path
    right = path
    while not right.exists() and right != right.parent:
        right = right.parent
    found = sorted(entry.name for entry in right.iterdir())[:8] if right.is_dir() else []
    raise TruthError(
        f"{what} is missing: {path}. {right} is there"
        + (f" and holds {', '.join(found)}" if found else " and is empty")
    )


def files_in(folder: Path, suffixes: Sequence[str], what: str) -> list[Path]:
    """Files of some endings in a folder, in order.

    Raises
    ------
    TruthError
        There is no such folder, or no such file in it.
    """
    need(folder, what)
    wanted = tuple(suffix.lower() for suffix in suffixes)
    found = sorted(path for path in folder.iterdir() if path.name.lower().endswith(wanted))
    if not found:
        raise TruthError(f"{what}: {folder} holds no file that ends in {', '.join(suffixes)}")
    return found
