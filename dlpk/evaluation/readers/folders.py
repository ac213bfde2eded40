"""Images in one folder, masks of the same names in another; known layouts are in layouts.json."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ...errors import TruthError
from ..dataset import Dataset, Sample, files_in, need, read_classes, read_colors
from ..grids import NOTHING

LAYOUTS: dict[str, Any] = json.loads(
    Path(__file__).with_name("layouts.json").read_text(encoding="utf-8")
)
IMAGES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".jp2", ".bmp")


def reader(layout: str) -> Callable[..., Dataset]:
    """The reader of a layout of layouts.json."""
    return partial(_read_layout, layout)


def _read_layout(layout: str, root: Path) -> Dataset:
    table = LAYOUTS[layout]
    images, masks = table["images"], table["masks"]
    if len(images) == 1:  # masks may be called differently
        masks = [next((name for name in masks if (root / name).is_dir()), masks[0])]
    pairs = [(root / a, root / b) for a, b in zip(images, masks) if (root / a).is_dir()]
    if not pairs:
        need(root / images[0], f"the folder of images of {layout}")
    classes, values = class_values(table["classes"])
    read = partial(read_classes, values=values, ignore=table["ignore"])
    samples: list[Sample] = []
    for folder, truth in pairs:
        need(truth, f"the folder of masks of {layout}")
        samples += paired(folder, truth, _list(table["image"]), _list(table["mask"]), read)
    return Dataset(layout, "classes", classes, tuple(samples))


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def class_values(table: Mapping[str, Any]) -> tuple[tuple[str, ...], dict[int, int]]:
    """Names of the classes without background, and mask value to class (0 is background)."""
    names = tuple(name for name in table if name.casefold() not in NOTHING)
    values = {}
    for name, given in table.items():
        for value in given if isinstance(given, list) else [given]:
            values[int(value)] = names.index(name) + 1 if name in names else 0
    return names, values


def paired(
    images: Path,
    masks: Path,
    image_ends: Sequence[str],
    mask_ends: Sequence[str],
    read: Callable[[Path], Any],
    mapped: Mapping[Path, Path] | None = None,
) -> list[Sample]:
    """Samples of the images: with the mask that is mapped, or of the same name but for the ending.

    Raises
    ------
    TruthError
        An image has no mask.
    """
    samples = []
    for image in files_in(images, image_ends, "the folder of images"):
        end = next(e for e in image_ends if image.name.lower().endswith(e.lower()))
        stem = image.name[: -len(end)]
        named = (m for e in mask_ends if (m := masks / f"{stem}{e}").is_file())
        mask = (mapped or {}).get(image) or next(named, None)
        if mask is None:
            raise TruthError(
                f"the image {image} has no mask: {masks} holds no {stem}{mask_ends[0]}"
            )
        samples.append(Sample(stem, image, partial(read, mask)))
    return samples


def read_plain(
    root: Path,
    *,
    images: str = "images",
    masks: str = "masks",
    classes: str | Mapping[str, Any] = "classes.txt",
    ignore: int | str | Sequence[int] = (255,),
) -> Dataset:
    """Plain folders of images and masks, and a table of classes.

    Parameters
    ----------
    root : Path
    images, masks : str
        Folders in `root`.
    classes : str or mapping
        Class name to value, or to colour ``"#rrggbb"`` or [red, green, blue]; or a file in `root`:
        JSON of that, or text with a value (or three of a colour) and a name per line.
    ignore : sequence of int
        Values that are not known; or as text, with commas between.
    """
    listed = str(ignore).split(",") if isinstance(ignore, (int, str)) else ignore
    try:
        unseen = [int(value) for value in listed]
    except ValueError as error:
        raise TruthError(f"ignore is {ignore!r}; it must be values such as 0,255") from error
    table = (
        classes if isinstance(classes, Mapping) else _table(need(root / classes, "a class list"))
    )
    unknown = [name for name in table if "ignore" in name or "unlabelled" in name]
    colored = all(isinstance(value, (str, list, tuple)) for value in table.values())
    known = {name: value for name, value in table.items() if name not in unknown}
    if colored:
        names = tuple(name for name in known if name.casefold() not in NOTHING)
        colors = {
            _color(value): names.index(name) + 1 if name in names else 0
            for name, value in known.items()
        }
        read: Callable[[Path], Any] = partial(read_colors, colors=colors)
    else:
        names, values = class_values(known)
        more = [int(table[name]) for name in unknown]
        read = partial(read_classes, values=values, ignore=[*unseen, *more])
    found = paired(root / images, need(root / masks, "the folder of masks"), IMAGES, IMAGES, read)
    return Dataset(root.name, "classes", names, tuple(found))


def _table(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix == ".json":
        return dict(json.loads(text))
    table: dict[str, Any] = {}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        words = line.replace(",", " ").split()
        numbers = 0
        while numbers < len(words) - 1 and words[numbers].isdigit() and numbers < 3:
            numbers += 1
        name = " ".join(words[numbers:]).split(" (")[0]
        if numbers not in (1, 3):
            raise TruthError(f"{path}: {line!r} is not a value or a colour, and a name")
        table[name] = int(words[0]) if numbers == 1 else [int(word) for word in words[:3]]
    if not table:
        raise TruthError(f"{path} names no class: write a value and a name on each line")
    return table


def _color(value: Any) -> tuple[int, int, int]:
    if isinstance(value, str):
        digits = value.lstrip("#")
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)
    red, green, blue = value
    return int(red), int(green), int(blue)
