"""Frozen vocabularies: embedded at build time, or taken from elsewhere."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from safetensors.torch import load_file as load_torch
from safetensors.torch import save_file as save_torch

import dlpk
from builder import BuildError, build
from builder.clipseg.vocabulary import TYPICAL_NORM, Vocabulary, read_embeddings
from builder.errors import VocabularyError
from model_extension.clipseg.contract.definition import read_definition
from model_extension.clipseg.inference.segmenter import Segmenter
from model_extension.clipseg.language.plan import make_plan
from tests.support.tiny_clipseg import settings, write_folder

WIDTH = 24  # of an embedding in the tiny networks


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("source") / "weights", settings())


@pytest.fixture(scope="module")
def towerless(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights without a text tower, as they come with embeddings made elsewhere."""
    folder = Path(shutil.copytree(weights, tmp_path_factory.mktemp("towerless") / "weights"))
    tensors = load_torch(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if ".text_" not in name}
    save_torch(kept, folder / "model.safetensors")
    return folder


def opened(package: Path, target: Path) -> Segmenter:
    with zipfile.ZipFile(package) as archive:
        archive.extractall(target)
    (emd,) = target.glob("*.emd")
    return Segmenter(read_definition(str(emd), ""), torch.device("cpu"))


def some(count: int, *, length: float = 10.0) -> np.ndarray:
    vectors = np.random.default_rng(0).normal(size=(count, WIDTH))
    vectors *= length / np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32)


def written(folder: Path, names: Sequence[str], **tensors: np.ndarray) -> dict[str, Path]:
    """Files for the options of `build`."""
    save_file(tensors, folder / "e.safetensors")
    (folder / "names.json").write_text(json.dumps(list(names)))
    return {"prompt_embeddings": folder / "e.safetensors", "names": folder / "names.json"}


def read(folder: Path, names: Sequence[str], **tensors: np.ndarray) -> Vocabulary:
    files = written(folder, names, **tensors)
    return read_embeddings(files["prompt_embeddings"], files["names"], WIDTH)


# Frozen from the text tower


def test_frozen_prompts_are_what_the_text_tower_gives(weights: Path, tmp_path: Path) -> None:
    prompts = ("water", "solar panel", "l'été 水")
    free = build(tmp_path / "free.dlpk", weights=str(weights), precision="fp32")
    frozen = build(
        tmp_path / "frozen.dlpk",
        weights=str(weights),
        precision="fp32",
        freeze_prompts=" water,solar   panel, WATER, l'été 水,",
    )
    one, other = opened(free.path, tmp_path / "free"), opened(frozen.path, tmp_path / "frozen")
    assert other.definition.prompt_names == prompts
    expected = one.embedder.texts(prompts)
    assert float((other.embedder.texts(prompts) - expected).abs().max()) <= 1e-5
    # In any order, in any case.
    again = other.embedder.texts(("L'ÉTÉ 水", "water"))
    assert float((again - expected[[2, 0]]).abs().max()) <= 1e-5


def test_the_text_tower_is_left_out(weights: Path, tmp_path: Path) -> None:
    build(tmp_path / "free.dlpk", weights=str(weights))
    build(tmp_path / "frozen.dlpk", weights=str(weights), freeze_prompts="water")
    free, frozen = (zipfile.ZipFile(tmp_path / f"{name}.dlpk") for name in ("free", "frozen"))
    assert {"vocab.json", "merges.txt"} <= set(free.namelist())
    assert not {"vocab.json", "merges.txt"} & set(frozen.namelist())
    (tmp_path / "w").write_bytes(frozen.read("model.safetensors"))
    assert not [name for name in load_file(tmp_path / "w") if "text" in name]
    sizes = [archive.getinfo("model.safetensors").file_size for archive in (free, frozen)]
    text = sum(
        tensor.size * 2
        for name, tensor in load_file(weights / "model.safetensors").items()
        if ".text_" in name
    )
    assert sizes[0] - sizes[1] == pytest.approx(text, rel=0.2)
    emd = json.loads(frozen.read("frozen.emd"))
    assert "text_config" not in emd["CLIPSeg"]["Network"]
    assert emd["CLIPSeg"]["Vocabulary"] == "frozen"


