"""Weights from folders in the hub's layout: tensors, pickles, preprocessing; which source it is."""

from __future__ import annotations

import json
import pickle
import tarfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from transformers import CLIPSegForImageSegmentation

from builder.clipseg.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from builder.clipseg.sources import open_source
from builder.errors import SourceError
from tests.support import source_folders
from tests.support.source_folders import edit, same, state
from tests.support.tiny_clipseg import reference, settings, write_folder

pristine = source_folders.pristine
folder = source_folders.folder
stack = source_folders.stack


# Folders


def test_folder_with_safetensors(folder: Path, stack: ExitStack) -> None:
    weights = open_source(str(folder), stack)
    assert (weights.kind, weights.revision) == ("folder", "")
    assert weights.has_text_tower
    assert weights.preprocessing.size == 64
    assert set(weights.files) == {"config.json", "preprocessor_config.json", "model.safetensors"}
    same(weights, state(folder))


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
@pytest.mark.parametrize("zipped", [True, False])
def test_pickled(folder: Path, stack: ExitStack, wrapper: str | None, zipped: bool) -> None:
    tensors = state(folder)
    (folder / "model.safetensors").unlink()
    content = {wrapper: tensors, "epoch": 3} if wrapper else tensors
    torch.save(content, folder / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
    same(open_source(str(folder), stack), tensors)


def test_shards_as_transformers_writes_them(tmp_path: Path, stack: ExitStack) -> None:
    model = reference(settings(patch=16))
    model.save_pretrained(tmp_path / "sharded", max_shard_size="100KB")
    shards = sorted((tmp_path / "sharded").glob("model-*.safetensors"))
    assert len(shards) > 2
    same(open_source(str(tmp_path / "sharded"), stack), dict(model.state_dict()))
    shards[1].unlink()
    with pytest.raises(SourceError, match=f"has {len(shards) - 1} of the {len(shards)} files"):
        open_source(str(tmp_path / "sharded"), stack)


def test_extra_tensors_are_no_fault(folder: Path, stack: ExitStack) -> None:
    extra = {
        "clip.logit_scale": torch.tensor(2.6),
        "clip.vision_model.embeddings.position_ids": torch.arange(5)[None],
        "decoder.reduce.weight": torch.zeros(16, 48),
    }
    save_file({**state(folder), **extra}, folder / "model.safetensors")
    assert open_source(str(folder), stack).has_text_tower


def test_saved_and_loaded_by_transformers_5(tmp_path: Path, stack: ExitStack) -> None:
    """Its processor writes processor_config.json and tokenizer.json, and none of the old files."""
    folder = write_folder(tmp_path / "old", settings(patch=16))
    model = CLIPSegForImageSegmentation.from_pretrained(folder)
    new = tmp_path / "new"
    model.save_pretrained(new)
    processor = {"image_processor": json.loads((folder / "preprocessor_config.json").read_text())}
    processor["image_processor"]["image_mean"] = [0.1, 0.2, 0.3]
    (new / "processor_config.json").write_text(json.dumps(processor))
    weights = open_source(str(new), stack)
    assert weights.preprocessing.mean == (0.1, 0.2, 0.3)
    assert "processor_config.json" in weights.files
    same(weights, state(folder))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_type": "clip"}, "describes a 'clip' model, not 'clipseg'"),
        ({"model_type": "bert"}, "describes a 'bert' model"),
    ],
)
def test_other_models(folder: Path, stack: ExitStack, change: dict[str, Any], words: str) -> None:
    edit(folder / "config.json", **change)
    with pytest.raises(SourceError, match=words):
        open_source(str(folder), stack)


@pytest.mark.parametrize("content", [None, "{", "[]", "\udcff"])
def test_broken_config(folder: Path, stack: ExitStack, content: str | None) -> None:
    (folder / "config.json").unlink()
    if content is not None:
        (folder / "config.json").write_text(content, errors="surrogateescape")
    with pytest.raises(SourceError, match=r"config\.json"):
        open_source(str(folder), stack)


def test_no_weights(folder: Path, stack: ExitStack) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(SourceError, match=r"expected model\.safetensors or pytorch_model\.bin"):
        open_source(str(folder), stack)


# Pickles


class _Mark:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def _hostile(content: dict[str, Any], path: Path, form: str) -> None:
    if form == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    if form == "tar":
        inner = path.with_name("inner")
        path.rename(inner)
        with tarfile.open(path, "w") as archive:
            archive.add(inner)
        inner.unlink()


