"""What ArcGIS's *Export Training Data For Deep Learning* writes as Classified Tiles."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from ...errors import TruthError
from ..dataset import Dataset, need, read_classes
from ..grids import NOTHING
from .folders import IMAGES, paired


def read(root: Path) -> Dataset:
    """Read ``images``, ``labels`` and the classes of ``esri_model_definition.emd``.

    A folder with several labels per image, one per class, is another metadata format: it is
    refused.
    """
    path = need(root / "esri_model_definition.emd", "the model definition with the classes")
    emd = json.loads(path.read_text(encoding="utf-8-sig"))
    classes = emd.get("Classes")
    if not classes:
        raise TruthError(f"{path} has no Classes: export the data as Classified Tiles")
    named = {int(c["Value"]): str(c["Name"]) for c in classes}
    names = tuple(name for name in named.values() if name.casefold() not in NOTHING)
    values = {v: names.index(name) + 1 for v, name in named.items() if name in names}
    labels = need(root / "labels", "the folder of labels")
    if not any(file.is_file() for file in labels.iterdir()):
        raise TruthError(f"{labels} holds folders, one per class: export as Classified Tiles")
    read_labels = partial(read_classes, values=values)
    samples = paired(root / "images", labels, IMAGES, IMAGES, read_labels)
    return Dataset("arcgis", "classes", names, tuple(samples))
