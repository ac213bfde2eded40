"""How well the miniature finds water and vegetation, on every block that it never saw.

    python -m training.held_out --scene S2_10m.tif --swir S2_20m.tif --out training/held_out.md

The whole scene is classified as `dlpk classify` does it, and the figures are those of the result.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from osgeo import gdal

import dlpk
from training.data import references
from training.data.demo_data import CLASSES
from training.data.rasters import read, read_swir
from training.data.references import RULES
from training.data.split import demo_window, other_windows

BLOCKS = ("demo scene", "inland", "southern shore")
HEADER = """# The miniature on the blocks that it never saw

Written by `python -m training.held_out`. The Sentinel-2 scene was classified as a whole;
`make demo` classifies the demo scene by itself, stretched by its own values. *Share* is that of the
class in the reference, *found* that in the result.

| block | class | share | found | IoU |
|---|---|---|---|---|
"""


def main() -> None:
    """Classify the scene and write the table."""
    parser = argparse.ArgumentParser(prog="held_out", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scene", type=Path, required=True, help="Sentinel-2 B04 B03 B02 B08")
    parser.add_argument("--swir", type=Path, required=True, help="Sentinel-2 B11 (first band)")
    parser.add_argument("--out", type=Path, required=True, help="Markdown file to write")
    options = parser.parse_args()
    truth = references.sentinel2(read(options.scene), read_swir(options.swir, options.scene))
    found = classify(options.scene)
    windows = dict(
        zip(("demo scene", "inland", "southern shore"), (demo_window(), *other_windows()))
    )
    parts = {name: (slice(None), *window.slices) for name, window in windows.items()}
    lines = []
    for number, concept in enumerate(CLASSES[1:], 1):
        real = truth[references.index(concept)] == 1
        pairs = [
            (name, real[part[1:]], (found == number)[part[1:]]) for name, part in parts.items()
        ]
        pairs.append(
            ("all together", *(np.concatenate([p[i].ravel() for p in pairs]) for i in (1, 2)))
        )
        lines += [row(concept, *pair) for pair in pairs]
    rules = "".join(f"\n- {concept}: {RULES[concept]}" for concept in CLASSES[1:])
    text = HEADER + "\n".join(lines) + f"\n{rules}\n"
    options.out.write_text(text, encoding="utf-8", newline="\n")
    print(text)


def classify(scene: Path) -> NDArray[np.uint8]:
    """Return the classes of a scene, 1 water and 2 vegetation, shape (height, width)."""
    with tempfile.TemporaryDirectory() as folder:
        package = dlpk.build(Path(folder) / "mini.dlpk", weights="mini").path
        result = dlpk.classify(
            package, scene, Path(folder) / "classes.tif", prompt=", ".join(CLASSES[1:])
        )
        return np.asarray(gdal.Open(str(result.path)).ReadAsArray(), dtype=np.uint8)


def row(concept: str, block: str, real: NDArray[np.bool_], found: NDArray[np.bool_]) -> str:
    """Return a line of the table."""
    union = (real | found).sum()
    iou = f"{(real & found).sum() / union:.3f}" if union else "-"
    return f"| {block} | {concept} | {real.mean():.2%} | {found.mean():.2%} | {iou} |"


if __name__ == "__main__":
    main()
