"""Time and peak memory of comparing two large rasters, against reading them alone.

Both are compressed GeoTIFFs of one byte per pixel with eight classes in patches, once on the same
grid and once with a truth of half the cell size in another coordinate system.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from osgeo import gdal, osr

from benchmarks.common import parser, report, run_python

gdal.UseExceptions()
PEAK = """
# Not getrusage: that begins with what the parent process had.
import re
with open("/proc/self/status") as file:
    print(int(re.search(r"VmHWM:\\\\s+(\\\\d+)", file.read()).group(1)) / 1024)
"""
READ = """
import time
from osgeo import gdal
from dlpk.evaluation.grids import Grid
start = time.perf_counter()
for name in ({ours!r}, {theirs!r}):
    dataset = gdal.Open(name)
    for window in Grid.of(dataset).blocks(1024):
        dataset.GetRasterBand(1).ReadAsArray(*window)
print(time.perf_counter() - start)
"""
COMPARE = """
import time
from dlpk.evaluation.rasters import Options, evaluate_raster
start = time.perf_counter()
result = evaluate_raster({ours!r}, {theirs!r}, Options(grid="prediction", boundary={boundary}))
result.summary(), result.per_class()
print(time.perf_counter() - start)
"""


def write(path: Path, side: int, seed: int, epsg: int = 32618) -> None:
    """A raster of classes in patches of 50 pixels."""
    driver = gdal.GetDriverByName("GTiff")
    options = ["TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "COMPRESS=DEFLATE"]
    made = driver.Create(str(path), side, side, 1, gdal.GDT_Byte, options)
    made.SetGeoTransform((500000, 1, 0, 4000000, 0, -1))
    system = osr.SpatialReference()
    system.ImportFromEPSG(epsg)
    made.SetProjection(system.ExportToWkt())
    generator = np.random.default_rng(seed)
    band = made.GetRasterBand(1)
    band.SetNoDataValue(255)
    for row in range(0, side, 500):
        patches = generator.integers(0, 9, (10, -(-side // 50))).astype(np.uint8)
        pixels = patches.repeat(50, 0).repeat(50, 1)[: side - row, :side]
        band.WriteArray(np.where(generator.random(pixels.shape) < 0.01, 0, pixels), 0, row)
    band.SetCategoryNames(["", *(f"class {i}" for i in range(1, 9))])


def main() -> None:
    """Measure and report."""
    options = parser(__doc__)
    options.add_argument("--side", type=int, default=10_000, help="side of the rasters in pixels")
    given = options.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours, theirs, warped = (folder / f"{name}.tif" for name in ("ours", "theirs", "warped"))
        write(ours, given.side, 0)
        write(theirs, given.side, 1)
        gdal.Warp(
            str(warped),
            str(theirs),
            dstSRS="EPSG:3857",
            xRes=0.5,
            yRes=0.5,
            resampleAlg="near",
            creationOptions=["TILED=YES", "COMPRESS=DEFLATE"],
        )
        for what, code, truth, boundary in (
            ("reading both alone", READ, theirs, ()),
            ("comparing, the same grid", COMPARE, theirs, ()),
            ("and boundary F at 2 pixels", COMPARE, theirs, (2,)),
            ("comparing, truth warped from half the cell size", COMPARE, warped, ()),
        ):
            text = code.format(ours=str(ours), theirs=str(truth), boundary=boundary) + PEAK
            start = time.perf_counter()
            seconds, peak = (float(word) for word in run_python(text.replace("\\\\", "\\")).split())
            rows.append(
                {
                    "what": what,
                    "raster": f"{given.side:,} x {given.side:,}",
                    "time": f"{seconds:.1f} s",
                    "with start": f"{time.perf_counter() - start:.1f} s",
                    "peak memory": f"{peak:,.0f} MB",
                }
            )
    notes = ["eight classes in patches, blocks of 512 pixels, DEFLATE; one run each"]
    report("evaluation", "Comparing rasters", rows, notes, device="cpu", save=given.save)


if __name__ == "__main__":
    main()
