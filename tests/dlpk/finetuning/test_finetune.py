"""Teaching a package from labels: the miniature something that it does not know."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from osgeo import gdal

from builder import build
from builder.scratch import one_at_a_time
from dlpk.classification.api import classify
from dlpk.errors import FinetuningError
from dlpk.finetuning.api import choose_method, finetune
from dlpk.finetuning.learning.choice import Choice
from dlpk.finetuning.learning.learner import RECIPES
from dlpk.finetuning.package import write_package
from dlpk.package.open import open_package
from dlpk.testing.golden_test import golden_test
from dlpk.validation.validate import validate
from model_extension.clipseg.contract.definition import read_definition
from model_extension.clipseg.inference.segmenter import Segmenter
from model_extension.clipseg.language.plan import Concept
from tests.support.runs import make_raster
from tests.support.segmenting import noise, whole
from tests.support.tiny_clipseg import settings, write_folder

SIDE = 288
NAME = "solar park"
CLASSES = "roof, odd thing"
BANDS = {"return_probability_raster": "True"}
CPU = torch.device("cpu")


class Killed(BaseException):
    """What nobody catches."""


@pytest.fixture(scope="module")
def parks(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A part of the demo scene with striped parks in it, and a raster that says where."""
    folder = tmp_path_factory.mktemp("parks")
    pixels = gdal.Open("demo/scene.tif").ReadAsArray(240, 240, SIDE, SIDE)
    labels = np.zeros((1, SIDE, SIDE), np.uint8)
    random = np.random.default_rng(3)
    stripes = np.array([[60, 70, 160], [150, 140, 190]], np.uint8)
    for row in range(0, SIDE, 48):
        for column in range(0, SIDE, 48):
            height, width = random.integers(20, 36, 2)
            if random.random() < 0.7:
                part = (slice(row + 6, row + 6 + height), slice(column + 6, column + 6 + width))
                pattern = stripes[np.indices((height, width))[0] // 3 % 2]
                pixels[(slice(None), *part)] = np.moveaxis(pattern, -1, 0)
                labels[(0, *part)] = 1
    return (
        f"{make_raster(folder / 'scene.tif', pixels)}={make_raster(folder / 'labels.tif', labels)}"
    )


def test_a_new_concept_is_learnt_and_the_package_runs(
    mini: Path, parks: str, tmp_path: Path
) -> None:
    out = tmp_path / "parks.dlpk"

    def teach(word: str) -> object:
        def say(line: str) -> None:
            if word and line.startswith(word):
                raise Killed

        return finetune(
            mini, [parks], out, method="decoder", classes=NAME, steps=80, device="cpu", say=say
        )

    for word in ("encoded 64", "step   16"):  # killed on the way, it goes on
        with pytest.raises(Killed):
            teach(word)
    working = tmp_path / "parks.finetuning"
    with one_at_a_time(working), pytest.raises(FinetuningError, match="another command is at work"):
        teach("")
    result = teach("")
    assert result.before[0] < 0.2 and result.after[0] > 0.5, result.to_text()
    assert validate(out).ok
    assert golden_test(out, device="cpu").status == "passed"
    raster, labels = parks.split("=")
    classify(out, raster, tmp_path / "found.tif", prompt=NAME, device="cpu")
    found = gdal.Open(str(tmp_path / "found.tif")).ReadAsArray() == 1
    truth = gdal.Open(labels).ReadAsArray() == 1
    assert (found & truth).sum() / (found | truth).sum() > 0.5
    with zipfile.ZipFile(out) as archive:
        lineage = json.loads(archive.read("manifest.json"))["lineage"]
        assert set(lineage) == {"parent", "data", "settings", "split", "validation_iou"}
        for name in ("loss_graph.png", "show_results.png"):
            assert archive.read(f"ModelCharacteristics/{name}").startswith(b"\x89PNG")
    assert not list(tmp_path.glob("*.finetuning"))


@pytest.mark.parametrize("frozen", [None, "water, roof"])
def test_learnt_prompts_leave_all_others_as_they_were(frozen: str | None, tmp_path: Path) -> None:
    weights = write_folder(tmp_path / "weights", settings())
    parent = build(tmp_path / "p.dlpk", weights=str(weights), freeze_prompts=frozen).path
    random = np.random.default_rng(0)
    pixels = random.integers(0, 255, (3, 96, 96)).astype(np.uint8)
    labels = (np.indices((96, 96))[:1] // 24 % 2 + 1).astype(np.uint8)
    raster = make_raster(tmp_path / "a.tif", pixels)
    data = [f"{raster}={make_raster(tmp_path / 'b.tif', labels)}"]
    out, again = tmp_path / "q.dlpk", tmp_path / "again.dlpk"
    more = {"classes": "roof, odd thing = water", "steps": 4, "device": "cpu"}
    result = finetune(parent, data, out, method="prompts", ladder=True, **more)
    repeated = finetune(parent, data, again, method="prompts", ladder=True, **more)
    assert result.sha256 == repeated.sha256
    assert result.ladder[0][0] == 2
    assert result.replaced == (("roof",) if frozen else ())
    assert "all other prompts give what they gave" in result.to_text()
    with zipfile.ZipFile(parent) as old, zipfile.ZipFile(out) as new:
        assert old.read("model.safetensors") == new.read("model.safetensors")
    rasters = []
    for package, prompt in ((parent, "water, roof"), (out, "water, roof"), (out, "odd thing")):
        target = tmp_path / f"{len(rasters)}.tif"
        classify(package, raster, target, prompt=prompt, arguments=BANDS, device="cpu")
        rasters.append(gdal.Open(str(target)).ReadAsArray())
    assert (rasters[0][0] == rasters[1][0]).all()
    assert np.isfinite(rasters[2]).all()


def write_rows(package: Path, out: Path, embeddings: torch.Tensor) -> None:
    """A package that has learnt two prompts."""
    with open_package(package) as opened:
        write_package(
            opened,
            out,
            classes=CLASSES.split(", "),
            embeddings=embeddings,
            network=None,
            choice=Choice(0.4, (1.0, 1.0), 0.0, 0.0),
            lineage={},
            draw=lambda folder: None,
        )


@pytest.mark.parametrize("frozen", [None, "water, roof"])
def test_the_best_embedding_of_a_learnt_prompt_counts(frozen: str | None, tmp_path: Path) -> None:
    weights = write_folder(tmp_path / "weights", settings())
    parent = build(tmp_path / "p.dlpk", weights=str(weights), freeze_prompts=frozen).path
    raster = make_raster(tmp_path / "a.tif", noise(64, 64))
    rows = 3 * torch.randn(2, 3, 24, generator=torch.Generator().manual_seed(0))

    def teach(package: Path, name: str, embeddings: torch.Tensor) -> np.ndarray:
        out, target = tmp_path / f"{name}.dlpk", tmp_path / f"{name}.tif"
        write_rows(package, out, embeddings)
        assert validate(out).ok
        assert golden_test(out, device="cpu").status == "passed"
        classify(out, raster, target, arguments=BANDS, device="cpu")
        return np.asarray(gdal.Open(str(target)).ReadAsArray())

    def listed(name: str, key: str) -> list[str] | None:
        with open_package(tmp_path / f"{name}.dlpk") as package:
            found: list[str] | None = package.emd["CLIPSeg"].get(key)
            return found

    each = [teach(parent, str(number), rows[:, number : number + 1]) for number in range(3)]
    assert listed("0", "LearnedPrompts") == ["roof", "odd thing"]
    assert np.allclose(teach(parent, "all", rows), np.max(each, axis=0), atol=1e-5)
    assert listed("all", "LearnedPrompts") == ["roof"] * 3 + ["odd thing"] * 3
    assert listed("all", "PromptNames") == (["water", "roof", "odd thing"] if frozen else None)
    again = teach(tmp_path / "all.dlpk", "again", rows[:, :1].expand(-1, 3, -1))
    assert listed("again", "LearnedPrompts") == ["roof", "odd thing"]  # equal ones are one
    assert np.allclose(again, each[0], atol=1e-5)
    with open_package(tmp_path / "all.dlpk") as package:
        segmenter = Segmenter(read_definition(str(package.emd_path), str(package.root)), CPU)
        segmenter.look_for([Concept(("roof", "water")), Concept(("water",))])
        assert segmenter._counts == [4, 1]
        plain = whole(segmenter, noise(32, 32))
        segmenter.look_for([Concept(("roof", "water"))], presence_threshold=1.0)
        gated = whole(segmenter, noise(32, 32))
        assert (plain[0] >= plain[1]).all() and (plain[0] > plain[1]).any()
        assert (gated[0] <= plain[0] + 1e-6).all() and (gated == 0).any()


def test_taught_again_a_prompt_starts_from_all_its_embeddings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RECIPES, "prompts", replace(RECIPES["prompts"], prompt_rate=0.0))
    weights = write_folder(tmp_path / "weights", settings())
    parent = build(tmp_path / "p.dlpk", weights=str(weights)).path
    labels = (np.indices((96, 96))[:1] // 24 % 2 + 1).astype(np.uint8)
    raster = make_raster(tmp_path / "a.tif", noise(96, 96))
    data = [f"{raster}={make_raster(tmp_path / 'b.tif', labels)}"]
    rasters = []
    for name, package in ("once", parent), ("again", tmp_path / "once.dlpk"):
        out, target = tmp_path / f"{name}.dlpk", tmp_path / f"{name}.tif"
        if name == "once":
            rows = 3 * torch.randn(2, 3, 24, generator=torch.Generator().manual_seed(0))
            write_rows(package, out, rows)
        else:
            finetune(package, data, out, method="prompts", classes=CLASSES, steps=2, device="cpu")
        classify(out, raster, target, arguments=BANDS, device="cpu")
        rasters.append(gdal.Open(str(target)).ReadAsArray())
    assert (rasters[0] == rasters[1]).all()


def test_what_has_no_words_starts_from_examples(tmp_path: Path) -> None:
    """Examples of the training blocks; the paper's recipe mixes them in."""
    weights = write_folder(tmp_path / "weights", settings())
    frozen = build(tmp_path / "p.dlpk", weights=str(weights), freeze_prompts="water, roof").path
    random = np.random.default_rng(0)
    pixels = random.integers(0, 255, (3, 96, 96)).astype(np.uint8)
    labels = (np.indices((96, 96))[:1] // 24 % 2 + 1).astype(np.uint8)
    data = [f"{make_raster(tmp_path / 'a.tif', pixels)}={make_raster(tmp_path / 'b.tif', labels)}"]
    options = {"classes": "roof, odd thing", "method": "decoder", "device": "cpu", "steps": 4}

    def begin(**more: str) -> list[str]:
        said: list[str] = []

        def say(line: str) -> None:
            said.append(line)
            if line.startswith("step    4"):
                raise Killed

        with pytest.raises(Killed):
            finetune(frozen, data, tmp_path / "q.dlpk", say=say, **options, **more)
        return [line for line in said if "starts from" in line]

    assert begin() == ["odd thing starts from examples"]
    assert begin(start="both", preset="paper") == [
        "roof starts from words and examples",
        "odd thing starts from examples",
    ]
    with pytest.raises(FinetuningError, match="the start is 'zero'; it must be one of words,"):
        begin(start="zero")
    with pytest.raises(FinetuningError, match="the preset is 'mine'"):
        begin(preset="mine")


def test_the_method_fits_the_number_of_labels() -> None:
    assert choose_method("auto", 3, "cpu")[0] == "prompts"
    assert choose_method("auto", 20, "cpu")[0] == "decoder"
    with pytest.raises(FinetuningError, match="auto or prompts, decoder, lora"):
        choose_method("all", 3, "cpu")
