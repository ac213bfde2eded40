"""How fast blocks go through the harness when the function has next to nothing to do.

That is the most that any function can reach, however fast its network. Against it stands GDAL's own
translation into a file of the same kind, overviews included, which decodes the same and writes
the same pixels in the same run, with one thread and with those that the harness gives it. Both are
the difference between rasters of two sizes, free of start-up.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.common import parser, report, write_scene

FUNCTION = """
import numpy as np


class Bright:
    def initialize(self, **kwargs):
        pass

    def getParameterInfo(self):
        raster = {"name": "raster", "dataType": "raster", "value": None, "required": True}
        return [{**raster, "displayName": "Raster", "description": "What to classify."}]

    def getConfiguration(self, **scalars):
        return {"extractBands": (0, 1, 2), "padding": 88, "tx": 1408, "ty": 1408,
                "inputMask": True, "inheritProperties": 4 | 8, "invalidateProperties": 2 | 4 | 8}

    def updateRasterInfo(self, **kwargs):
        kwargs["output_info"].update(bandCount=1, pixelType="u1", noData=np.array([255], "u1"))
        return kwargs

    def updatePixels(self, tlc, shape, props, **pixelBlocks):
        pixels = pixelBlocks["raster_pixels"][:1, 88:-88, 88:-88]
        return {"output_pixels": (pixels > 100).view(np.uint8),
                "output_mask": np.ones(pixels.shape, np.uint8)}
"""
# The same comparison as a lookup table.
TABLE = """
<VRTDataset rasterXSize="{width}" rasterYSize="{height}">
  <VRTRasterBand dataType="Byte" band="1">
    <ComplexSource>
      <SourceFilename>{scene}</SourceFilename>
      <SourceBand>1</SourceBand>
      <LUT>0:0,100:0,101:1,255:1</LUT>
    </ComplexSource>
  </VRTRasterBand>
</VRTDataset>"""
MODEL = {
    "Framework": "PyTorch",
    "ModelConfiguration": "none",
    "ModelType": "ImageClassification",
    "ModelFile": "Bright.py",
    "InferenceFunction": "Bright.py",
    "ImageHeight": 1408,
    "ImageWidth": 1408,
    "ExtractBands": [0, 1, 2],
    "Classes": [{"Value": 1, "Name": "bright", "Color": [255, 255, 0]}],
}


def main() -> None:
    """Measure and report."""
    options = parser(__doc__)
    options.add_argument("--sides", default="4224,14080", help="sides of the rasters in pixels")
    given = options.parse_args()
    sides = [int(side) for side in given.sides.split(",")]
    megapixels = (sides[1] ** 2 - sides[0] ** 2) / 1e6
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "Bright.py").write_text(FUNCTION)
        (folder / "Bright.emd").write_text(json.dumps(MODEL))
        for kind in ("deflate", "uncompressed"):
            scenes = [folder / f"{kind}{side}.tif" for side in sides]
            for scene, side in zip(scenes, sides):
                write_scene(scene, side, compressed=kind == "deflate")
            ways = {"harness": _harness(folder), **_translations(folder)}
            times: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(given.rounds):
                for way, run in ways.items():
                    small, large = (_seconds(run, scene) for scene in scenes)
                    times[way].append(large - small)
            _check_equal(folder)
            speed = {way: megapixels / statistics.median(taken) for way, taken in times.items()}
            rows.append(
                {"raster": kind}
                | {f"{way}, Mpx/s": f"{rate:,.0f}" for way, rate in speed.items()}
                | {"harness against GDAL": f"{speed['harness'] / speed['GDAL']:.2f}"}
            )
    notes = [
        "uint8, three bands in tiles of 512 pixels; the function compares one band with a number",
        f"rasters of {sides[0]} and {sides[1]} pixels a side, blocks of 1,408 and 88 around them",
    ]
    report("harness", "Blocks through the harness", rows, notes, device="cpu", save=given.save)


def _harness(folder: Path) -> Callable[[Path], None]:
    import dlpk

    def run(scene: Path) -> None:
        dlpk.classify(folder / "Bright.emd", scene, folder / "out.tif", device="cpu")

    return run


def _translations(folder: Path) -> dict[str, Callable[[Path], None]]:
    from osgeo import gdal

    from dlpk.raster.gdal_config import threads

    gdal.UseExceptions()
    options = ["TILED=YES", "BLOCKXSIZE=352", "BLOCKYSIZE=352", "COMPRESS=DEFLATE", "PREDICTOR=2"]

    def translate(scene: Path) -> None:
        source = gdal.Open(str(scene))
        width, height = source.RasterXSize, source.RasterYSize
        out: Any = gdal.Translate(
            str(folder / "gdal.tif"),
            gdal.Open(TABLE.format(width=width, height=height, scene=scene)),
            creationOptions=options,
        )
        levels = [2**level for level in range(1, 12) if max(width, height) >> level >= 256]
        out.BuildOverviews("NEAREST", levels)
        out = None

    def threaded(scene: Path) -> None:
        with threads():
            translate(scene)

    return {"GDAL": translate, "GDAL with threads": threaded}


def _check_equal(folder: Path) -> None:
    """Make sure that both ways have done the same work."""
    from osgeo import gdal

    ours, theirs = (gdal.Open(str(folder / name)) for name in ("out.tif", "gdal.tif"))
    assert ours.GetRasterBand(1).Checksum() == theirs.GetRasterBand(1).Checksum()


def _seconds(run: Callable[[Path], None], scene: Path) -> float:
    start = time.perf_counter()
    run(scene)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
