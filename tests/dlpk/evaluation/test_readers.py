"""Every layout as a miniature tree in its exact form; what is missing is said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal

from dlpk.cli.main import main
from dlpk.errors import TruthError
from dlpk.evaluation.dataset import Dataset
from dlpk.evaluation.measures.counts import IGNORED
from dlpk.evaluation.readers import READERS, read_dataset
from dlpk.evaluation.readers.folders import LAYOUTS
from tests.support.runs import make_picture

gdal.UseExceptions()


def image(path: Path, rows: int = 4, columns: int = 6) -> Path:
    return make_picture(path, np.full((3, rows, columns), 90, np.uint8))


def mask(path: Path, values: list[list[int]]) -> Path:
    return make_picture(path, np.array(values, np.uint8))


def truths(dataset: Dataset) -> list[list[list[int]]]:
    return [sample.truth().tolist() for sample in dataset.samples]


def first(value: object) -> str:
    return str(value[0] if isinstance(value, list) else value)


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_layouts_of_the_table(layout: str, tmp_path: Path) -> None:
    """Each with its folders, endings and values; classes in order, NoData unknown."""
    table = LAYOUTS[layout]
    given = {name: v[-1] if isinstance(v, list) else v for name, v in table["classes"].items()}
    values = list(given.values())
    images, masks = tmp_path / table["images"][0], tmp_path / table["masks"][0]
    image(images / f"a{first(table['image'])}", 1, len(values) + 1)
    end = first(table["mask"]) if layout != "wbs-si" else ".png"
    mask(masks / f"a{end}", [[*values, *(table["ignore"][:1] or values[:1])]])
    dataset = read_dataset(layout, tmp_path)
    assert [sample.name for sample in dataset.samples] == ["a"]
    assert "background" not in dataset.classes
    numbers = [dataset.classes.index(n) + 1 if n in dataset.classes else 0 for n in given]
    last = IGNORED if table["ignore"] else numbers[0]
    assert truths(dataset) == [[[*numbers, last]]]
    (masks / f"a{end}").unlink()
    with pytest.raises(TruthError, match=r"has no mask: .* holds no a"):
        read_dataset(layout, tmp_path)
    shutil.rmtree(masks)
    with pytest.raises(
        TruthError, match=rf"the folder of masks of {layout} is missing: .* is there"
    ):
        read_dataset(layout, tmp_path)
    shutil.rmtree(images)
    with pytest.raises(TruthError, match=rf"the folder of images of {layout} is missing"):
        read_dataset(layout, tmp_path)


def test_loveda_as_it_is_downloaded(tmp_path: Path) -> None:
    for part in ("Urban", "Rural"):
        image(tmp_path / f"Val/{part}/images_png/{part}.png")
        mask(tmp_path / f"Val/{part}/masks_png/{part}.png", [[0, 1, 2, 7]])
    dataset = read_dataset("loveda", tmp_path)
    assert [sample.name for sample in dataset.samples] == ["Urban", "Rural"]
    assert truths(dataset) == [[[255, 0, 1, 6]]] * 2


def test_plain_folders(tmp_path: Path) -> None:
    image(tmp_path / "images/x.jpg", 1, 4)
    mask(tmp_path / "masks/x.png", [[0, 1, 2, 255]])
    (tmp_path / "classes.txt").write_text("0\twater\n1\tland (unpaved area)\n255\tignore\n")
    dataset = read_dataset("folders", tmp_path)
    assert dataset.classes == ("water", "land")
    assert truths(dataset) == [[[1, 2, 0, 255]]]
    assert truths(read_dataset("folders", tmp_path, ignore="2,255")) == [[[1, 2, 255, 255]]]
    assert truths(read_dataset("folders", tmp_path, ignore=2)) == [[[1, 2, 255, 255]]]
    with pytest.raises(TruthError, match="ignore is 'abc'"):
        read_dataset("folders", tmp_path, ignore="abc")
    # Colours, as JSON or as three numbers and a name.
    make_picture(
        tmp_path / "masks/x.png", np.array([[[255, 0, 9]], [[0, 0, 9]], [[0, 255, 9]]], np.uint8)
    )
    image(tmp_path / "images/x.jpg", 1, 3)
    (tmp_path / "classes.json").write_text('{"red": "#ff0000", "other": [0, 0, 255]}')
    dataset = read_dataset("folders", tmp_path, classes="classes.json")
    assert truths(dataset) == [[[1, 0, 255]]]
    (tmp_path / "classes.txt").write_text("255 0 0 red\n0 0 255 blue\n")
    assert truths(read_dataset("folders", tmp_path)) == [[[1, 2, 255]]]
    (tmp_path / "classes.txt").write_text("red\n")
    with pytest.raises(TruthError, match="is not a value or a colour"):
        read_dataset("folders", tmp_path)
    (tmp_path / "classes.txt").write_text("\n")
    with pytest.raises(TruthError, match="names no class"):
        read_dataset("folders", tmp_path)


def test_arcgis_classified_tiles(tmp_path: Path) -> None:
    image(tmp_path / "images/000000000.tif", 1, 3)
    mask(tmp_path / "labels/000000000.tif", [[0, 3, 7]])
    emd = {"Classes": [{"Value": 3, "Name": "roof"}, {"Value": 7, "Name": "pool"}]}
    (tmp_path / "esri_model_definition.emd").write_text(json.dumps(emd))
    dataset = read_dataset("arcgis", tmp_path)
    assert dataset.classes == ("roof", "pool")
    assert truths(dataset) == [[[0, 1, 2]]]
    (tmp_path / "labels/000000000.tif").rename(tmp_path / "labels/a b.tif")
    (tmp_path / "map.txt").write_text("images\\000000000.tif\tlabels\\a b.tif\n")
    (tmp_path / "stats.txt").write_text("images = 7 *3*1*3\n")
    mapped = read_dataset("arcgis", tmp_path)
    assert truths(mapped) == [[[0, 1, 2]]] and "tells of 7 images, and 1" in mapped.about
    shutil.rmtree(tmp_path / "labels")
    (tmp_path / "labels/3").mkdir(parents=True)
    with pytest.raises(TruthError, match="export as Classified Tiles"):
        read_dataset("arcgis", tmp_path)
    (tmp_path / "esri_model_definition.emd").unlink()
    with pytest.raises(TruthError, match="model definition with the classes is missing"):
        read_dataset("arcgis", tmp_path)


def test_cloudsen12(tmp_path: Path) -> None:
    for name in ("images", "masks"):
        (tmp_path / "test" / name).mkdir(parents=True)
    np.savez(tmp_path / "test/images/p.npz", image=np.zeros((3, 1, 5), np.float32))
    np.savez(tmp_path / "test/masks/p.npz", mask=np.array([[0, 1, 2, 3, 99]], np.int64))
    dataset = read_dataset("cloudsen12", tmp_path)
    assert dataset.classes == ("clear", "thick cloud", "thin cloud", "cloud shadow")
    assert truths(dataset) == [[[1, 2, 3, 4, 255]]]
    np.savez(tmp_path / "test/masks/p.npz", label=np.zeros((1, 5)))
    with pytest.raises(TruthError, match="no array 'mask'; it has label"):
        read_dataset("cloudsen12", tmp_path).samples[0].truth()


def test_phrasecut(tmp_path: Path) -> None:
    image(tmp_path / "images/7.jpg", 4, 6)
    image(tmp_path / "images/150417.jpg")
    box = [[1, 1], [4, 1], [4, 3], [1, 3]]
    tasks = [
        {"task_id": "7__1", "image_id": 7, "phrase": "wooden boat", "Polygons": [[box]]},
        {"task_id": "x", "image_id": 150417, "phrase": "wrong size", "Polygons": [[box]]},
    ]
    (tmp_path / "refer_test.json").write_text(json.dumps(tasks))
    dataset = read_dataset("phrasecut", tmp_path, without=[150417])
    assert [(s.name, s.phrase) for s in dataset.samples] == [("7__1", "wooden boat")]
    truth = np.array(truths(dataset)[0])
    assert truth.shape == (4, 6)
    assert truth.sum() == 6
    assert (truth[1:3, 1:4] == 1).all()
    with pytest.raises(TruthError, match=r"list of phrases is missing: .*refer_val.json"):
        read_dataset("phrasecut", tmp_path, split="val")


def voc(root: Path) -> None:
    image(root / "JPEGImages/a.jpg", 1, 4)
    mask(root / "SegmentationClassAug/a.png", [[0, 3, 8, 255]])
    (root / "ImageSets/Segmentation").mkdir(parents=True)
    (root / "ImageSets/Segmentation/val.txt").write_text("a\n")


def test_pascal(tmp_path: Path) -> None:
    voc(tmp_path)
    fold = read_dataset("pascal5i", tmp_path, fold=1)
    assert [(s.phrase, s.label) for s in fold.samples] == [("cat", "cat")]
    assert truths(fold) == [[[0, 0, 1, 255]]]
    assert [(s.phrase, s.part) for s in read_dataset("pascal5i", tmp_path).samples] == [
        ("bird", "fold 0"),
        ("cat", "fold 1"),
    ]
    assert not read_dataset("pascal5i", tmp_path, least=2).samples
    every = read_dataset("pascal-zeroshot", tmp_path, unseen=4)
    assert every.unseen == ("cow", "motorbike", "aeroplane", "sofa")
    assert len(every.classes) == 20
    assert truths(every) == [[[0, 3, 8, 255]]]
    with pytest.raises(TruthError, match="folds 0 to 3"):
        read_dataset("pascal5i", tmp_path, fold=4)
    with pytest.raises(TruthError, match="0 images besides a show bird"):
        read_dataset("pascal5i", tmp_path, shots=1)
    image(tmp_path / "JPEGImages/b.jpg", 1, 4)
    mask(tmp_path / "SegmentationClassAug/b.png", [[3, 3, 8, 1]])
    (tmp_path / "ImageSets/Segmentation/val.txt").write_text("a\nb\n")
    with pytest.raises(TruthError, match="0 images besides b show aeroplane"):
        read_dataset("pascal5i", tmp_path, shots=1)
    shown = read_dataset("pascal5i", tmp_path, fold=1, shots=1)
    assert [s.support[0].image.stem for s in shown.samples] == ["b", "a"]
    assert [s.support[0].truth().tolist() for s in shown.samples] == [
        [[0, 0, 1, 0]],
        [[0, 0, 1, 255]],
    ]
    with pytest.raises(TruthError, match="unseen is 5"):
        read_dataset("pascal-zeroshot", tmp_path, unseen=5)
    with pytest.raises(TruthError, match="has no option shot; it has fold, names, least, shots"):
        read_dataset("pascal5i", tmp_path, shot=1)


def test_coco(tmp_path: Path) -> None:
    image(tmp_path / "val2014/COCO_1.jpg", 1, 3)
    mask(tmp_path / "annotations/val2014/COCO_1.png", [[0, 2, 6]])
    (tmp_path / "splits/val").mkdir(parents=True)
    (tmp_path / "splits/val/fold1.txt").write_text("COCO_1.png\n")
    dataset = read_dataset("coco20i", tmp_path, fold=1)
    # Class numbers 1 and 5 are both of fold 1.
    assert [s.label for s in dataset.samples] == ["bicycle", "bus"]
    assert truths(dataset) == [[[0, 1, 0]], [[0, 0, 1]]]
    # Without a list every mask counts.
    assert not read_dataset("coco20i", tmp_path, fold=0).samples


def test_refmatte(tmp_path: Path) -> None:
    for entity in ("a_0", "a_1"):
        image(tmp_path / f"image_all/{entity}.jpg", 1, 3)
        mask(tmp_path / f"mask/{entity}.png", [[0, 51, 255]])
    words = {"image_name": "a", "expressions": ["left one", "the dog"], "keyword": "dog"}
    labels = {"a_0": words, "a_1": {**words, "image_name": "b"}}
    (tmp_path / "refmatte_rw100_label.json").write_text(json.dumps(labels))
    dataset = read_dataset("refmatte", tmp_path)
    assert [(s.group, s.entity, s.phrase) for s in dataset.samples][:2] == [
        ("a", "a_0", "left one"),
        ("a", "a_0", "the dog"),
    ]
    np.testing.assert_allclose(dataset.samples[0].truth(), [[0, 0.2, 1]], rtol=1e-6)
    (tmp_path / "eval_index_expression.json").write_text(json.dumps({"a": 1, "b": 0}))
    chosen = read_dataset("refmatte", tmp_path)
    assert [s.phrase for s in chosen.samples] == ["the dog", "left one"]
    assert [s.phrase for s in read_dataset("refmatte", tmp_path, setting="keyword").samples] == [
        "dog",
        "dog",
    ]


def test_medical(tmp_path: Path) -> None:
    image(tmp_path / "images/p.png", 1, 4)
    mask(tmp_path / "masks/p.png", [[0, 3, 200, 255]])
    (tmp_path / "anns").mkdir()
    prompts = {"p0": "", "p1": ["a polyp", "polyps"]}
    entry = {"img_name": "p.png", "mask_name": "p.png", "prompts": prompts}
    (tmp_path / "anns/test.json").write_text(json.dumps([entry]))
    dataset = read_dataset("medical", tmp_path, prompt="p1")
    assert dataset.samples[0].phrase == "a polyp"
    assert truths(dataset) == [[[0, 0, 1, 1]]]
    assert read_dataset("medical", tmp_path, fallback="lesion").samples[0].phrase == "lesion"
    (tmp_path / "anns/test.json").write_text('[{"name": 1}]')
    with pytest.raises(TruthError, match="not laid out as medical is: KeyError 'img_name'"):
        read_dataset("medical", tmp_path)


def test_wrong_paths_are_said(tmp_path: Path) -> None:
    with pytest.raises(TruthError, match="layout 'ade' is not known; known are loveda"):
        read_dataset("ade", tmp_path)
    with pytest.raises(TruthError, match="is not a folder"):
        read_dataset("loveda", tmp_path / "gone")
    assert set(LAYOUTS) < set(READERS)


@pytest.mark.parametrize("layout", sorted(READERS))
def test_an_empty_folder_is_named_by_every_reader(
    layout: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line of the command: what is missing, and where."""
    package = tmp_path / "package.dlpk"
    empty = tmp_path / "empty"
    empty.mkdir()
    assert main(["evaluate", str(package), str(empty), "--layout", layout]) == 1
    said = capsys.readouterr().err.strip()
    assert "\n" not in said and str(empty) in said
    assert "is missing" in said or "holds 0 files" in said
    assert main(["evaluate", str(package), str(tmp_path / "gone"), "--layout", layout]) == 1
    assert "is not a folder" in capsys.readouterr().err