@pytest.mark.parametrize(
    ("frozen", "prompt", "expected"),
    [
        ("a, b, c", None, "a, b, c"),
        (", ".join("abcdefghij"), None, "a"),
        ("a, b, c", "C, a", "C, a"),
        ("a, b, c", " ", "a, b, c"),
    ],
)
def test_default_prompts(
    weights: Path, tmp_path: Path, frozen: str, prompt: str | None, expected: str
) -> None:
    build(tmp_path / "x.dlpk", weights=str(weights), freeze_prompts=frozen, prompt=prompt)
    emd = json.loads(zipfile.ZipFile(tmp_path / "x.dlpk").read("x.emd"))
    assert emd["CLIPSeg"]["Prompt"] == expected
    assert [entry["Name"] for entry in emd["Classes"]] == expected.split(", ")


def test_provenance(weights: Path, tmp_path: Path) -> None:
    build(tmp_path / "x.dlpk", weights=str(weights), freeze_prompts="a, b")
    record = json.loads(zipfile.ZipFile(tmp_path / "x.dlpk").read("manifest.json"))["weights"]
    assert record["vocabulary"] == {"names": 2, "origin": "text tower of the weights"}
    assert {"vocab.json", "merges.txt", "model.safetensors"} <= set(record["files"])


# Embeddings made elsewhere


def test_embeddings_from_elsewhere(towerless: Path, tmp_path: Path) -> None:
    vectors, names = some(3), ["water", "solar panel", "roof"]
    files: dict[str, Any] = written(tmp_path, names, mine=vectors)
    built = build(tmp_path / "x.dlpk", weights=str(towerless), **files)
    segmenter = opened(built.path, tmp_path / "x")
    assert segmenter.definition.prompt_names == tuple(names)
    np.testing.assert_array_equal(
        segmenter.embedder.texts(["roof", "Water"]).numpy(), vectors[[2, 0]]
    )
    archive = zipfile.ZipFile(built.path)
    assert not {"vocab.json", "merges.txt"} & set(archive.namelist())
    manifest = json.loads(archive.read("manifest.json"))
    assert manifest["weights"]["vocabulary"] == {
        "names": 3,
        "origin": "tensor mine of e.safetensors",
    }
    assert "vocabulary/names.json" in manifest["weights"]["files"]
    assert "prompt embeddings" in {entry["part"] for entry in manifest["licences"]}


def test_weights_without_text_tower_need_embeddings(towerless: Path, tmp_path: Path) -> None:
    for options in ({}, {"freeze_prompts": "water"}):
        with pytest.raises(BuildError, match=r"has no text tower.*--prompt-embeddings FILE"):
            build(tmp_path / "x.dlpk", weights=str(towerless), **options)
    (towerless / "my_embeddings.safetensors").touch()
    with pytest.raises(BuildError, match=r"the folder holds my_embeddings\.safetensors"):
        build(tmp_path / "x.dlpk", weights=str(towerless))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_unit_length_is_scaled(tmp_path: Path, dtype: type) -> None:
    vectors = some(5, length=1.0).astype(dtype)
    found = read(tmp_path, "abcde", mine=vectors)
    lengths = np.linalg.norm(found.embeddings, axis=1)
    np.testing.assert_allclose(lengths, TYPICAL_NORM, rtol=1e-5)
    cosine = (found.embeddings * vectors).sum(1) / lengths / np.linalg.norm(vectors, axis=1)
    np.testing.assert_allclose(cosine, 1, rtol=1e-3)
    assert "scaled to 10" in found.notes[0]
    assert found.embeddings.dtype == np.float32


def test_other_lengths_are_kept(tmp_path: Path) -> None:
    usual = read(tmp_path, "abc", mine=some(3, length=9.0))
    np.testing.assert_array_equal(usual.embeddings, some(3, length=9.0))
    assert usual.notes == ()
    odd = read(tmp_path, "abc", mine=some(3, length=40.0))
    np.testing.assert_array_equal(odd.embeddings, some(3, length=40.0))
    assert "lengths from 40 to 40" in odd.notes[0]


