"""What padding, scales and the size of tiles are worth: accuracy and cost on labelled scenes.

    python -m benchmarks.quality.tiling --weights FOLDER --scenes FOLDER [--save]

Scenes (see `benchmarks.quality.accuracy`) are looked at in their own pixels, with synonyms; of
several classes every pixel gets its likeliest, a single class needs the threshold. Nothing is
calibrated.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal

import dlpk
from benchmarks.common import build_package, parser, report
from benchmarks.quality.accuracy import PLACES, THRESHOLD, Place
from dlpk.classification.model import Model
from dlpk.evaluation.measures import metrics
from model_extension.common.tiles import Place as Extent
from model_extension.common.tiles import grids

gdal.UseExceptions()
CHOICES: tuple[dict[str, str], ...] = (
    {"padding": "44"},
    {"padding": "0"},
    {"padding": "88"},
    {"scales": "1,0.5"},
    {"tile_size": "528"},
)
SIZE, PADDING, PATCH = 352, 44, 16


def classes_of(model: Model, place: Place, image: Path, arguments: dict[str, str]) -> np.ndarray:
    """Classes of a scene: places in the list of classes from 1, 0 for none."""
    prompt = ", ".join(f"{name} = {words}" for name, (_, _, words) in place.classes.items())
    found = model.predict(
        gdal.Open(str(image)).ReadAsArray()[:3],
        prompt=prompt,
        arguments={"return_probability_raster": "True", **arguments},
    ).labels
    values = found.reshape(len(place.classes), *found.shape[-2:])
    best = values.argmax(axis=0) + 1
    return np.where(values.max(axis=0) > THRESHOLD, best, 0) if len(values) == 1 else best


def tiles_of(image: Path, choice: dict[str, str]) -> tuple[int, int]:
    """Tiles that a scene is seen in, and its pixels."""
    dataset = gdal.Open(str(image))
    rows, columns = dataset.RasterYSize, dataset.RasterXSize
    size = int(choice.get("tile_size", SIZE))
    overlap = 2 * int(choice.get("padding", PADDING))
    scales = [float(scale) for scale in choice.get("scales", "1").split(",")]
    found = grids(Extent(0, 0, rows, columns), size, PATCH, overlap, scales)
    tiles = sum(len(grid.rows.starts) * len(grid.columns.starts) for grid in found)
    return tiles, rows * columns


def measure(model: Model, choice: dict[str, str], options: Any) -> dict[str, str]:
    """One row of the table."""
    row = {"choice": ", ".join(f"{name}={value}" for name, value in choice.items())}
    tiles = pixels = 0
    start = time.perf_counter()
    for place in PLACES:
        count = len(place.classes)
        counts = np.zeros((count + 1, count + 1), np.int64)
        folder = options.scenes / place.name
        for image in sorted((folder / "images").iterdir())[:: options.every]:
            mask = gdal.Open(str(folder / "masks" / f"{image.stem}.png")).ReadAsArray()
            truth = np.full(256, 0)
            for number, (value, _, _) in enumerate(place.classes.values(), 1):
                truth[value] = number
            known = mask != 255
            found = classes_of(model, place, image, {**choice, "predict_background": "True"})
            pairs = truth[mask[known]] * (count + 1) + found[known]
            counts += np.bincount(pairs, minlength=counts.size).reshape(counts.shape)
            seen = tiles_of(image, choice)
            tiles, pixels = tiles + seen[0], pixels + seen[1]
        row[f"{place.name}, mean IoU"] = f"{metrics.mean_iou(counts, background=False):.3f}"
        if count > 1:
            for name, iou in zip(place.classes, metrics.iou(counts)[1:]):
                row[name] = f"{iou:.3f}"
    row["tiles per Mpx"] = f"{tiles / pixels * 1e6:.1f}"
    row["seconds"] = f"{time.perf_counter() - start:.0f}"
    print(row, flush=True)
    return row


def main() -> None:
    """Measure and report."""
    options = parser(__doc__)
    options.add_argument("--scenes", required=True, type=Path, help="folder of labelled scenes")
    options.add_argument("--every", type=int, default=1, help="only every n-th scene")
    given = options.parse_args()
    device = "cuda:0" if given.device.startswith("cuda") else "cpu"
    with tempfile.TemporaryDirectory() as name:
        package = build_package(Path(name), given.weights)
        with dlpk.open(package, device=device) as model:
            rows = [measure(model, choice, given) for choice in CHOICES]
    notes = [place.name + ": " + place.about.split(", seen")[0] for place in PLACES] + [
        f"weights: {Path(given.weights).name}, words limited to its vocabulary, two or three words "
        "per class; scenes in their own pixels",
        f"one scene in {given.every}" if given.every > 1 else "all scenes",
        f"what is not named: padding={PADDING}, scales=1, tile_size={SIZE}",
        f"dubai: every pixel its likeliest class; banepa: building where over {THRESHOLD}",
    ]
    report("tiling", "Padding, scales, tiles", rows, notes, device=given.device, save=given.save)


if __name__ == "__main__":
    main()
