"""The same bytes with any number of threads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from osgeo import gdal

from builder import build

ROOT = Path(__file__).parents[3]
SCENE = ROOT / "demo" / "scene.tif"


@pytest.mark.parametrize("precision", ["auto", "fp32", "bf16"])
def test_any_number_of_threads(tmp_path: Path, precision: str) -> None:
    build(tmp_path / "mini.dlpk", weights="mini")
    part = tmp_path / "part.tif"
    gdal.Translate(str(part), str(SCENE), srcWin=[300, 200, 260, 150])
    results = []
    for threads in ("1", "2", "3"):
        out = tmp_path / "out.tif"
        words = ["classify", str(tmp_path / "mini.dlpk"), str(part), str(out), "-q"]
        subprocess.run(
            [sys.executable, "-m", "dlpk", *words, "--arg", f"precision={precision}"],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": threads, "GDAL_NUM_THREADS": threads},
            check=True,
        )
        results.append(out.read_bytes())
    assert results[0] == results[1] == results[2]
