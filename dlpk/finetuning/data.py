"""From what the user names to labelled scenes, and a report of what is wrong with them."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from ..errors import DlpkError, FinetuningError
from ..evaluation.grids import Grid
from ..evaluation.labels import check_overlap, label_names, open_labels, open_truth
from ..raster.dataset import Raster
from ..raster.sampling import find_stretch
from ..raster.vectors import POLYGONS, placed
from . import folders
from .scenes import MOST_CLASSES, NOTHING, UNKNOWN, LabelledData, Scene, Window


def read_data(
    sources: Sequence[str],
    bands: Sequence[int],
    stack: ExitStack,
    *,
    classes: str | None = None,
    field: str | None = None,
) -> LabelledData:
    """Open labelled data.

    Parameters
    ----------
    sources : sequence of str
        Folders with images and masks, or ``RASTER=LABELS`` where the labels are polygons or a
        raster.
    bands : sequence of int
        0-based bands that are red, green and blue.
    stack : ExitStack
        Closes what is temporary.
    classes : str, optional
        Names of the classes, separated by commas; ``name = wording|wording`` says what a prompt
        starts from. By default all that the data name.
    field : str, optional
        Field of polygons that names the class.

    Returns
    -------
    LabelledData

    Raises
    ------
    FinetuningError
        Lists everything that is wrong.
    """
    words = _parse_classes(classes) if classes else {}
    wrong: list[str] = []
    tables: dict[str, dict[int, str]] = {}
    for source in sources:
        try:
            tables[source] = _table(source, tuple(words), field)
        except DlpkError as error:
            wrong.append(str(error))
    _complain(wrong)
    found = [name for table in tables.values() for name in table.values()]
    names = tuple({n.casefold(): n for n in words or found if _is_class(n)}.values())
    if words:
        missing = [n for n in names if n.casefold() not in {name.casefold() for name in found}]
        if missing:
            wrong.append(
                f"the data name no {', '.join(missing)}; they name: {', '.join(sorted(set(found)))}"
            )
    if not names:
        wrong.append("the data name no class: name them with --classes")
    if len(names) > MOST_CLASSES:
        wrong.append(f"{len(names)} classes are more than {MOST_CLASSES}")
    _complain(wrong)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dlpk-labels-")))
    scenes: list[Scene] = []
    warnings: list[str] = []
    for source, table in tables.items():
        try:
            if split_source(source)[1]:
                scenes.append(_pair(source, names, bands, field, folder / str(len(scenes))))
            else:
                numbers = {value: folders.label_of(name, names) for value, name in table.items()}
                read, odd = folders.read_folder(Path(source), numbers, bands)
                warnings += odd
                scenes += read
        except DlpkError as error:
            wrong.append(str(error))
    _complain(wrong)
    words = {name: words.get(name, (name,)) for name in names}
    return LabelledData(tuple(scenes), names, words, _fingerprint(sources), tuple(warnings))


def split_source(source: str) -> tuple[str, str]:
    """A raster and its labels, or a folder and nothing; names may hold the ``=`` between them."""
    parts = source.split("=")
    if len(parts) == 1 or Path(source).is_dir():
        return source, ""
    splits = [("=".join(parts[:i]), "=".join(parts[i:])) for i in range(1, len(parts))]
    there = (pair for pair in splits if all(Path(name).is_file() for name in pair))
    name, labels = next(there, splits[0])
    if not labels:
        raise FinetuningError(f"{source} names no labels behind the =")
    return name, labels


def _complain(wrong: list[str]) -> None:
    if wrong:
        raise FinetuningError("the labels cannot be used:\n  " + "\n  ".join(wrong))


def _is_class(name: str) -> bool:
    folded = name.casefold()
    return folded not in folders.BACKGROUND and not folded.startswith(folders.IGNORED)


def _parse_classes(text: str) -> dict[str, tuple[str, ...]]:
    words: dict[str, tuple[str, ...]] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, given = (piece.strip() for piece in part.partition("="))
        words[name] = tuple(w.strip() for w in given.split("|") if w.strip()) or (name,)
    return words


def _table(source: str, classes: Sequence[str], field: str | None) -> dict[int, str]:
    """Value of the labels to the name of the class."""
    name, labels = split_source(source)
    if labels:
        return dict(enumerate(_names_of_labels(labels, classes, field), 1))
    folder = Path(name)
    if not folder.is_dir() or not folders.is_dataset(folder):
        raise FinetuningError(
            f"{source} is no folder with images/ and labels/ (or masks/): name such a folder, or "
            "RASTER=LABELS"
        )
    table = folders.class_table(folder)
    if table and 0 not in table and 0 in folders.values_of(folder):
        table[0] = folders.BACKGROUND[0]  # what no polygon covers in ArcGIS's Classified Tiles
    if not table:
        values = [value for value in folders.values_of(folder) if value != UNKNOWN]
        shown = values if len(values) == len(classes) else [v for v in values if v > 0]
        if len(shown) != len(classes) or not classes:
            raise FinetuningError(
                f"{source} does not say what its pixel values {', '.join(map(str, values))} mean: "
                "name the classes in their order with --classes, or in classes.txt (a value and a "
                "name per line)"
            )
        table = dict(zip(shown, classes)) | ({} if 0 in shown else {0: folders.BACKGROUND[0]})
    return table


def _names_of_labels(labels: str, classes: Sequence[str], field: str | None) -> list[str]:
    named = [name for name in label_names(labels, field, classes) if _is_class(name)]
    if not named and not classes:
        raise FinetuningError(
            f"{labels} does not say what its values 1, 2, … mean: name the classes in their order "
            "with --classes"
        )
    return named or list(classes)


def _pair(
    source: str, classes: Sequence[str], bands: Sequence[int], field: str | None, folder: Path
) -> Scene:
    """A raster with labels on its grid."""
    name, labels = split_source(source)
    raster = Raster(name)
    folders.check_bands(raster, bands)
    folder.mkdir()
    grid = Grid.of(raster.dataset)
    vector = open_labels(labels)
    if not vector.RasterCount and not any(placed(vector.GetLayer(0), None, POLYGONS)):
        raise FinetuningError(
            f"{labels} holds no polygons: draw some, or turn its points and lines into areas"
        )
    check_overlap(labels, grid, name)
    truth = open_truth(labels, grid, classes, folder, field=field)
    stretch = find_stretch(raster, bands, (0.0, 255.0), "percent-clip")
    table = np.arange(-1, 255, dtype=np.int16).astype(np.uint8)  # class 1 is number 0
    table[0], table[UNKNOWN] = NOTHING, UNKNOWN

    def read(window: Window) -> tuple[np.ndarray, np.ndarray]:
        pixels, valid = raster.read(bands, *window)
        values = table[truth.read(window)]
        values[~valid.all(axis=0).astype(bool)] = UNKNOWN
        return (pixels if stretch is None else stretch.apply(pixels)), values

    place = folders.place_of(raster) if raster.is_referenced else (name, 0.0, 0.0)
    return Scene(name, raster.width, raster.height, place, read)


def _fingerprint(sources: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for source in sources:
        for part in filter(None, split_source(source)):
            path = Path(part)
            files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
            for file in filter(Path.is_file, files):
                digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()
