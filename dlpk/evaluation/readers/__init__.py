"""Datasets as people have them on disk: one reader per layout."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import TruthError
from ..dataset import Dataset
from . import arcgis, clouds, coco, folders, mattes, medical, pascal, phrases
from .folders import LAYOUTS

Reader = Callable[..., Dataset]
READERS: dict[str, Reader] = {
    **{name: folders.reader(name) for name in LAYOUTS},
    "arcgis": arcgis.read,
    "cloudsen12": clouds.read,
    "coco20i": coco.read,
    "folders": folders.read_plain,
    "medical": medical.read,
    "pascal5i": pascal.read,
    "pascal-zeroshot": pascal.read_zero_shot,
    "phrasecut": phrases.read,
    "refmatte": mattes.read,
}


def read_dataset(layout: str, folder: str | Path, **options: Any) -> Dataset:
    """Read a dataset.

    Parameters
    ----------
    layout : str
        One of `READERS`.
    folder : path
        Its root.
    **options
        Of the reader.

    Raises
    ------
    TruthError
        The layout is not known, or something is missing; says what and where.
    """
    if layout not in READERS:
        raise TruthError(f"the layout {layout!r} is not known; known are {', '.join(READERS)}")
    known = list(inspect.signature(READERS[layout]).parameters)[1:]
    strange = [name for name in options if name not in known]
    if strange:
        raise TruthError(
            f"the layout {layout} has no option {', '.join(strange)}; it has "
            + (", ".join(known) or "none")
        )
    root = Path(folder)
    if not root.is_dir():
        raise TruthError(f"the dataset {folder} is not a folder")
    try:
        return READERS[layout](root, **options)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TruthError(
            f"{folder} is not laid out as {layout} is: {type(error).__name__} {error}"
        ) from error
