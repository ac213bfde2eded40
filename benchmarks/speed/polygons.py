"""Peak memory and speed of polygons as the raster grows, against GDAL's own Polygonize.

Two kinds of rasters: fields, which are all smaller than a tile, and a land cover whose most common
class hangs together all over the raster: one polygon with all of its holes has to be held then.
Every run has a process of its own; the peak is what the operating system counted.
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
PEAK = """
import re
with open("/proc/self/status") as file:
    print(int(re.search(r"VmHWM:\\s+(\\d+)", file.read()).group(1)) / 1024, count)
"""
OURS = """
import dlpk
count = sum(dlpk.polygonize({raster!r}, {out!r}, smoothing={smoothing}).counts.values())
"""
GDALS = """
from osgeo import gdal, ogr
gdal.SetCacheMax(64 << 20)
dataset = gdal.Open({raster!r})
source = ogr.GetDriverByName("GPKG").CreateDataSource({out!r})
layer = source.CreateLayer("polygons", None, ogr.wkbPolygon)
layer.CreateField(ogr.FieldDefn("value", ogr.OFTInteger))
layer.StartTransaction()
gdal.Polygonize(dataset.GetRasterBand(1), dataset.GetRasterBand(1), layer, 0)
layer.CommitTransaction()
count = layer.GetFeatureCount()
layer = source = None
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


def run(task: str, raster: Path, out: Path, smoothing: int) -> tuple[float, int, float]:
    """Peak memory in MB, polygons, and seconds."""
    out.unlink(missing_ok=True)
    start = time.perf_counter()
    code = task.format(raster=str(raster), out=str(out), smoothing=smoothing) + PEAK
    peak, count = run_python(code).split()
    return float(peak), int(count), time.perf_counter() - start


def main() -> None:
    """Measure and report."""
    options = parser(__doc__)
    options.add_argument("--fields", default="4000,10000,32000", help="sides of those rasters")
    options.add_argument("--land-cover", default="4000,10000", help="sides of those rasters")
    options.add_argument("--most", type=int, default=10000, help="largest side that GDAL gets")
    options.add_argument("--smoothing", type=int, default=5)
    given = options.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        raster, out = Path(name) / "classes.tif", Path(name) / "out.gpkg"
        for kind, sides in (("fields", given.fields), ("land cover", given.land_cover)):
            for side in map(int, sides.split(",")):
                write(raster, side, kind)
                peak, count, seconds = run(OURS, raster, out, given.smoothing)
                row = {
                    "raster": kind,
                    "pixels": f"{side} x {side}",
                    "polygons": f"{count:,}",
                    "file": f"{out.stat().st_size / 1e6:.0f} MB",
                    "peak memory": f"{peak:.0f} MB",
                    "of GDAL": "",
                    "times as fast as GDAL": "",
                }
                if side <= given.most:
                    theirs, _, longer = run(GDALS, raster, out, 0)
                    row["of GDAL"] = f"{theirs:.0f} MB"
                    row["times as fast as GDAL"] = f"{longer / seconds:.2f}"
                rows.append(row)
                print(row, flush=True)
    notes = [
        f"`dlpk.polygonize` into a GeoPackage with smoothing {given.smoothing} against "
        "`gdal.Polygonize` without any, each once in a process of its own",
        "fields: classes that cover 30 % in areas smaller than a tile; land cover: 5, 60 and 5 % "
        "in three classes, of which the middle one hangs together all over the raster",
    ]
    report("polygons", "Polygons of rasters", rows, notes, device=given.device, save=given.save)


if __name__ == "__main__":
    main()
