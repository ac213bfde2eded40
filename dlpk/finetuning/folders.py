"""Folders of images with masks: what ArcGIS exports as training data, and others."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ..errors import DlpkError, FinetuningError
from ..raster.dataset import Raster
from ..raster.sampling import find_stretch
from .scenes import NOTHING, UNKNOWN, Scene, Window

IMAGE_FOLDERS = ("images", "image", "imgs")
MASK_FOLDERS = ("labels", "masks", "label", "mask", "annotations")
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".img")
# Names of labels for what is none of the classes, and for what counts neither way.
BACKGROUND = ("background", "other", "nothing", "none", "nodata")
IGNORED = ("ignore", "unlabelled", "unlabeled", "unknown", "void")
MOST_SHOWN = 5


def is_dataset(folder: Path) -> bool:
    """Whether a folder holds images and masks."""
    return _part(folder, IMAGE_FOLDERS) is not None and _part(folder, MASK_FOLDERS) is not None


def class_table(folder: Path) -> dict[int, str]:
    """Pixel value to class name, as far as the folder says.

    ArcGIS writes them into the ``.emd`` beside the folders of its *Classified Tiles*; others keep a
    ``classes.txt`` with a value and a name per line.

    Raises
    ------
    FinetuningError
        The file that says so cannot be read.
    """
    for path in (*sorted(folder.glob("*.emd")), folder / "classes.txt"):
        if not path.is_file():
            continue
        try:
            text = path.read_text(encoding="utf-8-sig")
            if path.suffix == ".emd":
                found = json.loads(text).get("Classes", [])
                return {int(entry["Value"]): str(entry["Name"]).strip() for entry in found}
            pairs = (re.split(r"[\s,:;=]+", line.strip(), maxsplit=1) for line in text.splitlines())
            return {int(pair[0]): pair[1].strip() for pair in pairs if len(pair) == 2}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise FinetuningError(
                f"{path} should list the classes, a value and a name each: {error}"
            ) from error
    return {}


def values_of(folder: Path) -> list[int]:
    """Pixel values that occur in the masks, in their order."""
    found: set[int] = set()
    for _, mask in pairs(folder):
        found |= set(np.unique(_first_band(Raster(mask))).tolist())
    return sorted(int(value) for value in found)


def pairs(folder: Path) -> list[tuple[Path, Path]]:
    """Images with their masks, in the order of their names.

    Raises
    ------
    FinetuningError
        An image has no mask, or there is none at all.
    """
    images, masks = _part(folder, IMAGE_FOLDERS), _part(folder, MASK_FOLDERS)
    assert images is not None and masks is not None
    known = {path.stem: path for path in _files(masks)}
    found = list(_files(images))
    lost = [path.name for path in found if path.stem not in known]
    if lost or not found:
        what = f"{len(lost)} images without a mask of their name: {_some(lost)}"
        raise FinetuningError(f"{images} holds {what if lost else 'no images'}")
    return [(path, known[path.stem]) for path in found]


def read_folder(folder: Path, numbers: dict[int, int], bands: Sequence[int]) -> list[Scene]:
    """Open the images of a folder.

    Parameters
    ----------
    folder : Path
    numbers : dict
        Pixel value to label; values that are not in it are `UNKNOWN`.
    bands : sequence of int
        0-based bands that are red, green and blue.

    Returns
    -------
    list of Scene

    Raises
    ------
    FinetuningError
        Lists every image that cannot be read or whose mask has another size.
    """
    table = np.full(256, UNKNOWN, np.uint8)
    for value, number in numbers.items():
        if 0 <= value < 256:
            table[value] = number
    scenes, wrong = [], []
    for image, mask in pairs(folder):
        try:
            scenes.append(_scene(image, mask, table, bands))
        except DlpkError as error:
            wrong.append(f"{image.name}: {error}")
    if wrong:
        raise FinetuningError(
            f"{len(wrong)} of the images in {folder} cannot be used: " + "; ".join(_shown(wrong))
        )
    return scenes


def _scene(image: Path, mask: Path, table: np.ndarray, bands: Sequence[int]) -> Scene:
    pixels, labels = Raster(image), Raster(mask)
    if (pixels.width, pixels.height) != (labels.width, labels.height):
        raise FinetuningError(
            f"it has {pixels.width} by {pixels.height} pixels and its mask {labels.width} by "
            f"{labels.height}"
        )
    check_bands(pixels, bands)
    stretch = find_stretch(pixels, bands, (0.0, 255.0), "percent-clip")
    _first_band(labels), pixels.read(bands, 0, 0, pixels.width, pixels.height)  # both can be read
    place = (image.as_posix(), 0.0, 0.0)
    if pixels.is_referenced:
        place = place_of(pixels)

    def read(window: Window) -> tuple[np.ndarray, np.ndarray]:
        source, valid = Raster(image).read(bands, *window)
        values = Raster(mask).read([0], *window)[0][0]
        found = table[np.clip(values, 0, 255).astype(np.uint8)]
        found[~valid.all(axis=0).astype(bool)] = UNKNOWN
        return (source if stretch is None else stretch.apply(source)), found

    return Scene(image.name, pixels.width, pixels.height, place, read)


def check_bands(raster: Raster, bands: Sequence[int]) -> None:
    """Refuse rasters that lack a band.

    Raises
    ------
    FinetuningError
    """
    if max(bands) >= raster.count:
        raise FinetuningError(
            f"it has {raster.count} bands, and the package reads number {max(bands) + 1}"
        )


def place_of(raster: Raster) -> tuple[str, float, float]:
    """Ground of a raster with coordinates: see `Scene`."""
    left, across, _, top, _, down = raster.transform
    side = f"{abs(across):.6g}"
    return f"{raster.projection}|{side}", left / abs(across), -top / (abs(down) or 1.0)


def _first_band(raster: Raster) -> np.ndarray:
    values = np.asarray(raster.read([0], 0, 0, raster.width, raster.height)[0][0])
    if values.dtype.kind == "f":
        values = np.nan_to_num(values, nan=float(UNKNOWN))
    return values.astype(np.int64)


def label_of(name: str, classes: Sequence[str]) -> int:
    """Label for a name: number of the class, `NOTHING` or `UNKNOWN`."""
    folded = [known.casefold() for known in classes]
    word = name.strip().casefold()
    if word in folded:
        return folded.index(word)
    return UNKNOWN if any(word.startswith(start) for start in IGNORED) else NOTHING


def _part(folder: Path, names: Sequence[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_dir()), None)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES)


def _shown(lines: list[str]) -> list[str]:
    more = len(lines) - MOST_SHOWN
    return [*lines[:MOST_SHOWN], *([f"and {more} more"] if more > 0 else [])]


def _some(names: list[str]) -> str:
    return ", ".join(_shown(names))
