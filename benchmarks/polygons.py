"""Peak memory and speed of polygons as the raster grows.

Two kinds of rasters: fields, which are all smaller than a tile, and a land cover whose most common
class hangs together all over the raster: one polygon with all of its holes has to be held then.
Every raster runs in a process of its own; the peak is what the operating system counted.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from osgeo import gdal
from scipy.ndimage import gaussian_filter

from benchmarks.common import parser, report, run_python

PATTERN = 2000
TASK = """
import re
import dlpk
made = dlpk.polygonize({raster!r}, {out!r}, smoothing={smoothing})
with open("/proc/self/status") as file:
    peak = int(re.search(r"VmHWM:\\s+(\\d+)", file.read()).group(1))
print(peak / 1024, sum(made.counts.values()))
"""


def pattern(kind: str) -> np.ndarray:
    """Classes that repeat without a seam."""
    noise = np.random.default_rng(0).standard_normal((PATTERN, PATTERN))
    smooth = gaussian_filter(noise, 6, mode="wrap")
    if kind == "fields":
        return np.digitize(smooth, np.quantile(smooth, [0.7, 0.85, 0.95])).astype(np.uint8)
    return np.digitize(smooth, np.quantile(smooth, [0.3, 0.35, 0.95])).astype(np.uint8)


def write(path: Path, side: int, kind: str) -> None:
    """Write a square raster of a pattern."""
    pixels = pattern(kind)
    options = ["TILED=YES", "COMPRESS=DEFLATE", "BIGTIFF=IF_SAFER"]
    made = gdal.GetDriverByName("GTiff").Create(str(path), side, side, 1, gdal.GDT_Byte, options)
    made.SetGeoTransform((0.0, 1.0, 0.0, 0.0, 0.0, -1.0))
    for row in range(0, side, PATTERN):
        for column in range(0, side, PATTERN):
            part = pixels[: side - row, : side - column]
            made.WriteArray(np.ascontiguousarray(part), column, row)
    made.FlushCache()


def main() -> None:
    """Measure and report."""
    options = parser(__doc__)
    options.add_argument("--sides", default="4000,12000,32000", help="sides of the rasters")
    options.add_argument("--smoothing", type=int, default=5)
    given = options.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in ("fields", "land cover"):
            for side in map(int, given.sides.split(",")):
                raster, out = folder / "classes.tif", folder / "out.gpkg"
                write(raster, side, kind)
                code = TASK.format(raster=str(raster), out=str(out), smoothing=given.smoothing)
                start = time.perf_counter()
                peak, count = run_python(code).split()
                seconds = time.perf_counter() - start
                rows.append(
                    {
                        "raster": kind,
                        "pixels": f"{side} x {side}",
                        "polygons": f"{int(count):,}",
                        "peak memory": f"{float(peak):.0f} MB",
                        "million pixels per second": f"{side * side / seconds / 1e6:.2f}",
                        "file": f"{out.stat().st_size / 1e6:.0f} MB",
                    }
                )
                print(rows[-1], flush=True)
    notes = [
        f"`dlpk.polygonize` into a GeoPackage, smoothing {given.smoothing}, its own process",
        "fields: classes that cover 30 % in areas smaller than a tile; land cover: 5, 60 and 5 % "
        "in three classes, of which the middle one hangs together all over the raster",
    ]
    report("polygons", "Polygons of rasters", rows, notes, device=given.device, save=given.save)


if __name__ == "__main__":
    main()
