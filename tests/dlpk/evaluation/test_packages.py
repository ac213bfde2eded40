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
from tests.dlpk.evaluation.test_readers import write
from tests.support.built_packages import package, pristine

__all__ = ["package", "pristine"]


def scene(path: Path, seed: int) -> Path:
    generator = np.random.default_rng(seed)
    return write(path, generator.integers(0, 256, (3, 40, 48)).astype(np.uint8))


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
    with pytest.raises(TruthError, match="combine is 'median'"):
        evaluate_package(package, dataset, Method(combine="median"))


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
        write(root / f"ann_dir/val/{seed}.png", labels)
    out = tmp_path / "measured.dlpk"
    words = ["evaluate", str(package), str(root), "--protocol", "segearth-loveda", "-q"]
    small = ["--arg", "tile_size=32", "--arg", "padding=8"]
    assert main([*words, *small, "--into", str(out)]) == 0
    said = capsys.readouterr().out
    assert "building: building, roof, house" in said
    assert "SegEarth-OV: mIoU 36.9" in said
    assert "this package: miou_with_background 0." in said
    assert "changed: tile_size=32, padding=8" in said
    assert not list(dlpk.validate(out))
    with zipfile.ZipFile(out) as archive:
        (emd,) = (name for name in archive.namelist() if name.endswith(".emd"))
        definition = json.loads(archive.read(emd))
        assert 0 <= definition["mIoU"] < 1
        assert b"<table>" in archive.read("model_metrics.html")
        assert json.loads(archive.read("ModelCharacteristics/accuracy.json"))["unit"] == "scenes"
    assert main([*words[:3], "--into", str(out)]) == 2
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
    assert '"water" = "sea"' in capsys.readouterr().out
