"""Teaching a package from labels: the miniature something that it does not know."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal

from builder import build
from builder.scratch import one_at_a_time
from dlpk.classification.api import classify
from dlpk.errors import FinetuningError
from dlpk.finetuning.api import choose_method, finetune
from dlpk.testing.golden_test import golden_test
from dlpk.validation.validate import validate
from tests.support.runs import make_raster
from tests.support.tiny_clipseg import settings, write_folder

SIDE = 288
NAME = "solar park"


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
    bands = {"return_probability_raster": "True"}
    rasters = []
    for package, prompt in ((parent, "water, roof"), (out, "water, roof"), (out, "odd thing")):
        target = tmp_path / f"{len(rasters)}.tif"
        classify(package, raster, target, prompt=prompt, arguments=bands, device="cpu")
        rasters.append(gdal.Open(str(target)).ReadAsArray())
    assert (rasters[0][0] == rasters[1][0]).all()
    assert np.isfinite(rasters[2]).all()


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
