"""Packages from end to end: what is in them, and what they are called."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from safetensors.torch import load_file

import builder.clipseg.build
import builder.clipseg.sources
from builder import build
from builder.clipseg.provenance import CHIPS
from builder.manifest import VERSION
from builder.naming import LONGEST_CLASS, class_names, file_stem, plain_text
from dlpk.package.open import check_container
from model_extension.clipseg.contract.definition import read_definition
from model_extension.clipseg.network.tensors import tensor_shapes
from schemas.emd.validate import validate_emd
from schemas.manifest import validate_manifest
from tests.support import built_packages
from tests.support.built_packages import read_emd, read_manifest, unpacked

ROOT = Path(__file__).parents[2]
pristine = built_packages.pristine
package = built_packages.package
out = built_packages.out


# What is in it


def test_files(pristine: Path, out: Path) -> None:
    built = build(out, weights=str(pristine))
    assert built.path == out
    assert built.size == out.stat().st_size
    assert built.sha256 == hashlib.sha256(out.read_bytes()).hexdigest()
    with zipfile.ZipFile(out) as archive:
        names = archive.namelist()
        assert names == sorted(names)
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
    assert [name for name in names if name.endswith(".emd")] == ["Some_Name.emd"]
    home = ROOT / "model_extension"
    code = {
        path.relative_to(home).as_posix()
        for folder in ("clipseg", "common")
        for path in (home / folder).rglob("*.py")
    }
    assert set(names) == {
        "Some_Name.emd",
        "CLIPSegClassifier.py",
        *code,
        "model.safetensors",
        "vocab.json",
        "merges.txt",
        "manifest.json",
        "LICENSES.md",
        "golden/golden.json",
        "golden/inputs.npy",
        "golden/expected.npy",
    }
    with zipfile.ZipFile(out) as archive:
        for name in code:
            assert archive.read(name) == (ROOT / "model_extension" / name).read_bytes()
    assert os.listdir(out.parent) == [out.name]


def test_it_passes_every_check_in_silence(pristine: Path, out: Path, tmp_path: Path) -> None:
    build(out, weights=str(pristine), prompt='water, l\'eau; "bleue" <profonde>, 水')
    package = unpacked(out, tmp_path / "unpacked")
    emd = (package / "Some_Name.emd").read_bytes()
    assert validate_emd(emd, profile="package").findings == ()
    assert validate_emd(emd).findings == ()
    assert validate_manifest((package / "manifest.json").read_bytes()).findings == ()
    assert list(check_container(out)) == []


@pytest.mark.parametrize(("precision", "dtype"), [("fp16", "F16"), ("fp32", "F32")])
def test_weights(pristine: Path, out: Path, tmp_path: Path, precision: str, dtype: str) -> None:
    build(out, weights=str(pristine), precision=precision)
    path = unpacked(out, tmp_path / "unpacked") / "model.safetensors"
    source, written = load_file(pristine / "model.safetensors"), load_file(path)
    definition = read_definition(str(path.with_name("Some_Name.emd")), "")
    assert (
        set(written) == set(tensor_shapes(definition.network)) == set(source) - {"clip.logit_scale"}
    )
    size = sum(tensor.nbytes for tensor in source.values())
    assert path.stat().st_size / size == pytest.approx(0.5 if dtype == "F16" else 1, abs=0.05)
    half = torch.float16 if dtype == "F16" else torch.float32
    for name, tensor in written.items():
        assert tensor.dtype == half
        assert torch.equal(tensor, source[name].to(half))


def test_manifest(pristine: Path, out: Path, tmp_path: Path) -> None:
    build(out, weights=str(pristine), name="Ünï")
    package, manifest = unpacked(out, tmp_path / "unpacked"), read_manifest(out)
    files = {p.relative_to(package).as_posix(): p for p in package.rglob("*") if p.is_file()}
    assert set(manifest["files"]) == set(files) - {"manifest.json"}
    for name, record in manifest["files"].items():
        content = files[name].read_bytes()
        assert record == {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    assert manifest["name"] == "Ünï"
    assert manifest["created_by"] == {"name": "dlpk", "version": VERSION}
    read = {"config.json", "preprocessor_config.json", "vocab.json", "merges.txt"}
    assert set(manifest["weights"]["files"]) == {*read, "model.safetensors"}
    for name, digest in manifest["weights"]["files"].items():
        assert digest == hashlib.sha256((pristine / name).read_bytes()).hexdigest()


def test_version_is_that_of_the_project() -> None:
    assert f'\nversion = "{VERSION}"\n' in (ROOT / "pyproject.toml").read_text()


def test_licences_state_the_contradiction(package: Path) -> None:
    text = zipfile.ZipFile(package).read("LICENSES.md").decode()
    parts = {entry["part"]: entry for entry in read_manifest(package)["licences"]}
    decoder = parts["CLIPSeg decoder weights"]
    assert "contradict" in decoder["note"]
    assert decoder["licence"] == "unclear: Apache-2.0 or research only"
    for words in (
        "contradict",
        "Copyright (c) 2021 OpenAI",
        "Apache-2.0",
    ):
        assert words in text
    for part in parts:
        assert f"## {part}\n" in text
    chips = {part for part in parts if part.startswith("golden chip")}
    assert len(chips) == 3 and chips < {licence.part for licence in CHIPS.values()}


def test_windows_line_ends_of_a_checkout(
    pristine: Path, package: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Path(shutil.copytree(ROOT / "model_extension", tmp_path / "model_extension"))
    for path in home.rglob("*.py"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    monkeypatch.setattr(
        builder.clipseg.build.model_extension, "__file__", str(home / "__init__.py")
    )
    build(out, weights=str(pristine))
    assert out.read_bytes() == package.read_bytes()


# The miniature


def test_mini_is_labelled_as_such(
    pristine: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder.clipseg.sources, "MINI_FOLDER", pristine)
    build(out, weights="mini")
    emd, manifest = read_emd(out), read_manifest(out)
    assert "miniature" in emd["Description"] and "not meant for real work" in emd["Description"]
    assert emd["CLIPSeg"]["Prompt"] == "water, vegetation"
    assert emd["Threshold"] == 0.5
    assert [entry["Name"] for entry in emd["Classes"]] == ["water", "vegetation"]
    assert manifest["weights"]["source"] == manifest["weights"]["kind"] == "mini"
    parts = [entry["part"] for entry in manifest["licences"]]
    assert "miniature weights (for demonstration)" in parts
    assert not any("CLIP" in part and "clipseg" not in part for part in parts)


# Names


NAMES = [
    ("Water Finder", "Water_Finder"),
    ("Wälder & Seen", "Walder_Seen"),
    ("水", "clipseg"),
    ("con", "clipseg_con"),
    ("LPT1", "clipseg_LPT1"),
    ("../../etc/passwd", "etc_passwd"),
    ("a" * 300, "a" * 60),
    ("x\ny", "x_y"),
    ('"; drop', "drop"),
    ("-rf", "rf"),
    ("half \udcff", "half"),
]


@pytest.mark.parametrize(("name", "stem"), NAMES)
def test_stem_of_any_name(name: str, stem: str) -> None:
    assert file_stem(name) == stem


@pytest.mark.parametrize("name", ['../水 "half\udcff\n', "nul"])
def test_any_name(pristine: Path, out: Path, name: str) -> None:
    build(out, weights=str(pristine), name=name)
    assert list(check_container(out)) == []
    assert read_emd(out)["Name"] == read_manifest(out)["name"] == plain_text(name)


@given(st.text(st.characters(codec=None), max_size=90))
def test_stems_are_plain(title: str) -> None:
    stem = file_stem(title)
    assert stem.isascii() and stem.replace("_", "").replace("-", "").isalnum()
    assert 1 <= len(stem) <= 70


@given(st.text(st.characters(codec=None)))
def test_plain_text_is_one_clean_line(text: str) -> None:
    clean = plain_text(text)
    clean.encode("utf-8")
    assert clean == " ".join(clean.split()) == plain_text(clean)
    assert json.loads(json.dumps(clean)) == clean


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=300), max_size=12))
@hypothesis_settings(max_examples=50)
def test_class_names_pass_the_schema(prompts: list[str]) -> None:
    names = class_names(prompts)
    assert len(names) == len(prompts)
    assert len({name.casefold() for name in names}) == len(names)
    assert all(0 < len(name) <= LONGEST_CLASS for name in names)
    emd = {
        "ModelType": "ImageClassification",
        "Classes": [
            {"Value": value, "Name": name, "Color": [value, 0, 0]}
            for value, name in enumerate(names, 1)
        ],
    }
    rules = {finding.rule for finding in validate_emd(json.dumps(emd))}
    assert not {rule for rule in rules if rule.startswith("emd/class-name")}
