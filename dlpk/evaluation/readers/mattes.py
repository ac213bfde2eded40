"""RefMatte and RefMatte-RW100: an alpha matte per entity, expressions for each."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import TruthError
from ..dataset import Dataset, Sample, first_band, need

SETTINGS = ("expression", "keyword")
IMAGES = ("image_all", "img", "image")
KEYWORDS = ("keyword", "keywords", "entity_name")
CHOICE = "eval_index_expression.json"


def read(root: Path, *, setting: str = "expression", one_each: bool = True) -> Dataset:
    """Read ``image_all/ENTITY.jpg``, ``mask/ENTITY.png`` and ``*_label.json``.

    The texts are entity to ``{"image_name": …, "expressions": […], "keyword": …}``, as those who
    measured on RW100 read them; RefMatte's own test split was not at hand.

    Parameters
    ----------
    root : Path
    setting : str
        ``expression`` or ``keyword``.
    one_each : bool
        Whether ``eval_index_expression.json``, where it is there, chooses one expression per
        entity.
    """
    if setting not in SETTINGS:
        raise TruthError(f"the setting is {setting!r}; it must be one of {', '.join(SETTINGS)}")
    texts = sorted(root.glob("*_label.json"))
    if len(texts) != 1:
        raise TruthError(f"{root} holds {len(texts)} files *_label.json; RefMatte has one")
    images = next((root / name for name in IMAGES if (root / name).is_dir()), root / IMAGES[0])
    need(images, "the folder of images")
    chosen = None
    if one_each and (root / CHOICE).is_file():
        chosen = json.loads((root / CHOICE).read_text(encoding="utf-8"))
    samples = []
    for entity, words in json.loads(texts[0].read_text(encoding="utf-8")).items():
        image = next(iter(images.glob(f"{entity}.*")), images / f"{entity}.jpg")
        need(image, "an image of RefMatte")
        mask = need(root / "mask" / f"{entity}.png", "a matte of RefMatte")
        name = str(words.get("image_name", entity))
        phrases = _phrases(words, setting)
        if chosen is not None and setting == "expression":
            phrases = [phrases[int(chosen[name])]]
        samples += [
            Sample(
                f"{entity} {number}",
                image,
                partial(_alpha, mask),
                phrase,
                group=name,
                entity=entity,
            )
            for number, phrase in enumerate(phrases)
        ]
    return Dataset(f"refmatte {setting}", "mattes", (), tuple(samples))


def _phrases(words: Any, setting: str) -> list[str]:
    if setting == "expression":
        return [str(phrase) for phrase in words["expressions"]]
    given = next(words[key] for key in KEYWORDS if key in words)
    return [str(given if isinstance(given, str) else given[0])]


def _alpha(path: Path) -> np.ndarray:
    pixels = first_band(path)
    return np.asarray(pixels, np.float32) / np.iinfo(pixels.dtype).max
