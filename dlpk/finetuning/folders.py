"""Folders of images with masks: what ArcGIS exports as training data, and others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import DlpkError, FinetuningError
from ..evaluation.grids import Grid
from ..evaluation.readers import arcgis
from ..raster.dataset import Raster
from ..raster.stretch import Stretch, find_range
from .scenes import NOTHING, UNKNOWN, Scene, Window

IMAGE_FOLDERS = ("images", "image", "imgs")
MASK_FOLDERS = ("labels", "masks", "label", "mask", "annotations")
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".img")
# Names of labels for what is none of the classes, and for what counts neither way.
BACKGROUND = ("background", "other", "nothing", "none", "nodata")
IGNORED = ("ignore", "unlabelled", "unlabeled", "unknown", "void")
MOST_SHOWN = 5
# About how many pixels the stretch of a folder is found from.
SAMPLED = 2_000_000


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
            if path.suffix == ".emd":
                return arcgis.read_definition(path)
            lines = path.read_text(encoding="utf-8-sig").splitlines()
            pairs = (re.split(r"[\s,:;=]+", line.strip(), maxsplit=1) for line in lines)
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
        found |= _values(_mask(mask))
    return sorted(int(value) for value in found)


def pairs(folder: Path) -> list[tuple[Path, Path]]:
    """Images with their masks, in the order of their names: by map.txt, or of the same name.

    Raises
    ------
    FinetuningError
        An image has no mask, or there is none at all.
    """
    images, masks = _part(folder, IMAGE_FOLDERS), _part(folder, MASK_FOLDERS)
    assert images is not None and masks is not None
    mapped = arcgis.mapping(folder)
    known = {path.stem: path for path in _files(masks)}
    found = list(_files(images))
    lost = [path.name for path in found if path not in mapped and path.stem not in known]
    if lost or not found:
        what = f"{len(lost)} images without a mask of their name: {_some(lost)}"
        raise FinetuningError(f"{images} holds {what if lost else 'no images'}")
    return [(path, mapped.get(path) or known[path.stem]) for path in found]


def read_folder(
    folder: Path, numbers: dict[int, int], bands: Sequence[int]
) -> tuple[list[Scene], list[str]]:
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
    scenes : list of Scene
    odd : list of str
        What is odd about them, for people.

    Raises
    ------
    FinetuningError
        Lists every image that cannot be read or whose mask has another size or place.
    """
    table = np.full(256, UNKNOWN, np.uint8)
    for value, number in numbers.items():
        if 0 <= value < 256:
            table[value] = number
    found = pairs(folder)
    samples = _Samples(bands)
    opened, wrong = [], []
    nameless: dict[int, str] = {}
    for image, mask in found:
        try:
            pair, values = _open(image, mask, bands, samples, len(found))
            opened.append(pair)
            nameless |= dict.fromkeys(values - set(numbers) - {UNKNOWN}, mask.name)
        except DlpkError as error:
            wrong.append(f"{image.name}: {error}")
    if wrong:
        raise FinetuningError(
            f"{len(wrong)} of the images in {folder} cannot be used: " + "; ".join(_shown(wrong))
        )
    stretch = samples.stretch()
    odd = [arcgis.told(folder, len(found)), arcgis.incomplete(folder)]
    if nameless:
        shown = ", ".join(f"{value} ({name})" for value, name in sorted(nameless.items())[:5])
        odd.append(f"{folder}: no name is known for the values {shown}: they count neither way")
    return [_scene(pair, table, bands, stretch) for pair in opened], [line for line in odd if line]


@dataclass(frozen=True)
class _Pair:
    """An image and its mask; not opened, since folders hold more than may be open at once."""

    image: Path
    mask: Path
    width: int
    height: int
    place: tuple[str, float, float]
    is_stretched: bool


