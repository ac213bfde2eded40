"""Weights from every source: folders in the hub's layout, the hub's cache, the authors' files."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPModel, CLIPSegForImageSegmentation

from builder.errors import SourceError
from builder.hub import PINNED_REVISIONS
from builder.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from builder.sources import DEFAULT_SOURCE, Weights, open_source
from builder.tokenizer_files import read_tokenizer
from model_extension.clipseg.config import NetworkConfig
from model_extension.clipseg.tokenizer import END, Tokenizer
from tests.tiny_clipseg import VOCABULARY, reference, settings, spread, write_folder

ROOT = Path(__file__).parent.parent
FROZEN = os.environ.get("DLPK_FROZEN_WEIGHTS")
AUTHORS = os.environ.get("DLPK_AUTHORS_DECODER")


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("source") / "weights", settings(patch=16))


@pytest.fixture
def folder(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "weights"))


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def state(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def edit(path: Path, **changes: Any) -> None:
    """Change keys of a JSON file; None removes one."""
    content = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))


def same(weights: Weights, expected: dict[str, torch.Tensor], *, within: float = 0.0) -> None:
    assert set(weights.tensors.keys()) >= set(expected)
    for name, tensor in expected.items():
        assert weights.tensors.shape(name) == tuple(tensor.shape)
        np.testing.assert_allclose(
            weights.tensors.tensor(name), tensor.numpy(), rtol=0, atol=within
        )


# Folders


def test_folder_with_safetensors(folder: Path, stack: ExitStack) -> None:
    weights = open_source(str(folder), stack)
    assert (weights.kind, weights.revision) == ("folder", "")
    assert weights.has_text_tower
    assert weights.preprocessing.size == 64
    assert set(weights.files) == {"config.json", "preprocessor_config.json", "model.safetensors"}
    same(weights, state(folder))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_every_precision(folder: Path, stack: ExitStack, name: str, dtype: torch.dtype) -> None:
    tensors = {key: value.to(dtype) for key, value in state(folder).items()}
    (folder / "model.safetensors").unlink()
    if name.endswith("bin"):
        torch.save(tensors, folder / name)
    else:
        save_file(tensors, folder / name)
    same(open_source(str(folder), stack), {key: value.float() for key, value in tensors.items()})


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


def test_pickled_shards(folder: Path, stack: ExitStack) -> None:
    tensors = state(folder)
    (folder / "model.safetensors").unlink()
    for number, part in enumerate((list(tensors)[::2], list(tensors)[1::2]), 1):
        shard = folder / f"pytorch_model-0000{number}-of-00002.bin"
        torch.save({name: tensors[name] for name in part}, shard)
    same(open_source(str(folder), stack), tensors)


def test_safetensors_come_first(folder: Path, stack: ExitStack) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"not even weights")
    assert "model.safetensors" in open_source(str(folder), stack).files


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


def test_patch_size_is_read_off_the_tensor(folder: Path, stack: ExitStack) -> None:
    vision = dict(settings(patch=16)["vision_config"])
    del vision["patch_size"]
    edit(folder / "config.json", vision_config=vision)
    assert open_source(str(folder), stack).config["vision_config"]["patch_size"] == 16


def test_settings_of_the_towers_written_twice(folder: Path, stack: ExitStack) -> None:
    edit(folder / "config.json", text_config_dict={"eos_token_id": 7}, vision_config_dict=None)
    text = open_source(str(folder), stack).config["text_config"]
    assert (text["eos_token_id"], text["hidden_size"]) == (7, 32)


def test_no_weights(folder: Path, stack: ExitStack) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(SourceError, match=r"expected model\.safetensors or pytorch_model\.bin"):
        open_source(str(folder), stack)


def test_truncated_safetensors(folder: Path, stack: ExitStack) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SourceError, match="truncated"):
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


def test_pickle_of_something_else(folder: Path, stack: ExitStack) -> None:
    (folder / "model.safetensors").unlink()
    torch.save(torch.ones(3), folder / "pytorch_model.bin")
    with pytest.raises(SourceError, match="holds a Tensor, not named tensors"):
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


def test_other_values_are_kept(folder: Path, stack: ExitStack) -> None:
    edit(folder / "preprocessor_config.json", image_mean=[0.5, 0.5, 0.5], image_std=[1, 1, 1])
    preprocessing = open_source(str(folder), stack).preprocessing
    assert (preprocessing.mean, preprocessing.std) == ((0.5, 0.5, 0.5), (1.0, 1.0, 1.0))
    assert preprocessing.notes == ()


def test_clips_own_mean_is_pointed_out(folder: Path, stack: ExitStack) -> None:
    edit(folder / "preprocessor_config.json", image_mean=[0.48145466, 0.4578275, 0.40821073])
    preprocessing = open_source(str(folder), stack).preprocessing
    assert preprocessing.mean[0] == 0.48145466
    assert "CLIP's own mean" in preprocessing.notes[0]


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


# Tokenizer

TEXT = NetworkConfig.from_dict(settings(patch=16))


def test_tokenizer_of_two_files(folder: Path) -> None:
    found = read_tokenizer(folder, TEXT)
    assert found.vocab == (folder / "vocab.json").read_bytes()
    assert found.merges == (folder / "merges.txt").read_bytes()


@pytest.mark.parametrize("merge", ["w a", ["w", "a"]])
def test_tokenizer_of_one_file(folder: Path, merge: Any) -> None:
    """Both forms of `tokenizers`: merges as texts, and, since 0.20, as pairs."""
    for name in ("vocab.json", "merges.txt"):
        (folder / name).unlink()
    model = {"type": "BPE", "vocab": {"wa": 514}, "merges": [merge]}
    specials = ("<|startoftext|>", "<|endoftext|>")
    model["vocab"].update({k: v for k, v in VOCABULARY.items() if k not in specials})
    added = [{"id": VOCABULARY[token], "content": token} for token in specials]
    (folder / "tokenizer.json").write_text(json.dumps({"model": model, "added_tokens": added}))
    config = NetworkConfig.from_dict(
        {**settings(patch=16), "text_config": {**settings()["text_config"], "vocab_size": 600}}
    )
    found = read_tokenizer(folder, config)
    assert found.files == (folder / "tokenizer.json",)
    written = folder / "written"
    written.mkdir()
    (written / "vocab.json").write_bytes(found.vocab)
    (written / "merges.txt").write_bytes(found.merges)
    again = Tokenizer.from_folder(written)
    for text in ("water", "Wald-Wasser é 水", "", "wa"):
        assert again.encode(text) == found.tokenizer.encode(text)
    assert 514 in again.encode("water")


@pytest.mark.skipif(FROZEN is None, reason="DLPK_FROZEN_WEIGHTS is not set")
def test_tokenizer_of_clip_from_one_file(tmp_path: Path) -> None:
    assert FROZEN is not None
    shutil.copy(Path(FROZEN) / "tokenizer.json", tmp_path)
    config = NetworkConfig.from_dict({"text_config": {}})
    one, two = read_tokenizer(tmp_path, config), read_tokenizer(Path(FROZEN), config)
    assert json.loads(one.vocab) == json.loads(two.vocab)
    texts = ["a photo of a solar panel", "Überflutung", "水 🌊", "it's 2024!"]
    assert one.tokenizer.batch(texts).ids.tolist() == two.tokenizer.batch(texts).ids.tolist()


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        "{}",
        '{"model": {"type": "WordPiece", "vocab": {}, "merges": []}}',
        '{"model": {"type": "BPE", "vocab": {"a": 1}}}',
        '{"model": {"type": "BPE", "vocab": {"a": 1}, "merges": ["a b c"]}}',
        '{"model": {"type": "BPE", "vocab": {"a": "x"}, "merges": []}}',
        '{"model": {"type": "BPE", "vocab": {"a": 1}, "merges": []}}',
    ],
)
def test_tokenizer_that_is_none(folder: Path, content: str) -> None:
    (folder / "merges.txt").unlink()
    (folder / "tokenizer.json").write_text(content)
    with pytest.raises(SourceError):
        read_tokenizer(folder, TEXT)


def test_no_tokenizer(folder: Path) -> None:
    (folder / "merges.txt").unlink()
    with pytest.raises(SourceError, match=r"put vocab\.json and merges\.txt"):
        read_tokenizer(folder, TEXT)


def test_tokenizer_of_another_model(folder: Path) -> None:
    def with_text(**changes: int) -> NetworkConfig:
        base = settings(patch=16)
        return NetworkConfig.from_dict({**base, "text_config": {**base["text_config"], **changes}})

    with pytest.raises(SourceError, match="has 514 tokens and the text tower knows 300"):
        read_tokenizer(folder, with_text(vocab_size=300, eos_token_id=299))
    with pytest.raises(SourceError, match=r"ends a prompt with token 513, .* expects 400"):
        read_tokenizer(folder, with_text(eos_token_id=400))
    # Checkpoints from before 2023 say 2 and mean the highest id.
    assert read_tokenizer(folder, with_text(eos_token_id=2)).tokenizer.end_id == VOCABULARY[END]


# The authors' files


def authors_decoder(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The decoder of a state dict of transformers, named as in the authors' repository."""
    renamed: dict[str, torch.Tensor] = {"reduce.weight": torch.zeros(16, 48)}
    plain = {
        "mlp.fc1.": "linear1.",
        "mlp.fc2.": "linear2.",
        "layer_norm1.": "norm1.",
        "layer_norm2.": "norm2.",
        "transposed_convolution.": "trans_conv.",
        "decoder.layers.": "blocks.",
        "decoder.": "",
    }
    for name, tensor in tensors.items():
        if not name.startswith("decoder.") or ("_proj." in name and "out_proj" not in name):
            continue
        for new, old in plain.items():
            name = name.replace(new, old)
        renamed[name] = tensor
    for index in range(3):
        for kind in ("weight", "bias"):
            parts = [
                tensors[f"decoder.layers.{index}.self_attn.{part}_proj.{kind}"] for part in "qkv"
            ]
            renamed[f"blocks.{index}.self_attn.in_proj_{kind}"] = torch.cat(parts)
    return renamed