@pytest.mark.parametrize("form", ["zip", "old", "pickle", "tar"])
def test_code_in_a_pickle_is_never_run(
    folder: Path, stack: ExitStack, tmp_path: Path, form: str
) -> None:
    mark = tmp_path / "ran"
    (folder / "model.safetensors").unlink()
    path = folder / "pytorch_model.bin"
    _hostile({"x": torch.ones(2), "y": _Mark(mark)}, path, form)
    with pytest.raises(SourceError, match=r"somebody's code|before 2018") as caught:
        open_source(str(folder), stack)
    assert "\n" not in str(caught.value)
    assert not mark.exists()
    if form == "pickle":  # the trap works: this is what would happen elsewhere
        pickle.loads(path.read_bytes())
        assert mark.exists()


@pytest.mark.parametrize("keep", [0, 1, 50, 300, -50])
@pytest.mark.parametrize("zipped", [True, False])
def test_damaged_pickles(folder: Path, stack: ExitStack, keep: int, zipped: bool) -> None:
    path = folder / "pytorch_model.bin"
    torch.save(state(folder), path, _use_new_zipfile_serialization=zipped)
    (folder / "model.safetensors").unlink()
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(SourceError, match="copy it again"):
        open_source(str(folder), stack)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "copy it again"),
        (b"hello world, this is no pickle" * 20, "copy it again"),
        (b"<!DOCTYPE html><html></html>", "copy it again"),
        (b"version https://git-lfs.github.com/spec/v1\n", "copy it again"),
    ],
)
def test_not_a_pickle(folder: Path, stack: ExitStack, content: bytes, words: str) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(content)
    with pytest.raises(SourceError, match=words):
        open_source(str(folder), stack)


# Preprocessing


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (352, 352),
        ({"height": 96, "width": 96}, 96),
        ({"shortest_edge": 128}, 128),
        (None, 352),
    ],
)
def test_image_size(folder: Path, stack: ExitStack, size: Any, expected: int) -> None:
    edit(folder / "preprocessor_config.json", size=size)
    assert open_source(str(folder), stack).preprocessing.size == expected


@pytest.mark.parametrize(
    "size", [0, -1, "352", True, [352], {}, {"height": 352, "width": 300}, 3.5, {"height": "x"}]
)
def test_image_size_that_cannot_be(folder: Path, stack: ExitStack, size: Any) -> None:
    edit(folder / "preprocessor_config.json", size=size)
    with pytest.raises(SourceError, match=r"preprocessor_config\.json: size is"):
        open_source(str(folder), stack)


def test_mean_and_std_of_one_half_are_the_hubs_mistake(folder: Path, stack: ExitStack) -> None:
    edit(folder / "preprocessor_config.json", image_mean=[0.5] * 3, image_std=[0.5] * 3)
    preprocessing = open_source(str(folder), stack).preprocessing
    assert (preprocessing.mean, preprocessing.std) == (IMAGENET_MEAN, IMAGENET_STD)
    assert "0.5, a mistake of the hub's files" in preprocessing.notes[0]


def test_no_preprocessor(folder: Path, stack: ExitStack) -> None:
    (folder / "preprocessor_config.json").unlink()
    preprocessing = open_source(str(folder), stack).preprocessing
    assert (preprocessing.mean, preprocessing.std, preprocessing.size) == (
        IMAGENET_MEAN,
        IMAGENET_STD,
        352,
    )
    assert "no preprocessor_config.json" in preprocessing.notes[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"image_mean": [0.5, 0.5]},
        {"image_mean": "abc"},
        {"image_mean": 0.5},
        {"image_std": [0.2, 0.2, 0]},
        {"image_std": [0.2, 0.2, None]},
        {"image_std": [0.2, 0.2, float("nan")]},
    ],
)
def test_normalisation_that_cannot_be(
    folder: Path, stack: ExitStack, changes: dict[str, Any]
) -> None:
    edit(folder / "preprocessor_config.json", **changes)
    with pytest.raises(SourceError, match=f"preprocessor_config.json: {next(iter(changes))} is"):
        open_source(str(folder), stack)


# Which source it is


@pytest.mark.parametrize(
    "source",
    ["nothing", "no/such/folder", "./a/b", "/a/b", "rd64.pth", "x/model.safetensors", "", "../x"],
)
def test_no_such_source(stack: ExitStack, source: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match=r"no such file or folder|not in the hub's layout"):
        open_source(source, stack)


def test_options_of_other_sources(folder: Path, stack: ExitStack) -> None:
    with pytest.raises(SourceError, match="--revision is for the hub"):
        open_source(str(folder), stack, revision="main")
    with pytest.raises(SourceError, match="--clip is for the authors' decoder"):
        open_source(str(folder), stack, clip=folder)
    with pytest.raises(SourceError, match="--clip is for the authors' decoder"):
        open_source("somebody/something", stack, clip=folder)
