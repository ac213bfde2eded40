"""The examples of docs/python.md run, and the page names everything that is public."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import dlpk
from tests.support.runs import make_raster

PAGE = (Path(__file__).parents[2] / "docs" / "python.md").read_text("utf-8")


def test_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("city.tif", "town.tif"):
        make_raster(tmp_path / name, (3, 100, 100), transform=(500000, 3, 0, 4000000, 0, -3))
    (tmp_path / "results").mkdir()
    labels = np.indices((100, 100))[:1].astype(np.uint8) // 50 + 1
    make_raster(tmp_path / "city_labels.tif", labels, transform=(500000, 3, 0, 4000000, 0, -3))
    for folder, content in ("images", (3, 100, 100)), ("masks", labels):
        (tmp_path / "scenes" / folder).mkdir(parents=True)
        make_raster(tmp_path / "scenes" / folder / "a.tif", content)
    (tmp_path / "scenes" / "classes.txt").write_text("1 water\n2 trees\n")
    names: dict[str, object] = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.S):
        exec(compile(code, "docs/python.md", "exec"), names)
    assert (tmp_path / "results" / "town.tif").exists()
    assert not (tmp_path / "c.tif").exists()
    assert (tmp_path / "report.html").exists()


def test_every_public_name() -> None:
    named = set(re.findall(r"`(\w+)`", PAGE.split("## Names")[1]))
    assert set(dlpk.__all__) <= named
    assert all(hasattr(dlpk, name) for name in dlpk.__all__)
