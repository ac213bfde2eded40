"""Accuracy on labelled scenes from above: zero-shot, with synonyms, calibrated on other scenes.

    python -m benchmarks.quality.accuracy --weights FOLDER --scenes FOLDER [--save]

The folder of scenes holds ``dubai`` and ``banepa``, each with ``images`` and ``masks`` (8-bit PNG
of class values, 255 not known). The network runs once per scene over both wordings; all figures
rest on labelled pixels drawn evenly, each scene group decided by what was found in the others.
`--save` also writes docs/accuracy.md.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal

from benchmarks.common import RESULTS, build_package, parser, report
from dlpk.evaluation.calibration.search import (
    FAMILIES,
    Decision,
    by_block,
    held_out,
    mean_of_classes,
)
from dlpk.evaluation.calibration.values import Labels, Scene, read_pixels
from dlpk.evaluation.measures import metrics
from dlpk.evaluation.measures.bootstrap import interval
from dlpk.harness.arguments import parse_assignments

DOCS = Path(__file__).parents[2] / "docs" / "accuracy.md"
LONG_SIDE = 704
THRESHOLD = 0.3


@dataclass(frozen=True)
class Place:
    """A set of labelled scenes and the words for its classes.

    Parameters
    ----------
    name, about : str
    classes : dict
        Class name to its value, one word, and synonyms.
    group : slice
        Part of a file's name that says which scenes are neighbours.
    """

    name: str
    about: str
    classes: dict[str, tuple[int, str, str]]
    group: slice


PLACES = (
    Place(
        "dubai",
        "54 satellite scenes in six groups (MBRSC / Humans in the Loop, CC0), seen in 704 pixels "
        "on the long side",
        {
            "water": (0, "water-other", "water-other|river|sea"),
            "unpaved land": (1, "dirt", "dirt|sand|ground-other"),
            "road": (2, "road", "road|pavement"),
            "building": (3, "building-other", "building-other|house|roof"),
            "vegetation": (4, "tree", "tree|grass|bush"),
        },
        slice(0, 2),
    ),
    Place(
        "banepa",
        "48 aerial tiles of 512 pixels at 0.13 m in six columns (OpenAerialMap with OpenStreetMap "
        "footprints, hotosm/fAIr, CC-BY-4.0 and ODbL)",
        {"building": (1, "building-other", "building-other|house|roof")},
        slice(3, 9),
    ),
)


def scenes_of(place: Place, folder: Path, every: int | None) -> list[Scene]:
    """The scenes of a place, each reduced to the long side."""
    found = []
    for image in sorted((folder / place.name / "images").iterdir())[:: every or 1]:
        dataset = gdal.Open(str(image))
        long = max(dataset.RasterXSize, dataset.RasterYSize)
        mask = folder / place.name / "masks" / f"{image.stem}.png"
        size = long / LONG_SIDE if long > LONG_SIDE else None
        found.append(Scene(image, mask, image.name[place.group], size))
    return found


def measure(place: Place, package: Path, folder: Path, options: Any) -> list[dict[str, str]]:
    """One row per way to decide."""
    names = list(place.classes)
    one = [f"{name} = {place.classes[name][1]}" for name in names]
    more = [f"{name} with synonyms = {place.classes[name][2]}" for name in names]
    pixels, _ = read_pixels(
        package,
        scenes_of(place, folder, options.every),
        Labels(classes={name: value for name, (value, _, _) in place.classes.items()}),
        competitors=len(names),
        prompt=", ".join(one + more),
        arguments={"return_probability_raster": "True", **parse_assignments(options.arg)},
        device=options.device,
    )
    count = len(names)
    start = Decision((THRESHOLD,) * count, (1.0,) * count)
    forced = replace(start, background=False)
    single = replace(pixels, values=pixels.values[:count])
    synonyms = replace(pixels, values=pixels.values[count:])
    blocks = int(pixels.blocks.max()) + 1
    present = [c for c in range(1, count + 1) if (pixels.truth == c).any()]
    of, free = mean_of_classes(None, present), [c - 1 for c in present]
    rows = [
        ("one word", by_block(single, start, blocks)),
        ("synonyms", by_block(synonyms, start, blocks)),
    ]
    if count > 1:
        rows.append(("synonyms, every pixel its best class", by_block(synonyms, forced, blocks)))
    for family in FAMILIES:
        matrices = held_out(synonyms, family, start, free, of)
        rows.append((f"synonyms, {family} from other scenes", matrices))
    best = by_block(synonyms, FAMILIES["a threshold per class"](synonyms, start, free, of), blocks)
    rows.append(("synonyms, thresholds from these very scenes (not a fair figure)", best))
    return [_row(place, name, matrices, rows[1][1], names) for name, matrices in rows]


def _row(
    place: Place, name: str, matrices: np.ndarray, zero_shot: np.ndarray, names: list[str]
) -> dict[str, str]:
    matrix = matrices.sum(axis=0)
    low, high = interval(matrices, lambda m: metrics.mean_iou(m, background=False))
    pairs = np.stack([matrices, zero_shot], axis=1)
    gain = interval(
        pairs,
        lambda both: (
            metrics.mean_iou(both[0], background=False)
            - metrics.mean_iou(both[1], background=False)
        ),
    )
    value = metrics.mean_iou(matrix, background=False)
    difference = value - metrics.mean_iou(zero_shot.sum(axis=0), background=False)
    row = {
        "scenes": place.name,
        "decided by": name,
        "mean IoU": f"{value:.3f} ({low:.3f} to {high:.3f})",
        "against synonyms": f"{difference:+.3f} ({gain[0]:+.3f} to {gain[1]:+.3f})"
        if matrices is not zero_shot
        else "",
    }
    if 0 in _present(matrix):
        row["with background"] = f"{metrics.mean_iou(matrix, background=True):.3f}"
    class_low, class_high = interval(matrices, metrics.iou)
    for number, iou in enumerate(metrics.iou(matrix)[1:], 1):
        row[names[number - 1]] = f"{iou:.3f} ({class_low[number]:.2f} to {class_high[number]:.2f})"
    return row


def _present(matrix: np.ndarray) -> list[int]:
    return [int(place) for place in np.nonzero(matrix.sum(axis=1))[0]]


def main() -> None:
    """Measure and report."""
    options = parser(__doc__)
    options.add_argument("--scenes", required=True, type=Path, help="folder of labelled scenes")
    options.add_argument(
        "--arg", action="append", default=[], metavar="NAME=VALUE", help="argument of the function"
    )
    options.add_argument("--every", type=int, help="only every n-th scene, to try it out")
    given = options.parse_args()
    arguments = ", ".join(given.arg) or "the package's default arguments"
    part = f"one scene in {given.every}" if given.every else "all scenes"
    notes = [place.name + ": " + place.about for place in PLACES] + [
        f"weights: {given.weights}".replace(str(Path(given.weights).parent) + "/", "")
        + ", words limited to its vocabulary; threshold 0.3 and background unless said otherwise",
        f"{arguments}; {part}",
        "intervals: 95 %, bootstrap over the scene groups; about 250,000 labelled pixels per place",
        "from other scenes: each fifth of the groups is decided by what was found in the others",
    ]
    tables = []
    with tempfile.TemporaryDirectory() as name:
        package = build_package(Path(name), given.weights)
        for place in PLACES:
            rows = measure(place, package, given.scenes, given)
            slug = f"accuracy_{place.name}"
            report(slug, f"Accuracy: {place.name}", rows, notes, device="cpu", save=given.save)
            tables.append(slug)
    if given.save:
        write_docs(tables)


def write_docs(slugs: list[str]) -> None:
    """The page for users, from the results."""
    parts = [INTRODUCTION]
    for slug in slugs:
        path = max(RESULTS.glob(f"{slug}-*.md"), key=lambda file: file.stat().st_mtime)
        text = path.read_text(encoding="utf-8")
        table = [line for line in text.splitlines() if line.startswith("|")]
        parts += [f"## {slug.removeprefix('accuracy_').capitalize()}", "", *table, ""]
        notes = [line for line in text.splitlines() if line.startswith("- ")]
        parts += notes if slug == slugs[-1] else []
    DOCS.write_text("\n".join(parts) + "\n", encoding="utf-8")


INTRODUCTION = """# Accuracy

How well CLIPSeg finds land cover from above, measured on labelled scenes. Under the tables stand
the arguments and how many scenes were taken. The tables are made by one command:

    .venv/bin/python -m benchmarks.quality.accuracy --weights WEIGHTS --scenes SCENES --save

"From other scenes" is what calibration gives where it had no say: that is what to expect of your
own `dlpk calibrate`. Nothing here was run inside ArcGIS Pro.
"""


if __name__ == "__main__":
    main()