@pytest.mark.parametrize("refined", [True, False])
def test_authors_files(tmp_path: Path, stack: ExitStack, refined: bool) -> None:
    """What CLIPSeg and CLIP of transformers hold, taken apart and put together again."""
    config = settings(patch=16, refined=refined, extract=(3, 6, 9), layers=10)
    whole = reference(config)
    decoder = tmp_path / "rd16-uni.pth"
    torch.save(authors_decoder(dict(whole.state_dict())), decoder)
    clip = spread(
        CLIPModel(
            CLIPConfig(
                text_config=config["text_config"],
                vision_config=config["vision_config"],
                projection_dim=config["projection_dim"],
            )
        ),
        seed=5,
    )
    clip.load_state_dict(whole.clip.state_dict())
    clip.save_pretrained(tmp_path / "clip")
    weights = open_source(str(decoder), stack, clip=tmp_path / "clip")
    expected = {k: v for k, v in whole.state_dict().items() if k != "clip.logit_scale"}
    same(weights, expected)
    assert set(weights.tensors.keys()) == set(expected)
    assert weights.preprocessing.mean == IMAGENET_MEAN
    assert (weights.kind, weights.source) == ("authors", "rd16-uni.pth")
    assert set(weights.files) == {"rd16-uni.pth", "clip/config.json", "clip/model.safetensors"}
    read = NetworkConfig.from_dict(weights.config)
    assert read == NetworkConfig.from_dict(config)