def test_several_tensors_that_fit(tmp_path: Path) -> None:
    tensors = {"b_multi": some(3), "a_multi": some(3) + 1, "other": some(5)}
    found = read(tmp_path, "abc", **tensors)
    np.testing.assert_array_equal(found.embeddings, tensors["a_multi"])
    assert "'a_multi' is used, others are 'b_multi'" in found.notes[0]
    assert "--embeddings-tensor" in found.notes[0]
    # Embeddings of single phrases, as CLIPSeg was trained with, come first.
    tensors["c_single"] = some(3) + 2
    found = read(tmp_path, "abc", **tensors)
    np.testing.assert_array_equal(found.embeddings, tensors["c_single"])
    assert "'c_single' is used, others are 'a_multi', 'b_multi'" in found.notes[0]
    del tensors["a_multi"]
    files = written(tmp_path, "abc", **tensors)
    chosen = read_embeddings(*files.values(), WIDTH, tensor="b_multi")
    np.testing.assert_array_equal(chosen.embeddings, tensors["b_multi"])
    assert chosen.notes == ()
    assert chosen.origin == "tensor b_multi of e.safetensors"
    with pytest.raises(VocabularyError, match="no tensor 'x'; it has: b_multi, c_single, other"):
        read_embeddings(*files.values(), WIDTH, tensor="x")
    with pytest.raises(VocabularyError, match=r"shape \[3, 24\] is needed; .* other \[5, 24\]$"):
        read_embeddings(*files.values(), WIDTH, tensor="other")


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"mine": some(2)}, r"has 3 names .* shape \[3, 24\] is needed; .* has: mine \[2, 24\]"),
        ({"mine": some(3)[:, :20]}, r"length 24, .*mine \[3, 20\]"),
        ({"mine": some(3)[None]}, r"mine \[1, 3, 24\]"),
        ({}, "has: no tensors"),
        ({"mine": some(3) * np.nan}, "zero or not finite"),
        ({"mine": some(3) * [[1], [0], [1]]}, "zero or not finite"),
    ],
)
def test_embeddings_that_do_not_fit(
    tmp_path: Path, tensors: dict[str, np.ndarray], words: str
) -> None:
    with pytest.raises(VocabularyError, match=words):
        read(tmp_path, "abc", **tensors)


# Names


def names_from(folder: Path, content: str | bytes, count: int) -> tuple[str, ...]:
    save_file({"mine": some(count)}, folder / "e.safetensors")
    raw = content.encode() if isinstance(content, str) else content
    (folder / "names").write_bytes(raw)
    return read_embeddings(folder / "e.safetensors", folder / "names", WIDTH).names


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('["water", "solar panel"]', ("water", "solar panel")),
        ("water\nsolar panel\n", ("water", "solar panel")),
        ("\ufeffwater\r\n\r\n  solar   panel ", ("water", "solar panel")),
        (' \n [" water", "l\'été\\t水"]', ("water", "l'été 水")),
        ('["say \\"hi\\"", "a/b; c"]', ('say "hi"', "a/b; c")),
    ],
)
def test_names(tmp_path: Path, content: str, expected: tuple[str, ...]) -> None:
    assert names_from(tmp_path, content, 2) == expected


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "holds no names"),
        ("\n \n", "holds no names"),
        ("[]", "holds no names"),
        ('["a", ""]', "name 2 is empty"),
        ('["a", "b, c"]', "name 2: 'b, c' holds a comma"),
        ("a\nb\nA", "name 3: 'A' is also name 1"),
        ('["a b", " A  B"]', "name 2: 'A B' is also name 1"),
        ('["a", 2]', "must be a JSON list of strings"),
        ('{"a": 1}', "must be a JSON list of strings"),
        ('["a"', "not a valid JSON list"),
        (b"\xff\xfea", "cannot be read"),
        ("x" * 1001, "1,001 characters"),
    ],
)
def test_names_that_cannot_be(tmp_path: Path, content: str | bytes, words: str) -> None:
    with pytest.raises(VocabularyError, match=words):
        names_from(tmp_path, content, 2)


def test_names_of_every_kind_reach_the_package(towerless: Path, tmp_path: Path) -> None:
    names = ['say "hi"', "Wälder; Seen", "水", "50 % roof", "a\\b", "salt AND pepper", "a (b)"]
    files: dict[str, Any] = written(tmp_path, names, mine=some(7))
    built = build(tmp_path / "x.dlpk", weights=str(towerless), **files)
    segmenter = opened(built.path, tmp_path / "x")
    assert segmenter.definition.prompt_names == tuple(names)
    assert segmenter.embedder.texts(names).shape == (7, WIDTH)
    # And the default prompt, which is all of them, asks for them.
    assert make_plan(segmenter.definition.prompt).texts == tuple(names)
    assert dlpk.test(built.path, device="cpu").status == "passed"
