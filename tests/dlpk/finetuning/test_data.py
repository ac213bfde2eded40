"""Labelled data as they come, and what is said of bad ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal, ogr, osr

from dlpk.errors import FinetuningError
from dlpk.finetuning.data import read_data
from dlpk.finetuning.scenes import NOTHING, UNKNOWN, LabelledData
from dlpk.finetuning.split import split
from dlpk.finetuning.views import draw_training, show
from tests.support.runs import make_picture, make_raster

BANDS = (0, 1, 2)


def write(path: Path, array: np.ndarray, left: float | None = None, system: int = 32618) -> Path:
    place = None if left is None else (left, 1.0, 0.0, 5000.0, 0.0, -1.0)
    return make_raster(path, array, transform=place, epsg=system)


def chips(folder: Path, count: int = 6, side: int = 64) -> Path:
    """As ArcGIS exports *Classified Tiles*: chips of a raster, every half of a tile."""
    random = np.random.default_rng(0)
    ground = random.integers(0, 3, (side, side // 2 * (count + 1))).astype(np.uint8)
    for number in range(count):
        start = number * side // 2
        name = f"{number:09}.tif"
        part = ground[:, start : start + side]
        write(folder / "images" / name, np.stack([part * 80] * 3), 1000.0 + start)
        write(folder / "labels" / name, part * 10, 1000.0 + start)
    classes = [{"Value": 10, "Name": "water"}, {"Value": 20, "Name": "roof"}]
    (folder / "esri_model_definition.emd").write_text(json.dumps({"Classes": classes}))
    (folder / "map.txt").write_text(
        "".join(f"images\\{n:09}.tif  labels\\{n:09}.tif\n" for n in range(count))
    )
    (folder / "stats.txt").write_text(f"images = {count} *3*{side}*{side}\nfeatures = 9\n")
    return folder


def data(*sources: object, **options: str) -> LabelledData:
    with ExitStack() as stack:
        return read_data([str(source) for source in sources], BANDS, stack, **options)


def test_tiles_that_arcgis_exported(tmp_path: Path) -> None:
    found = data(chips(tmp_path / "a"))
    assert found.classes == ("water", "roof")
    assert set(np.unique(found.scenes[0].whole())) == {0, 1, NOTHING}


def test_what_arcgis_says_beside_them(tmp_path: Path) -> None:
    """map.txt pairs, stats.txt counts; without them, or with nonsense in them, names pair."""
    folder = chips(tmp_path / "a")
    plain = [scene.whole() for scene in data(folder).scenes]
    assert not data(folder).warnings
    (folder / "labels/000000001.tif").rename(folder / "labels/another name.tif")
    with pytest.raises(FinetuningError, match=r"1 images without a mask .* 000000001.tif"):
        data(folder)
    text = (folder / "map.txt").read_text()
    (folder / "map.txt").write_text(text.replace("labels\\000000001", "labels\\another name"))
    for ours, theirs in zip(data(folder).scenes, plain):
        assert (ours.whole() == theirs).all()
    (folder / "labels/another name.tif").rename(folder / "labels/000000001.tif")
    (folder / "map.txt").write_bytes(b"\xff\xfe nothing at all\n\0")
    (folder / "stats.txt").write_text("images = 9 *3*64*64\n")
    found = data(folder)
    assert len(found.scenes) == 6
    assert found.warnings[0].endswith("tells of 9 images, and 6 are there: is the copy complete?")
    for name in ("map.txt", "stats.txt"):
        (folder / name).unlink()
    assert not data(folder).warnings


def test_tiles_of_16_bit_share_one_stretch(tmp_path: Path) -> None:
    """A dark tile stays dark beside a bright one, as in the raster that it was cut from."""
    folder = chips(tmp_path / "a", 2)
    for number, level in enumerate((300, 3000)):
        values = level + np.arange(64 * 64).reshape(64, 64) % 97
        pixels = np.stack([values] * 3).astype(np.uint16)
        write(folder / "images" / f"{number:09}.tif", pixels, 1000.0 + 32 * number)
    dark, bright = (scene.read((0, 0, 64, 64))[0] for scene in data(folder).scenes)
    assert dark.dtype == np.uint8 and dark.max() < 20 < 230 < bright.min()


def test_no_pixel_trains_within_the_gap_around_validation(tmp_path: Path) -> None:
    """Chips overlap, so what one validates another must not learn."""
    found = data(chips(tmp_path / "a", 12))
    divided = split(found.scenes, found.classes, 32, 0)
    width = 64 + 32 * 11
    ground = np.zeros((2, 64, width), bool)
    for scene in found.scenes:
        left = round(scene.place[1]) - 1000
        for side in range(2):
            mask = divided.masked(scene, (0, 0, 64, 64), training=bool(side))
            ground[side, :, left : left + 64] |= mask
    validates, trains = ground
    assert validates.any() and trains.any()
    rows, columns = np.nonzero(validates)
    for row, column in list(zip(rows, columns))[::37]:
        around = trains[
            max(0, row - divided.gap) : row + divided.gap + 1,
            max(0, column - divided.gap) : column + divided.gap + 1,
        ]
        assert not around.any()


def test_views_show_what_lies_there(tmp_path: Path) -> None:
    """Whatever the zoom and the turn, bright pixels are labelled bright."""
    labels = np.kron(np.random.default_rng(1).integers(0, 2, (16, 16)), np.ones((16, 16))) + 1
    folder = tmp_path / "a"
    make_picture(folder / "images" / "x.png", np.stack([labels * 100] * 3).astype(np.uint8))
    make_picture(folder / "masks" / "x.png", labels.astype(np.uint8))
    found = data(folder, classes="dark, bright")
    divided = split(found.scenes, found.classes, 64, 0)
    views = draw_training(found.scenes, divided, divided.training, 30, 64, 0)
    zero, one = np.zeros((3, 1, 1)), np.ones((3, 1, 1))
    import torch

    for view in views:
        mean, std = torch.from_numpy(zero).float(), torch.from_numpy(one).float()
        pixels, seen = show(view, found.scenes, divided, 64, mean, std)
        dark, bright = (pixels[0][seen == number] for number in (0, 1))
        if len(dark) > 50 and len(bright) > 50:
            assert dark.median() < bright.median()


def paint(path: Path) -> None:
    """Give a mask colours, as label tools do."""
    dataset = gdal.Open(str(path), gdal.GA_Update)
    table = gdal.ColorTable()
    for value, color in ((0, (20, 0, 0)), (10, (20, 0, 128)), (20, (10, 128, 0))):
        table.SetColorEntry(value, color)
    dataset.GetRasterBand(1).SetColorTable(table)
    dataset.FlushCache()


def test_colours_of_masks_are_no_values(tmp_path: Path) -> None:
    plain = [scene.whole() for scene in data(chips(tmp_path / "a")).scenes]
    painted = chips(tmp_path / "b")
    for path in (painted / "labels").iterdir():
        paint(path)
    for ours, theirs in zip(data(painted).scenes, plain):
        assert (ours.whole() == theirs).all()


def test_background_among_the_classes_is_none(tmp_path: Path) -> None:
    folder = chips(tmp_path / "a")
    (folder / "esri_model_definition.emd").unlink()
    found = data(folder, classes="background, water, roof")
    assert found.classes == ("water", "roof") == tuple(found.words)
    assert set(np.unique(found.scenes[0].whole())) == {0, 1, NOTHING}


def test_what_is_odd_is_said(tmp_path: Path) -> None:
    """Values without a name, and files that map.txt names and are not there."""
    folder = chips(tmp_path / "a")
    labels = np.zeros((64, 64), np.uint8)
    labels[:5] = 77
    write(folder / "labels" / "000000003.tif", labels, 1096.0)
    with (folder / "map.txt").open("a") as file:
        file.write("images\\z.tif labels\\z.tif\n")
    missing, nameless = data(folder).warnings
    assert missing.endswith("names files that are missing: z.tif, z.tif: is the copy complete?")
    assert nameless.endswith(
        "no name is known for the values 77 (000000003.tif): they count neither way"
    )


def test_names_may_hold_what_stands_between_them(tmp_path: Path) -> None:
    raster = write(tmp_path / "a,x=y.tif", np.full((3, 64, 96), 9, np.uint8), 1000.0)
    labels = polygons(tmp_path / "l=1.gpkg", ["roof", "water"])
    assert data(f"{raster}={labels}").classes == ("roof", "water")


def test_polygons_without_a_coordinate_system_lie_in_that_of_the_raster(tmp_path: Path) -> None:
    raster = write(tmp_path / "r.tif", np.full((3, 64, 96), 9, np.uint8), 1000.0)
    whole = [
        data(f"{raster}={polygons(tmp_path / name, ['roof', 'water'], system)}").scenes[0].whole()
        for name, system in (("l.gpkg", 32618), ("nowhere.gpkg", 0))
    ]
    assert (whole[0] == whole[1]).all() and (whole[0] == 0).any()


def polygons(path: Path, names: list[str], system: int = 32618) -> Path:
    reference = osr.SpatialReference()
    if system:
        reference.ImportFromEPSG(system)
    source = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    layer = source.CreateLayer("labels", reference if system else None, ogr.wkbPolygon)
    layer.CreateField(ogr.FieldDefn("class", ogr.OFTString))
    for number, name in enumerate(names):
        feature = ogr.Feature(layer.GetLayerDefn())
        x = 1000 + 30 * number
        ring = f"{x} 4990,{x + 20} 4990,{x + 20} 4950,{x} 4950,{x} 4990"
        feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POLYGON(({ring}))"))
        feature.SetField("class", name)
        layer.CreateFeature(feature)
    return path


def test_polygons_and_folders_together(tmp_path: Path) -> None:
    raster = write(tmp_path / "r.tif", np.full((3, 64, 96), 9, np.uint8), 1000.0)
    labels = polygons(tmp_path / "l.gpkg", ["roof", "water", "other"])
    found = data(f"{raster}={labels}", chips(tmp_path / "a"))
    assert sorted(found.classes) == ["roof", "water"]
    roof, water = found.classes.index("roof"), found.classes.index("water")
    whole = found.scenes[0].whole()
    assert whole[20, 10] == roof and whole[20, 40] == water
    assert whole[20, 70] == NOTHING and whole[5, 5] == UNKNOWN


def no_masks(folder: Path) -> str:
    (folder / "a" / "labels" / "000000003.tif").unlink()
    return str(folder / "a")


def another_size(folder: Path) -> str:
    write(folder / "a" / "labels" / "000000003.tif", np.zeros((9, 9), np.uint8), 1000.0)
    return str(folder / "a")


def another_place(folder: Path) -> str:
    write(folder / "a" / "labels" / "000000003.tif", np.ones((64, 64), np.uint8), 1096.0, 3857)
    return str(folder / "a")


def outside(folder: Path) -> str:
    raster = write(folder / "r.tif", np.full((3, 64, 96), 9, np.uint8), 1000.0)
    return f"{raster}={polygons(folder / 'l.gpkg', ['roof', 'water'], 32619)}"


def nowhere(folder: Path) -> str:
    raster = write(folder / "r.tif", np.full((3, 64, 96), 9, np.uint8))
    return f"{raster}={polygons(folder / 'l.gpkg', ['roof', 'water'])}"


def points(folder: Path) -> str:
    raster = write(folder / "r.tif", np.full((3, 64, 96), 9, np.uint8), 1000.0)
    source = ogr.GetDriverByName("GPKG").CreateDataSource(str(folder / "p.gpkg"))
    layer = source.CreateLayer("labels", None, ogr.wkbPoint)
    layer.CreateField(ogr.FieldDefn("class", ogr.OFTString))
    for number, name in enumerate(("roof", "water")):
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POINT({1010 + number} 4990)"))
        feature.SetField("class", name)
        layer.CreateFeature(feature)
    return f"{raster}={folder / 'p.gpkg'}"


def colours(folder: Path) -> str:
    write(folder / "a" / "labels" / "000000003.tif", np.zeros((3, 64, 64), np.uint8), 1096.0)
    return str(folder / "a")


def another_field(folder: Path) -> str:
    raster = write(folder / "r.tif", np.full((3, 64, 96), 9, np.uint8), 1000.0)
    labels = polygons(folder / "l.gpkg", ["roof", "water"])
    source = gdal.OpenEx(str(labels), gdal.OF_VECTOR | gdal.OF_UPDATE)
    layer = source.GetLayer(0)
    layer.AlterFieldDefn(
        layer.GetLayerDefn().GetFieldIndex("class"),
        ogr.FieldDefn("kind_of_thing", ogr.OFTString),
        ogr.ALTER_NAME_FLAG,
    )
    return f"{raster}={labels}"


def unreadable(folder: Path) -> str:
    (folder / "a" / "images" / "000000003.tif").write_bytes(b"II*\0damaged")
    return str(folder / "a")


def unnamed(folder: Path) -> str:
    (folder / "a" / "esri_model_definition.emd").unlink()
    return str(folder / "a")


def bad_table(folder: Path) -> str:
    (folder / "a" / "esri_model_definition.emd").write_text("{")
    return str(folder / "a")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (no_masks, "1 images without a mask of their name: 000000003.tif"),
        (another_size, "000000003.tif: it has 64 by 64 pixels and its mask 9 by 9"),
        (another_place, "000000003.tif: it begins at 1096, 5000 in EPSG:32618 and its mask at"),
        (outside, "they lie at 669181.67 to 669231.53, "),
        (nowhere, "the raster, whose coordinate system is not known, at 0 to 96, 0 to 64"),
        (points, "p.gpkg holds no polygons"),
        (colours, "the mask 000000003.tif has 3 bands"),
        (another_field, "name it with --field; the fields are: kind_of_thing"),
        (lambda folder: f"{folder}/r.tif=", "names no labels behind the ="),
        (unreadable, "000000003.tif: "),
        (unnamed, "does not say what its pixel values 0, 10, 20 mean"),
        (bad_table, "should list the classes"),
        (lambda folder: str(folder), "no folder with images/ and labels/"),
        (lambda folder: f"{folder}/none.tif={folder}/none.shp", "none.shp cannot be opened"),
    ],
)
def test_bad_data_are_named(damage: Callable[[Path], str], message: str, tmp_path: Path) -> None:
    chips(tmp_path / "a")
    with pytest.raises(FinetuningError) as refused:
        data(damage(tmp_path))
    assert message in str(refused.value)


def test_classes_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(FinetuningError, match="name no road; they name: background, roof, water"):
        data(chips(tmp_path / "a"), classes="road, water")


@pytest.mark.parametrize(
    ("value", "classes", "messages"),
    [
        (0, "water, roof", ["no labelled pixel of any class"]),
        (77, "water, roof", ["no labelled pixel of any class"]),
        (10, "water, roof", ["no pixel is labelled roof", "every labelled pixel is water"]),
        (10, "water", ["every labelled pixel is water"]),
    ],
)
def test_too_few_labels_are_named(
    value: int, classes: str, messages: list[str], tmp_path: Path
) -> None:
    folder = chips(tmp_path / "a")
    for number, path in enumerate(sorted((folder / "labels").iterdir())):
        write(path, np.full((64, 64), value, np.uint8), 1000.0 + 32 * number)
    found = data(folder, classes=classes)
    with pytest.raises(FinetuningError) as refused:
        split(found.scenes, found.classes, 32, 0)
    for message in messages:
        assert message in str(refused.value)


def test_a_class_in_one_block_alone(tmp_path: Path) -> None:
    """Smaller blocks divide what one polygon labels; a speck of a class is said to be one."""
    raster = write(tmp_path / "r.tif", np.full((3, 320, 320), 9, np.uint8))
    labels = np.full((320, 320), 3, np.uint8)
    labels[:30, :30], labels[100:290, 40:290] = 1, 2
    source = f"{raster}={write(tmp_path / 'l.tif', labels)}"
    found = data(source, classes="shed, field")
    divided = split(found.scenes, found.classes, 64, 0)
    assert divided.side == 16 and "not" not in divided.to_text(found.classes).split("shed")[1]
    labels[:30, :30] = 3
    labels[:9, :9] = 1
    write(tmp_path / "l.tif", labels)
    found = data(source, classes="shed, field")
    text = split(found.scenes, found.classes, 64, 0).to_text(found.classes)
    assert "not validated: label some elsewhere" in text
