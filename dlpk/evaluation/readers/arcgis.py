"""What ArcGIS's *Export Training Data For Deep Learning* writes as Classified Tiles."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path

from ...errors import TruthError
from ..dataset import Dataset, need, read_classes
from ..grids import NOTHING
from .folders import IMAGES, paired

DEFINITION, MAPPING, STATISTICS = "esri_model_definition.emd", "map.txt", "stats.txt"


def read(root: Path) -> Dataset:
    """Read ``images``, ``labels`` and the classes of ``esri_model_definition.emd``.

    A folder with several labels per image, one per class, is another metadata format: it is
    refused. ``map.txt``, where it is there, says which label belongs to which image.
    """
    path = need(root / DEFINITION, "the model definition with the classes")
    named = read_definition(path)
    if not named:
        raise TruthError(f"{path} has no Classes: export the data as Classified Tiles")
    names = tuple(name for name in named.values() if name.casefold() not in NOTHING)
    values = {v: names.index(name) + 1 for v, name in named.items() if name in names}
    labels = need(root / "labels", "the folder of labels")
    if not any(file.is_file() for file in labels.iterdir()):
        raise TruthError(f"{labels} holds folders, one per class: export as Classified Tiles")
    read_labels = partial(read_classes, values=values)
    samples = paired(root / "images", labels, IMAGES, IMAGES, read_labels, mapping(root))
    about = told(root, len(samples))
    return Dataset("arcgis", "classes", names, tuple(samples), about=about)


def read_definition(path: Path) -> dict[int, str]:
    """Pixel value to class name, as an ``.emd`` lists them."""
    classes = json.loads(path.read_text(encoding="utf-8-sig")).get("Classes") or []
    return {int(entry["Value"]): str(entry["Name"]).strip() for entry in classes}


def mapping(root: Path) -> dict[Path, Path]:
    """Image to label, as ``map.txt`` pairs them, as far as both are there; empty without one.

    ArcGIS writes a line per pair, in Windows' spelling of paths. Lines that are no pair of an image
    and a label say nothing.
    """
    return {image: label for image, label in _mapped(root) if image.is_file() and label.is_file()}


def incomplete(root: Path) -> str:
    """What ``map.txt`` names and is not there; empty if nothing."""
    lost = [p.name for pair in _mapped(root) for p in pair if not p.is_file()]
    if not lost:
        return ""
    shown = ", ".join(lost[:3]) + (", …" if len(lost) > 3 else "")
    return f"{root / MAPPING} names files that are missing: {shown}: is the copy complete?"


def _mapped(root: Path) -> list[tuple[Path, Path]]:
    path = root / MAPPING
    if not path.is_file():
        return []
    found = []
    for line in path.read_text(encoding="utf-8-sig", errors="replace").splitlines():
        # File names may hold blanks, so it is the folder of the second that tells where it begins.
        pair = re.split(r"[\s,;]+(?=labels?/)", line.strip().replace("\\", "/"), maxsplit=1)
        if len(pair) == 2 and "\0" not in line and ".." not in line:
            found.append((root / pair[0], root / pair[1]))
    return found


def told(root: Path, count: int) -> str:
    """What ``stats.txt`` says of another number of images than there are; empty if nothing."""
    path = root / STATISTICS
    if not path.is_file():
        return ""
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    said = re.search(r"^\s*images\s*=\s*(\d+)", text, re.MULTILINE)
    if said is None or int(said[1]) == count:
        return ""
    return f"{path} tells of {int(said[1])} images, and {count} are there: is the copy complete?"
