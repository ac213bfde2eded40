"""Words that stand for scenes: files, folders, patterns, lists, STAC items."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dlpk.errors import OutputError, RasterError
from dlpk.raster.scenes import Scene, scene_targets, scenes_of, stands_for_several
from tests.support.runs import make_raster


def named(path: Path) -> Scene:
    return Scene(str(path), path.stem)


def test_files_folders_and_patterns(tmp_path: Path) -> None:
    one, two = make_raster(tmp_path / "n1.tif"), make_raster(tmp_path / "n2.tif")
    (tmp_path / "notes.txt").write_text("none of them")
    strange = make_raster(tmp_path / "s[1].tif")
    assert scenes_of([str(one)]) == [named(one)]
    assert scenes_of([str(tmp_path)]) == [named(one), named(two), named(strange)]
    assert scenes_of([str(tmp_path / "n*.tif")]) == [named(one), named(two)]
    assert scenes_of([str(strange)]) == [named(strange)]
    for word in ("vrt://a.tif?bands=1", "<VRTDataset x='*'/>", str(strange), "gone.tif"):
        assert not stands_for_several(word)
    with pytest.raises(RasterError, match="no file is called like"):
        scenes_of([str(tmp_path / "x*.tif")])


def test_lists(tmp_path: Path) -> None:
    one = make_raster(tmp_path / "one.tif")
    names = tmp_path / "names.txt"
    names.write_text("# scenes\none.tif\n\n/vsicurl/http://x/two.tif\n")
    found = scenes_of([str(names)])
    assert found == [named(one), Scene("/vsicurl/http://x/two.tif", "two")]
    for content in (b"", b"\xff\xfe\x00"):
        names.write_bytes(content)
        with pytest.raises(RasterError, match="the list"):
            scenes_of([str(names)])


def item(name: str, **assets: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "id": name, "assets": assets}


def test_stac(tmp_path: Path) -> None:
    tiff = "image/tiff; application=geotiff"
    items = [
        item("a", data={"href": "a/x.tif", "roles": ["data"]}, thumb={"href": "t.png"}),
        item("b", B1={"href": "b1.tif", "type": tiff}, visual={"href": "https://h/b.tif"}),
        item("../c", cog={"href": "s3://bucket/c.tif", "type": tiff}),
        item("d", B1={"href": "b1.tif", "type": tiff}, B2={"href": "b2.tif", "type": tiff}),
    ]
    file = tmp_path / "items.json"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    assert scenes_of([str(file)]) == [
        Scene(str(tmp_path / "a/x.tif"), "a"),
        Scene("/vsicurl/https://h/b.tif", "b"),
        Scene("/vsis3/bucket/c.tif", "c"),
        Scene("STAC item d (no single asset with pixels)", "d"),
    ]
    for content in ("{", "[]", '{"features": [{"assets": 3}]}', '{"features": []}', "[" * 100000):
        file.write_text(content)
        assert scenes_of([str(file)]) == [named(file)]


def test_targets(tmp_path: Path) -> None:
    scenes = [Scene("x/a.png", "a"), Scene("b.tif", "b")]
    with pytest.raises(OutputError, match="is no folder"):
        scene_targets(scenes, tmp_path / "out")
    assert scene_targets(scenes, tmp_path) == [tmp_path / "a.tif", tmp_path / "b.tif"]
    with pytest.raises(RasterError, match="would be overwritten"):
        scene_targets([*scenes, Scene("y/a.tif", "a")], tmp_path)
