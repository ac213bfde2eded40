"""How far results depend on where blocks fall: the same scene in shifted tilings.

The scene is classified as it is and with its first rows and columns cut off, so that tiles and
blocks fall elsewhere; where both see the same pixels, their classes are compared.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from osgeo import gdal

import dlpk
from benchmarks.common import build_package, parser, report, write_scene

gdal.UseExceptions()
SHIFTS = (1, 37, 88)


def main() -> None:
    """Measure and report."""
    options = parser(__doc__)
    options.add_argument("--scene", help="a raster; by default one made of the golden chips")
    options.add_argument("--mini", action="store_true", help="the miniature instead")
    options.add_argument("--prompt", help="prompts (default: those of the package)")
    given = options.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        package = build_package(folder, given.weights, mini=given.mini)
        scene = Path(given.scene) if given.scene else folder / "scene.tif"
        if not given.scene:
            write_scene(scene, 1056)
        tile = 96 if given.mini else 352
        for padding in (0, tile // 8, tile // 4):
            arguments = {"padding": padding}
            whole = _classes(package, scene, folder, given, arguments, 0)
            differing = []
            for shift in SHIFTS:
                part = _classes(package, scene, folder, given, arguments, shift)
                differing.append(float((whole[shift:, shift:] != part).mean()))
            rows.append(
                {
                    "padding": padding,
                    "tiles per pixel": f"{(tile / (tile - 2 * padding)) ** 2:.1f}",
                    "differing per million": f"{np.mean(differing) * 1e6:,.0f}",
                }
            )
    notes = [f"shifted by {', '.join(map(str, SHIFTS))} pixels in both directions"]
    report("seams", "Shifted tilings", rows, notes, device=given.device, save=given.save)


def _classes(
    package: Path, scene: Path, folder: Path, given: object, arguments: dict[str, int], shift: int
) -> np.ndarray:
    part = folder / "part.vrt"
    source = gdal.Open(str(scene))
    size = (source.RasterXSize - shift, source.RasterYSize - shift)
    gdal.Translate(str(part), source, format="VRT", srcWin=[shift, shift, *size])
    out = folder / "out.tif"
    dlpk.classify(
        package,
        part,
        out,
        prompt=getattr(given, "prompt", None),
        arguments=arguments,
        device="cuda:0" if str(getattr(given, "device", "")).startswith("cuda") else "cpu",
    )
    return np.asarray(gdal.Open(str(out)).ReadAsArray())


if __name__ == "__main__":
    main()