@pytest.mark.skipif(not (FROZEN and AUTHORS), reason="DLPK_AUTHORS_DECODER is not set")
def test_authors_published_decoder(stack: ExitStack) -> None:
    assert FROZEN is not None and AUTHORS is not None
    weights = open_source(AUTHORS, stack, clip=FROZEN)
    frozen = load_file(Path(FROZEN) / "model.safetensors")
    same(weights, {k: v.float() for k, v in frozen.items() if "decoder" in k}, within=2e-3)
    for name, tensor in frozen.items():
        if name.startswith("decoder."):
            half = weights.tensors.tensor(name).astype(np.float16)
            np.testing.assert_array_equal(half, tensor.numpy())
    assert weights.config["use_complex_transposed_convolution"]


def test_authors_decoder_alone(tmp_path: Path, stack: ExitStack) -> None:
    path = tmp_path / "rd64.pth"
    torch.save({"film_mul.weight": torch.ones(2)}, path)
    with pytest.raises(SourceError, match="--clip FOLDER"):
        open_source(str(path), stack)
    with pytest.raises(SourceError, match=r"no such folder: .*nowhere"):
        open_source(str(path), stack, clip=tmp_path / "nowhere")


def test_file_that_is_no_decoder(folder: Path, stack: ExitStack, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is not a CLIPSeg decoder"):
        open_source(str(folder / "model.safetensors"), stack, clip=folder)
    with pytest.raises(SourceError, match=f"give {folder}"):
        open_source(str(folder / "model.safetensors"), stack)
    path = tmp_path / "deep.pth"
    decoder = authors_decoder(state(folder))
    torch.save({k: v for k, v in decoder.items() if not k.startswith("reduces.2")}, path)
    with pytest.raises(SourceError, match="decoder of 2 blocks"):
        open_source(str(path), stack, clip=folder)


def test_clip_that_is_none(folder: Path, stack: ExitStack, tmp_path: Path) -> None:
    path = tmp_path / "rd16.pth"
    torch.save(authors_decoder(state(folder)), path)
    edit(folder / "config.json", model_type="vit")
    with pytest.raises(SourceError, match="describes a 'vit' model, not 'clip'"):
        open_source(str(path), stack, clip=folder)


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


# The hub: huggingface_hub reads its settings when it is imported, so each case has its own process

OPEN = """
import sys, json
from contextlib import ExitStack
from builder.errors import SourceError
from builder.sources import open_source
with ExitStack() as stack:
    try:
        weights = open_source(sys.argv[1], stack, revision=sys.argv[2] or None)
    except SourceError as error:
        print(json.dumps({"error": str(error)}))
    else:
        print(json.dumps({
            "kind": weights.kind, "revision": weights.revision, "files": sorted(weights.files),
            "count": len(list(weights.tensors.keys())), "folder": str(weights.folder),
        }))
"""


def from_hub(
    cache: Path, repository: str, revision: str = "", **environment: str
) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", OPEN, repository, revision],
        cwd=ROOT,
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("HF_")},
            "HF_HUB_CACHE": str(cache),
            "HF_HUB_OFFLINE": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def fill_cache(
    cache: Path, folder: Path, repository: str, commit: str, refs: tuple[str, ...] = ()
) -> Path:
    """Lay a folder out as the hub's client does: blobs, snapshots of links, refs."""
    home = cache / f"models--{repository.replace('/', '--')}"
    snapshot = home / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (home / "blobs").mkdir(exist_ok=True)
    (home / "refs").mkdir(exist_ok=True)
    for number, path in enumerate(sorted(folder.iterdir())):
        blob = home / "blobs" / f"{commit[:8]}{number:032d}"
        shutil.copy(path, blob)
        (snapshot / path.name).symlink_to(f"../../blobs/{blob.name}")
    for ref in refs:
        (home / "refs" / ref).write_text(commit)
    return snapshot