def _open(
    image: Path, mask: Path, bands: Sequence[int], samples: _Samples, count: int
) -> tuple[_Pair, set[int]]:
    """An image with its mask, and the values of that."""
    pixels, labels = Raster(image), _mask(mask)
    if (pixels.width, pixels.height) != (labels.width, labels.height):
        raise FinetuningError(
            f"it has {pixels.width} by {pixels.height} pixels and its mask {labels.width} by "
            f"{labels.height}"
        )
    if not Grid.of(labels.dataset).is_like(Grid.of(pixels.dataset)):
        raise FinetuningError(
            f"it begins at {_corner(pixels)} and its mask at {_corner(labels)}: they are not of "
            "the same place"
        )
    check_bands(pixels, bands)
    values = _values(labels)
    samples.add(pixels, count)
    place = place_of(pixels) if pixels.is_referenced else (image.as_posix(), 0.0, 0.0)
    is_stretched = pixels.dtype != np.uint8
    return _Pair(image, mask, pixels.width, pixels.height, place, is_stretched), values


def _mask(path: Path) -> Raster:
    """A raster of values; those with a colour table mean the numbers, not the colours."""
    raster = Raster(path, colors=False)
    if raster.count > 2:  # a second band may say what is valid
        raise FinetuningError(
            f"the mask {path.name} has {raster.count} bands: a mask holds one number per pixel, "
            "and not colours"
        )
    return raster


def _corner(raster: Raster) -> str:
    code = f"EPSG:{raster.epsg}" if raster.epsg else "an unknown coordinate system"
    return f"{raster.transform[0]:.10g}, {raster.transform[3]:.10g} in {code}"


class _Samples:
    """Pixels of all images of a folder that are not of 8 bit, for one stretch.

    Stretched one by one, a tile of water alone would be as bright as one of roofs.
    """

    def __init__(self, bands: Sequence[int]) -> None:
        self.bands = bands
        self.parts: list[list[np.ndarray]] = [[] for _ in bands]

    def add(self, raster: Raster, images: int) -> None:
        """Read an image, which shows that it can be read, and keep some of its pixels."""
        pixels, valid = raster.read(self.bands, 0, 0, raster.width, raster.height)
        if raster.dtype != np.uint8:
            step = max(1, round((raster.width * raster.height * images / SAMPLED) ** 0.5))
            for part, values, known in zip(self.parts, pixels, valid > 0):
                part.append(values[::step, ::step][known[::step, ::step]])

    def stretch(self) -> Stretch | None:
        """The stretch; None if all are of 8 bit."""
        if not self.parts[0]:
            return None
        ranges = [find_range(np.concatenate(part), "percent-clip") for part in self.parts]
        low, high = (np.array(values, np.float64) for values in zip(*ranges))
        return Stretch(low, high, (0.0, 255.0))


def _scene(pair: _Pair, table: np.ndarray, bands: Sequence[int], stretch: Stretch | None) -> Scene:
    def read(window: Window) -> tuple[np.ndarray, np.ndarray]:
        source, valid = Raster(pair.image).read(bands, *window)
        values = _mask(pair.mask).read([0], *window)[0][0]
        found = table[np.clip(values, 0, 255).astype(np.uint8)]
        found[~valid.all(axis=0).astype(bool)] = UNKNOWN
        return (stretch.apply(source) if stretch and pair.is_stretched else source), found

    return Scene(pair.image.name, pair.width, pair.height, pair.place, read)


def check_bands(raster: Raster, bands: Sequence[int]) -> None:
    """Refuse rasters that lack a band.

    Raises
    ------
    FinetuningError
    """
    if max(bands) >= raster.count:
        raise FinetuningError(
            f"{raster.path} has {raster.count} bands, and the package reads number {max(bands) + 1}"
        )


def place_of(raster: Raster) -> tuple[str, float, float]:
    """Ground of a raster with coordinates: see `Scene`."""
    left, across, _, top, _, down = raster.transform
    side = f"{abs(across):.6g}"
    return f"{raster.projection}|{side}", left / abs(across), -top / (abs(down) or 1.0)


def _values(raster: Raster) -> set[int]:
    values = np.asarray(raster.read([0], 0, 0, raster.width, raster.height)[0][0])
    if values.dtype.kind == "f":
        values = np.nan_to_num(values, nan=float(UNKNOWN))
    return set(np.unique(values.astype(np.int64)).tolist())


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
