"""Whether classes change at the borders of blocks, and how far they depend on where tiles fall.

A scene is classified in small blocks, so that it has many borders: once as the function does it, on
one grid of tiles for the whole raster, and once with the function not knowing where blocks lie, so
that each is looked at for itself. Counted is the share of neighbouring pixels of different classes,
across borders and elsewhere. Then the scene is classified again without its first rows and columns,
which moves the grid, and the classes of the same pixels are compared.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
from osgeo import gdal

import dlpk
from benchmarks.common import build_package, parser, report, write_scene
from dlpk.classification.model import Model
from dlpk.raster.dataset import Raster
from dlpk.raster.grid import BlockGrid

gdal.UseExceptions()
SHIFTS = (37, 100)


def main() -> None:
    """Measure and report."""
    options = parser(__doc__)
    options.add_argument("--scene", help="a raster; by default one made of the golden chips")
    options.add_argument("--mini", action="store_true", help="the miniature instead")
    options.add_argument("--prompt", help="prompts (default: those of the package)")
    options.add_argument("--scales", default="1", help="of the function (default %(default)s)")
    options.add_argument("--block", type=int, default=256, help="side of a block")
    given = options.parse_args()
    arguments = {"predict_background": "False", "scales": given.scales}
    if given.prompt:
        arguments["text_prompt"] = given.prompt
    device = "cuda:0" if given.device.startswith("cuda") else "cpu"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        package = build_package(folder, given.weights, mini=given.mini)
        scene = Path(given.scene) if given.scene else folder / "scene.tif"
        if not given.scene:
            write_scene(scene, 528)
        with dlpk.open(package, device=device) as model:
            whole = _classes(model, scene, arguments, given.block)
            alone = _classes(model, scene, arguments, given.block, knowing=False)
            once = _classes(model, scene, arguments, 2048)
            moved = []
            for shift in SHIFTS:
                part = folder / "part.vrt"
                source = gdal.Open(str(scene))
                size = (source.RasterXSize - shift, source.RasterYSize - shift)
                gdal.Translate(str(part), source, format="VRT", srcWin=[shift, shift, *size])
                other = _classes(model, part, arguments, 2048)
                moved.append(float((once[shift:, shift:] != other).mean()))
    rows = [
        _row("one grid for the raster", whole, given.block, once),
        _row("each block for itself", alone, given.block, once),
    ]
    notes = [
        f"blocks of {given.block} pixels, {Path(scene).name}, prompts {given.prompt or 'default'}, "
        f"scales {given.scales}, {'real' if given.weights else 'miniature or random'} weights",
        f"without the first {' and '.join(map(str, SHIFTS))} rows and columns, "
        f"{np.mean(moved):.1%} of the pixels have other classes",
    ]
    report("seams", "Borders of blocks", rows, notes, device=given.device, save=given.save)


def _row(name: str, classes: np.ndarray, block: int, once: np.ndarray) -> dict[str, object]:
    changes = classes[:, 1:] != classes[:, :-1]
    border = np.arange(1, classes.shape[1]) % block == 0
    return {
        "tiles lie on": name,
        "classes change across borders": f"{changes[:, border].mean():.2%}",
        "elsewhere": f"{changes[:, ~border].mean():.2%}",
        "other classes than in one block": f"{(classes != once).mean():.2%}",
    }


def _classes(
    model: Model, scene: Path, arguments: dict[str, str], side: int, *, knowing: bool = True
) -> np.ndarray:
    raster = Raster(scene)
    result = np.zeros((raster.height, raster.width), np.uint8)
    with model.session(raster, arguments) as session:
        grid = BlockGrid(raster.width, raster.height, side, side, fixed=False)
        function = session.function.instance
        frame = function._frame if knowing else None
        with mock.patch.object(function, "_frame", frame):
            for block in grid.blocks():
                pixels = session.process(block).pixels[0]
                rows = slice(block.row, block.row + block.used_height)
                columns = slice(block.column, block.column + block.used_width)
                result[rows, columns] = pixels[: block.used_height, : block.used_width]
    return result


if __name__ == "__main__":
    main()
