"""The same bytes with any number of threads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from osgeo import gdal

ROOT = Path(__file__).parents[3]
PRECISIONS = ("auto", "fp32", "bf16")
CLASSIFY = """
import sys
import dlpk
package, raster, out, *precisions = sys.argv[1:]
with dlpk.open(package) as model:
    for precision in precisions:
        model.classify(raster, out + precision, arguments={"precision": precision})
"""


def test_any_number_of_threads(mini: Path, tmp_path: Path) -> None:
    part = tmp_path / "part.tif"
    gdal.Translate(str(part), str(ROOT / "demo" / "scene.tif"), srcWin=[300, 200, 130, 110])
    results = []
    for threads in ("1", "2", "3"):
        words = [str(mini), str(part), f"{tmp_path / threads}.tif"]
        subprocess.run(
            [sys.executable, "-c", CLASSIFY, *words, *PRECISIONS],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": threads, "GDAL_NUM_THREADS": threads},
            check=True,
        )
        results.append([Path(words[2] + name).read_bytes() for name in PRECISIONS])
    assert results[0] == results[1] == results[2]
