"""Binary medical folders: image, mask, and prompts in JSON, as MedVLSM keeps them."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np

from ..dataset import Dataset, Sample, first_band, need


def read(root: Path, *, split: str = "test", prompt: str = "p0", fallback: str = "") -> Dataset:
    """Read ``images``, ``masks`` and ``anns/SPLIT.json``.

    Parameters
    ----------
    root : Path
    split : str
    prompt : str
        Which of the prompts, ``p0`` to ``p9``; of several texts the first.
    fallback : str
        What to look for where a prompt is empty, as ``p0`` is.
    """
    entries = json.loads(
        need(root / "anns" / f"{split}.json", "the list with prompts").read_text(encoding="utf-8")
    )
    samples = []
    for entry in entries:
        image = need(root / "images" / entry["img_name"], "an image")
        mask = need(root / "masks" / entry["mask_name"], "a mask")
        given = entry["prompts"][prompt]
        text = (given[0] if given else "") if isinstance(given, list) else str(given)
        samples.append(Sample(image.stem, image, partial(_mask, mask), text or fallback))
    return Dataset(f"{root.name} {split} {prompt}", "phrases", (), tuple(samples))


def _mask(path: Path) -> np.ndarray:
    pixels = first_band(path)
    # 0 and 255, with the noise of JPEG between them; or 0 and 1.
    return (pixels > (127 if pixels.max() > 1 else 0)).astype(np.uint8)
