"""`make demo` runs, and once more over what it left; on a corner of its scene."""

from __future__ import annotations

from pathlib import Path

import pytest
from osgeo import gdal

from demo import demo

CORNER = [441000, 4168900, 443000, 4167500]  # holds the wood that the demo shows


def test_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SCENE", "REFERENCE"):
        part = tmp_path / f"{name}.tif"
        gdal.Translate(str(part), str(getattr(demo, name)), projWin=CORNER)
        monkeypatch.setattr(demo, name, part)
    monkeypatch.chdir(tmp_path)
    assert demo.main(Path("out")) == 0
    assert demo.main(Path("out")) == 0
    assert {"classified.png", "report.html", "prompts.png"} <= {
        p.name for p in Path("out").iterdir()
    }
