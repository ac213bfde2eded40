"""A package over datasets: classes, phrases, mattes, protocols, figures into the package."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

import dlpk
from dlpk.cli.main import main
from dlpk.errors import TruthError
from dlpk.evaluation.dataset import Dataset, Sample
from dlpk.evaluation.packages import Method, evaluate_package
from dlpk.evaluation.protocols import PROTOCOLS, protocol
from dlpk.evaluation.readers import READERS
from tests.support.built_packages import package, pristine
from tests.support.runs import make_picture

__all__ = ["package", "pristine"]


def scene(path: Path, seed: int) -> Path:
    generator = np.random.default_rng(seed)
    return make_picture(path, generator.integers(0, 256, (3, 40, 48)).astype(np.uint8))


def test_classes_as_the_package_decides(package: Path, tmp_path: Path) -> None:
    """Truth made by the package itself agrees wholly; one that is turned does not."""
    prompt = '"water" = "water"|"sea", "trees" = "trees"'
    samples = []
    for seed in range(2):
        image = scene(tmp_path / f"{seed}.tif", seed)
        out = tmp_path / f"found{seed}.tif"
        dlpk.classify(package, image, out, prompt=prompt, arguments={"threshold": "0.45"})
        from osgeo import gdal

        found = gdal.Open(str(out)).ReadAsArray()
        samples.append(Sample(f"s{seed}", image, lambda found=found: found.copy(), group="g"))
    dataset = Dataset("made", "classes", ("water", "trees"), tuple(samples))
    method = Method(words={"water": ["water", "sea"]}, arguments={"threshold": "0.45"})
    assert method.prompt(dataset.classes) == prompt
    result = evaluate_package(package, dataset, method)
    assert result.summary()["accuracy"] == 1
    assert result.matrix.sum() == 2 * 40 * 48
    assert result.groups == ("g", "g")
    assert len(result.about["SHA-256 of the package"]) == 64
    turned = [Sample(s.name, s.image, lambda s=s: 2 - s.truth().clip(0, 2)) for s in samples]
    worse = evaluate_package(
        package, Dataset("made", "classes", dataset.classes, tuple(turned)), method
    )
    assert worse.summary()["accuracy"] < 1


def test_thresholds_fallback_and_sizes(package: Path, tmp_path: Path) -> None:
    image = scene(tmp_path / "a.tif", 0)
    truth = np.ones((40, 48), np.uint8)
    dataset = Dataset("made", "classes", ("a", "b"), (Sample("a", image, lambda: truth),))
    every = evaluate_package(package, dataset, Method(threshold=0.0, combine="maximum"))
    assert every.matrix[1, 0] == 0
    none = evaluate_package(package, dataset, Method(threshold=1.0, square=32))
    assert none.matrix[1].tolist() == [40 * 48, 0, 0]  # found nothing, at the size of the truth
    fallback = evaluate_package(package, dataset, Method(threshold=1.0, fallback="b"))
    assert fallback.matrix[1].tolist() == [0, 0, 40 * 48]
    assert fallback.per_class()[1]["ap"] == 1
    # A background word that counts a thousand times leaves nothing for the classes.
    rival = Method(
        threshold=0.0, forced=True, background_words=("c", "d"), background_strength=1000.0
    )
    assert evaluate_package(package, dataset, rival).matrix[1, 0] == 40 * 48
    soft = Method(threshold=0.3, scores="softmax", combine="maximum", words={"a": ["a", "e"]})
    result = evaluate_package(package, dataset, soft)
    assert result.about["scores"] == "softmax"
    assert result.probabilities is not None
    with pytest.raises(TruthError, match="has no class roof; it has a, b"):
        evaluate_package(package, dataset, Method(words={"roof": ["c"]}))


def test_choices_of_a_method_are_checked() -> None:
    changed = Method().changed(
        {"combine": "maximum", "templates": "imagenet", "threshold": "0.2", "forced": "true",
         "long_side": "448", "background_words": "clutter|sky"}
    )  # fmt: skip
    assert (changed.threshold, changed.forced, changed.long_side) == (0.2, True, 448)
    assert len(changed.templates) == len(set(changed.templates)) == 80
    assert changed.background_words == ("clutter", "sky")
    for given, message in (
        ({"combine": "median"}, "combine is 'median'"),
        ({"size": "3"}, "there is no choice 'size'"),
        ({"square": "x"}, "square=x cannot be read"),
        ({"templates": "imagenets"}, "templates=imagenets cannot be read: it must be imagenet"),
        ({"forced": "yes"}, "it must be true or false"),
        ({"scores": "softmax"}, "needs a threshold"),
        ({"background_words": "sky"}, "need a threshold"),
        ({"threshold": "nan"}, "threshold is nan; it must be from 0 to 1"),
        ({"square": "-3"}, "square is -3; it must be from 1 to"),
        ({"long_side": "100000000"}, "it must be from 1 to 32,768"),
        ({"boundary": "-1"}, "from 0 to 50 pixels"),
    ):
        with pytest.raises(TruthError, match=message):
            Method().changed(given)


def test_the_softmax_is_that_of_logits() -> None:
    from dlpk.evaluation.runner import _softmax

    logits = np.array([[-1.0, 3.0], [0.5, -2.0], [2.0, 0.0]])
    wanted = np.exp(logits) / np.exp(logits).sum(0)
    np.testing.assert_allclose(_softmax(1 / (1 + np.exp(-logits))), wanted, rtol=1e-5)


def test_seen_and_unseen(package: Path, tmp_path: Path) -> None:
    """By hand: IoU of background 1/2, a 1/4, b 1; unseen b."""
    image = scene(tmp_path / "a.tif", 0)
    truth = np.ones((40, 48), np.uint8)
    dataset = Dataset("m", "classes", ("a", "b"), (Sample("a", image, lambda: truth),), ("b",))
    result = evaluate_package(package, dataset, Method(threshold=1.0))
    assert result.measures["mIoU seen"] == 0 and np.isnan(result.measures["mIoU unseen"])
    from dlpk.evaluation.totals import Totals

    totals = Totals(dataset, Method())
    totals.matrices = [np.array([[2, 1, 0], [1, 1, 0], [0, 1, 0]]), np.diag([0, 0, 4])]
    found = totals._seen_and_unseen()
    seen, unseen = (2 / 4 + 1 / 4) / 2, 4 / 5
    assert found["mIoU seen"] == pytest.approx(seen)
    assert found["mIoU unseen"] == pytest.approx(unseen)
    harmonic = found["harmonic mean of seen and unseen"]
    assert harmonic == pytest.approx(2 * seen * unseen / (seen + unseen))
    assert found["mIoU overall"] == pytest.approx((2 / 4 + 1 / 4 + 4 / 5) / 3)


def test_one_shot(package: Path, tmp_path: Path) -> None:
    """A support image asks what the same image given as image prompt asks; folds are averaged."""
    from osgeo import gdal

    image, shown = scene(tmp_path / "a.png", 0), scene(tmp_path / "b.png", 1)
    mask = np.zeros((40, 48), np.uint8)
    mask[5:20, 8:30] = 1
    make_picture(tmp_path / "m.png", mask * 255)
    out = tmp_path / "found.tif"
    arguments = {"image_prompt": f"x = {shown}[{tmp_path / 'm.png'}]", "threshold": "0.45"}
    dlpk.classify(package, image, out, arguments=arguments)
    truth = gdal.Open(str(out)).ReadAsArray()
    support = (Sample("", shown, lambda: mask),)
    samples = [
        Sample(f"s{i}", image, lambda t=t: t, "thing", "thing", part=f"fold {i}", support=support)
        for i, t in enumerate((truth, 1 - truth))
    ]
    dataset = Dataset("m", "phrases", (), tuple(samples))
    result = evaluate_package(package, dataset, Method(threshold=0.45, prompts="image"))
    assert result.matrices[0][0, 1] == result.matrices[0][1, 0] == 0
    assert result.matrices[1][0, 0] == result.matrices[1][1, 1] == 0
    name = "mIoU (by class), paper, t=0.45"
    folds = [result.measures[f"{name}, fold {i}"] for i in range(2)]
    assert result.measures[name] == pytest.approx(np.mean(folds))
    assert "mIoU (by class), paper, best t of the other parts" in result.measures
    mixed = evaluate_package(package, dataset, Method(threshold=0.45, prompts="both"))
    assert mixed.about["shown by"] == "both"
    bare = Dataset("m", "phrases", (), (Sample("s", image, lambda: truth, "thing"),))
    with pytest.raises(TruthError, match="has no support images"):
        evaluate_package(package, bare, Method(threshold=0.3, prompts="image"))


def test_phrases_and_mattes(package: Path, tmp_path: Path) -> None:
    image = scene(tmp_path / "a.tif", 0)
    truth = np.zeros((40, 48), np.uint8)
    truth[:20] = 1
    samples = tuple(
        Sample(phrase, image, lambda: truth, phrase, label) for phrase, label in ("ax", "by")
    )
    result = evaluate_package(package, Dataset("p", "phrases", (), samples), Method(threshold=0.3))
    assert any(name.startswith("mIoU (by class), paper, t=0.3") for name in result.measures)
    dice = result.measures["Dice, mean of images (both empty: 1)"]
    assert dice == pytest.approx(
        np.mean([2 * m[1, 1] / (m[1].sum() + m[:, 1].sum()) for m in result.matrices])
    )
    mattes = tuple(
        Sample(s.name, image, lambda: truth.astype(np.float32), s.phrase, group="i", entity=s.name)
        for s in samples
    )
    result = evaluate_package(package, Dataset("m", "mattes", (), mattes), Method())
    mad = {name: value for name, value in result.measures.items() if name.startswith("MAD")}
    assert len(mad) == 3
    assert mad["MAD (alpha 0 to 1), by image"] == pytest.approx(
        mad["MAD (alpha 0 to 1), by expression"]
    )


def test_protocols_name_readers_and_fix_everything() -> None:
    for name in PROTOCOLS:
        chosen = protocol(name)
        assert chosen.layout in READERS
        assert all(len(row) == 3 for row in chosen.published)
        assert chosen.method.threshold is not None
        assert name in chosen.to_text()
    with pytest.raises(
        TruthError, match=r"protocol 'mine' is not known; known are segearth-loveda"
    ):
        protocol("mine")


def test_protocol_from_the_command_into_a_package(
    package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "LoveDA"
    for seed in range(2):
        scene(root / f"img_dir/val/{seed}.png", seed)
        labels = np.random.default_rng(seed).integers(0, 8, (40, 48)).astype(np.uint8)
        make_picture(root / f"ann_dir/val/{seed}.png", labels)
    out = tmp_path / "measured.dlpk"
    words = ["evaluate", str(package), str(root), "--protocol", "segearth-loveda", "-q"]
    small = ["--arg", "tile_size=32", "--arg", "padding=8", "--method", "long_side=48"]
    assert main([*words, *small, "--into", str(out)]) == 0
    said = capsys.readouterr().out
    assert "building: building, roof, house" in said
    assert "SegEarth-OV: mIoU 36.9" in said
    assert "this package: miou_with_background 0." in said
    assert "changed: long_side=48, tile_size=32, padding=8" in said
    assert "sentences  80 sentences, from 'a bad photo of a {}.'" in said
    assert "differs    words and thresholds were chosen on the test split" in said
    assert not list(dlpk.validate(out))
    with zipfile.ZipFile(out) as archive:
        (emd,) = (name for name in archive.namelist() if name.endswith(".emd"))
        definition = json.loads(archive.read(emd))
        assert 0 <= definition["mIoU"] < 1
        assert b"<table>" in archive.read("model_metrics.html")
        assert json.loads(archive.read("ModelCharacteristics/accuracy.json"))["unit"] == "scenes"
    more = ["--method", "scores=softmax", "--threshold", "0.5", "--words", "road=path|street"]
    more += ["--method", "templates={}"]
    assert main([*words, *small, *more]) == 0
    said = capsys.readouterr().out
    assert "scores=softmax, threshold=0.5" in said and "'road': ['path', 'street']" in said
    assert main([*words[:3], "--into", str(out)]) == 2
    for idle in (["--outside", "background"], ["--layout", "loveda"], ["--by", "x"]):
        assert main([*words, *idle]) == 2
    assert "--by has no effect on a package over a dataset" in capsys.readouterr().err
    assert main([*words[:3], "--words", "water=sea", "-q"]) == 2
    assert "needs --layout or --protocol" in capsys.readouterr().err
    words = [
        "evaluate",
        str(package),
        str(root),
        "--layout",
        "loveda",
        "--words",
        "water=sea",
        "-q",
    ]
    assert main([*words, *small]) == 0
    assert "water: sea" in capsys.readouterr().out