def test_pinned_revisions_are_whole_commits() -> None:
    assert all(len(commit) == 40 and int(commit, 16) for commit in PINNED_REVISIONS.values())
    # Those after the correction of mean and std, by their published abbreviations.
    assert PINNED_REVISIONS["CIDAS/clipseg-rd64-refined"].startswith("583b388")
    assert PINNED_REVISIONS["CIDAS/clipseg-rd16"].startswith("d8e4d60")
    assert DEFAULT_SOURCE in PINNED_REVISIONS


def test_hub_cache_at_the_pinned_revision(pristine: Path, tmp_path: Path) -> None:
    commit = PINNED_REVISIONS[DEFAULT_SOURCE]
    other = "0" * 40
    fill_cache(tmp_path, pristine, DEFAULT_SOURCE, other, ("main",))
    fill_cache(tmp_path, pristine, DEFAULT_SOURCE, commit)
    expected = {"kind": "hub", "revision": commit}
    for revision in ("", commit, "583b388"):
        found = from_hub(tmp_path, DEFAULT_SOURCE, revision)
        assert {key: found.get(key) for key in expected} == expected, found
        assert "model.safetensors" in found["files"]
    assert from_hub(tmp_path, DEFAULT_SOURCE, "main")["revision"] == other
    # Without the network switched off by name, too: nothing is asked of it.
    found = from_hub(tmp_path, DEFAULT_SOURCE, HF_HUB_OFFLINE="0", HF_ENDPOINT="http://127.0.0.1:9")
    assert found["revision"] == commit


