"""The raster function's prompts and vocabularies, and several packages in one process."""

from __future__ import annotations

import json
import os
import shutil
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.raster_calls import SCALARS, function, noise, same, update
from tests.support.tiny_clipseg import load_function, write_package


@pytest.fixture(scope="module")
def frozen(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("package") / "frozen"
    return write_package(target, weights, freeze_prompts="Water, solar panel, trees")


# -- prompts ---------------------------------------------------------------------------------------

LONG = "a" * 90  # one token per letter in the tiny vocabulary


def test_a_truncated_prompt_is_reported(emd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    message = r"the prompt 'a+'… has 92 tokens and the model reads 77: its last 15 have no effect"
    instance = function(emd, text_prompt=f"water, {LONG}")
    with pytest.warns(UserWarning, match=message):
        first = update(instance, noise(3, 32, 32))
    assert same(update(instance, noise(3, 32, 32)), first)  # and not again for every block
    told: list[str] = []
    arcpy = types.SimpleNamespace(AddWarning=told.append)
    monkeypatch.setitem(sys.modules, "arcpy", arcpy)
    update(function(emd, text_prompt=f"water, {LONG}"), noise(3, 32, 32))
    assert len(told) == 1
    assert "92 tokens" in told[0]


@pytest.mark.parametrize(
    ("scalars", "message"),
    [
        ({"text_prompt": ""}, "text_prompt is empty"),
        ({"text_prompt": " , ,"}, "text_prompt is empty"),
        ({"text_prompt": ",".join(map(str, range(300)))}, "holds 300 prompts, at most 200"),
        ({"text_prompt": "x" * 10_000}, "10,000 characters, at most 1,000"),
        ({"threshold": "nan"}, "threshold is 'nan'"),
        ({"padding": "16"}, "padding is 16; it must be from 0 to 15"),
        ({"tile_size": "33"}, "tile_size is 33; it must be a multiple of 8"),
        ({"predict_background": "flase"}, "predict_background is 'flase'"),
    ],
)
def test_bad_arguments(emd: Path, scalars: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        function(emd, **scalars)


def test_two_hundred_prompts(emd: Path) -> None:
    prompts = [f"p{number}" for number in range(200)]
    instance = function(emd, text_prompt=",".join(prompts), predict_background="no")
    output, _ = update(instance, noise(3, 48, 48))
    assert output.min() >= 1
    assert output.max() <= 200
    info = instance.updateRasterInfo(output_info={})["output_info"]
    rows = [f["attributes"] for f in json.loads(info["rasterAttributeTable"])["features"]]
    assert len({(row["Red"], row["Green"], row["Blue"]) for row in rows}) == 200


def test_a_vocabulary_of_another_model(emd: Path, tmp_path: Path) -> None:
    folder = tmp_path / "package"
    shutil.copytree(emd.parent, folder)
    vocabulary = json.loads((folder / "vocab.json").read_text())
    vocabulary = {**{f"extra{n}": n for n in range(9)}, **{k: v + 9 for k, v in vocabulary.items()}}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    instance = function(folder / emd.name)
    with pytest.raises(ValueError, match=r"take vocab\.json and merges\.txt of the same model"):
        update(instance, noise(3, 32, 32))


def test_frozen_vocabulary(emd: Path, frozen: Path) -> None:
    assert not (frozen.parent / "vocab.json").exists()
    instance = load_function(frozen).CLIPSegClassifier()
    instance.initialize(model=str(frozen), device=-1)
    shown = {p["name"]: p for p in instance.getParameterInfo()}
    assert set(shown["text_prompt"]["domain"]) >= {"Water", "solar panel", "trees"}
    with pytest.raises(ValueError, match=r"'solar panels' \(did you mean 'solar panel'\?\)"):
        instance.getConfiguration(text_prompt="water, solar panels")
    scalars = {"text_prompt": "TREES, water", "return_probability_raster": "true"}
    instance.getConfiguration(**{**SCALARS, **scalars})
    block = noise(3, 48, 48)
    output, _ = update(instance, block, kind="f4", shape=(2, 48, 48))
    # The same as embedding the names as they were frozen.
    text = function(emd, return_probability_raster="true", text_prompt="trees, Water")
    wanted, _ = update(text, block, kind="f4", shape=(2, 48, 48))
    assert np.abs(output - wanted).max() <= 1e-5
    table = json.loads(
        function(frozen, text_prompt="TREES").updateRasterInfo(output_info={})["output_info"][
            "rasterAttributeTable"
        ]
    )
    assert table["features"][0]["attributes"]["Class"] == "TREES"  # the user's own words


def test_embeddings_that_do_not_fit(frozen: Path, tmp_path: Path) -> None:
    folder = tmp_path / "package"
    shutil.copytree(frozen.parent, folder)
    content = json.loads(frozen.read_text())
    content["CLIPSeg"]["PromptNames"].append("roof")
    (folder / frozen.name).write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"has shape \[3, 24\], the model definition asks for"):
        update(function(folder / frozen.name, text_prompt="roof"), noise(3, 32, 32))
    (folder / "prompt_embeddings.safetensors").unlink()
    with pytest.raises(ValueError, match=r"prompt_embeddings\.safetensors"):
        update(function(folder / frozen.name, text_prompt="roof"), noise(3, 32, 32))


# -- several packages in one process ---------------------------------------------------------------


def edited(package: Path) -> None:
    """Change a module that is imported late, keeping its size and date."""
    path = package / "clipseg" / "inference" / "segmenter.py"
    before, source = path.stat(), path.read_text()
    assert source.count("(-mean / std)") == 1
    path.write_text(source.replace("(-mean / std)", "(+mean / std)"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size


def test_packages_do_not_collide(emd: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(emd.parent, other)
    edited(other)
    block = noise(3, 48, 48)
    # Both are loaded before either imports torch.
    first, second = function(emd), function(other / emd.name)
    one, two = update(first, block), update(second, block)
    assert not same(one, two)
    assert same(update(function(emd), block), one)
    assert same(update(function(other / emd.name), block), two)
    assert load_function(emd).clipseg is first.initialize.__globals__["clipseg"]
    assert "clipseg" not in sys.modules


def test_a_package_unpacked_over_another(emd: Path, tmp_path: Path) -> None:
    folder = tmp_path / "package"
    shutil.copytree(emd.parent, folder)
    block = noise(3, 48, 48)
    wanted = update(function(emd), block)
    old = function(folder / emd.name)
    edited(folder)
    new = function(folder / emd.name)
    assert not same(update(new, block), wanted)
    assert same(update(old, block), wanted)  # although it imports the rest only now


def test_an_import_that_fails_leaves_nothing_behind(emd: Path, tmp_path: Path) -> None:
    folder = tmp_path / "package"
    shutil.copytree(emd.parent, folder)
    legend = folder / "clipseg" / "contract" / "legend.py"
    whole = legend.read_text()
    legend.write_text("raise OSError('disk on fire')")
    with pytest.raises(OSError, match="disk on fire"):
        load_function(folder / emd.name)
    legend.write_text(whole)
    assert update(function(folder / emd.name), noise(3, 32, 32))[0].shape == (1, 32, 32)


def test_errors_show_the_packages_own_lines(emd: Path) -> None:
    instance = function(emd)
    try:
        update(instance, noise(1, 32, 32))
    except ValueError as error:
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        assert trace is not None
        code = trace.tb_frame.f_code
        assert Path(code.co_filename) == emd.parent / "clipseg" / "contract" / "blocks.py"
    else:
        raise AssertionError


def test_memory_shortage_is_advice(emd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for words in ("CUDA out of memory. Tried to", "DefaultCPUAllocator: can't allocate memory: 9"):
        instance = function(emd)
        loaded = instance._loaded().segmenter

        def fail(*args: Any, words: str = words) -> None:
            raise RuntimeError(words)

        monkeypatch.setattr(loaded.network, "encode", fail)
        with pytest.raises(MemoryError, match=r"for 4 tiles of 32 pixels .* smaller batch size"):
            update(instance, noise(3, 48, 48))
    monkeypatch.setattr(loaded.network, "encode", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        update(instance, noise(3, 48, 48))
