"""The picture in the README of what real weights find, and how well that agrees with labels.

    python -m benchmarks.quality.example --weights FOLDER --scenes FOLDER

The folder of scenes holds ``dubai`` as `benchmarks.quality.accuracy` takes it. Words are
limited to those of a frozen vocabulary, so that weights without a text encoder will do.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from osgeo import gdal

import dlpk
from benchmarks.common import build_package, parser, report
from dlpk.evaluation.rasters import Options, evaluate_raster
from dlpk.output.quicklook import draw
from dlpk.raster.dataset import Raster

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "real-weights.jpg"
SCENE = "t2_image_part_007"
# What is called so in the picture: the words, and the value in the labels.
CLASSES = {
    "water": ("water-other|river|sea", 0),
    "bare ground": ("dirt|sand|ground-other", 1),
    "road": ("road|pavement", 2),
    "building": ("building-other|house|roof", 3),
    "trees, grass": ("tree|grass|bush", 4),
}


def main() -> None:
    """Classify, draw and compare."""
    options = parser(__doc__)
    options.add_argument("--scenes", required=True, type=Path, help="folder of labelled scenes")
    options.add_argument("--scene", default=SCENE, help="name of the scene, without its ending")
    options.add_argument("--out", default=PICTURE, type=Path, help="picture to write (JPEG)")
    given = options.parse_args()
    place = given.scenes / "dubai"
    scene = next((place / "images").glob(given.scene + ".*"))
    prompt = ", ".join(f'"{name}" = {words}' for name, (words, _) in CLASSES.items())
    with tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder) / "drawn.png"
        classified = dlpk.classify(
            build_package(Path(folder), given.weights),
            scene,
            Path(folder) / "classified.tif",
            prompt=prompt,
            arguments={"precision": "fp32"},
            device=given.device,
        )
        draw(Raster(scene), classified.path, classified.legend, drawn)
        gdal.Translate(
            str(given.out),
            str(drawn),
            format="JPEG",
            bandList=[1, 2, 3],
            width=1100,
            creationOptions=["QUALITY=75"],
        )
        values = {entry.name: (entry.value, CLASSES[entry.name][1]) for entry in classified.legend}
        agreement = evaluate_raster(
            classified.path, place / "masks" / f"{scene.stem}.png", Options(classes=values)
        )
    rows = [
        {"class": row["class"], "words": CLASSES[row["class"]][0], "IoU": f"{row['iou']:.3f}"}
        for row in agreement.per_class()
        if row["class"] in CLASSES
    ]
    notes = [
        f"scene {scene.stem} of the Dubai set (MBRSC / Humans in the Loop, CC0), its own pixels",
        "real weights, words of a frozen vocabulary, precision fp32, otherwise the defaults",
        f"mean IoU without background: {agreement.summary()['miou_without_background']:.3f}",
    ]
    report("example", "The picture in the README", rows, notes, device="cpu", save=given.save)


if __name__ == "__main__":
    main()