def test_hub_cache_with_pickled_weights(pristine: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(pristine, tmp_path / "weights"))
    tensors = state(folder)
    torch.save(tensors, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    commit = PINNED_REVISIONS[DEFAULT_SOURCE]
    fill_cache(tmp_path / "hub", folder, DEFAULT_SOURCE, commit)
    found = from_hub(tmp_path / "hub", DEFAULT_SOURCE)
    assert found["count"] == len(tensors)
    assert "pytorch_model.bin" in found["files"]


def test_hub_cache_of_another_repository(pristine: Path, tmp_path: Path) -> None:
    commit = "ab" * 20
    fill_cache(tmp_path, pristine, "somebody/clipseg-roofs", commit, ("main", "v2"))
    for revision in ("", "main", "v2", commit, commit[:7]):
        assert from_hub(tmp_path, "somebody/clipseg-roofs", revision)["revision"] == commit


@pytest.mark.parametrize(
    "environment", [{}, {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:9"}]
)
def test_hub_without_network_and_cache(tmp_path: Path, environment: dict[str, str]) -> None:
    message = from_hub(tmp_path, DEFAULT_SOURCE, **environment)["error"]
    for words in (
        DEFAULT_SOURCE,
        PINNED_REVISIONS[DEFAULT_SOURCE],
        str(tmp_path),
        "config.json",
        "merges.txt",
        "--weights FOLDER",
        "--weights mini",
    ):
        assert words in message
    assert "\n" not in message


def test_hub_cache_that_is_not_whole(pristine: Path, tmp_path: Path) -> None:
    snapshot = fill_cache(tmp_path, pristine, DEFAULT_SOURCE, PINNED_REVISIONS[DEFAULT_SOURCE])
    (snapshot / "model.safetensors").unlink()
    message = from_hub(tmp_path, DEFAULT_SOURCE)["error"]
    assert "model.safetensors" in message


class FakeHub(BaseHTTPRequestHandler):
    """Answers as the hub does for one repository; what was sent stands in `sent`."""

    files: ClassVar[dict[str, bytes]] = {}
    sent: ClassVar[list[str]] = []

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path, commit = self.path.split("?")[0], "cd" * 20
        name = path.rpartition(f"/resolve/{commit}/")[2]
        if path.startswith("/api/models/me/roofs/revision/"):
            siblings = [{"rfilename": name} for name in self.files]
            self.answer(
                json.dumps({"id": "me/roofs", "sha": commit, "siblings": siblings}).encode()
            )
        elif path == f"/api/models/me/roofs/tree/{commit}":
            tree = [
                {"type": "file", "path": name, "size": len(content), "oid": f"{number:040x}"}
                for number, (name, content) in enumerate(self.files.items())
            ]
            self.answer(json.dumps(tree).encode())
        elif name in self.files:
            if self.command == "GET":
                self.sent.append(name)
            self.answer(self.files[name], ETag=f'"{list(self.files).index(name):040x}"')
        else:
            self.send_error(404)

    def answer(self, content: bytes, **headers: str) -> None:
        self.send_response(200)
        headers |= {"Content-Length": str(len(content)), "X-Repo-Commit": "cd" * 20}
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def fake_hub(pristine: Path, tmp_path: Path) -> Iterator[str]:
    torch.save(state(pristine), tmp_path / "pytorch_model.bin")
    FakeHub.files = {path.name: path.read_bytes() for path in pristine.iterdir()}
    FakeHub.files |= {
        "pytorch_model.bin": (tmp_path / "pytorch_model.bin").read_bytes(),
        "README.md": b"# Roofs",
        "tf_model.h5": b"not wanted",
    }
    FakeHub.sent = []
    with ThreadingHTTPServer(("127.0.0.1", 0), FakeHub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("safe", [True, False])
def test_download_fetches_what_is_needed_once(tmp_path: Path, fake_hub: str, safe: bool) -> None:
    if not safe:
        del FakeHub.files["model.safetensors"]
    cache = tmp_path / "hub"
    found = from_hub(cache, "me/roofs", HF_HUB_OFFLINE="0", HF_ENDPOINT=fake_hub)
    assert (found.get("kind"), found.get("revision")) == ("hub", "cd" * 20), found
    settings = {"config.json", "preprocessor_config.json", "vocab.json", "merges.txt"}
    weights = "model.safetensors" if safe else "pytorch_model.bin"
    assert sorted(FakeHub.sent) == sorted({*settings, weights})
    # And again without the hub, by the branch's name.
    assert from_hub(cache, "me/roofs")["revision"] == "cd" * 20
