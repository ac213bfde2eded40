"""Packages from end to end: what is in them, and that nothing is left when building fails."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from safetensors.numpy import load_file as load_numpy
from safetensors.torch import load_file, save_file

import builder.package
import builder.sources
from builder import BuildError, build
from builder.naming import LONGEST_CLASS, class_names, file_stem, plain_text
from builder.provenance import CHIPS, VERSION, licences_text
from dlpk.container import check_container
from model_extension.clipseg.definition import read_definition
from model_extension.clipseg.tensors import tensor_shapes
from schemas.emd import validate_emd
from schemas.manifest import validate_manifest
from tests.tiny_clipseg import settings, write_folder

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("source") / "weights", settings())


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Networks as small as these only get slower with more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def package(pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package with default options; not to be changed."""
    return build(tmp_path_factory.mktemp("made") / "Some Name.dlpk", weights=str(pristine)).path


@pytest.fixture
def folder(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "weights"))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "made").mkdir()
    return tmp_path / "made" / "Some Name.dlpk"


def unpacked(package: Path, target: Path) -> Path:
    with zipfile.ZipFile(package) as archive:
        archive.extractall(target)
    return target


def read_emd(package: Path) -> dict[str, Any]:
    with zipfile.ZipFile(package) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".emd"))
        emd: dict[str, Any] = json.loads(archive.read(name))
    return emd


def read_manifest(package: Path) -> dict[str, Any]:
    with zipfile.ZipFile(package) as archive:
        manifest: dict[str, Any] = json.loads(archive.read("manifest.json"))
    return manifest


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
    code = {f"clipseg/{path.name}" for path in (ROOT / "model_extension/clipseg").glob("*.py")}
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
        "golden/probabilities.npy",
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


def test_definition(pristine: Path, out: Path, tmp_path: Path) -> None:
    build(out, weights=str(pristine), prompt=" water ,  Solar  Panels,water", threshold=0.25)
    emd = read_emd(out)
    assert emd["CLIPSeg"]["Prompt"] == "water , Solar Panels,water"
    assert [(c["Value"], c["Name"]) for c in emd["Classes"]] == [(1, "water"), (2, "Solar Panels")]
    assert (emd["Threshold"], emd["ImageHeight"], emd["Padding"]) == (0.25, 64, 16)
    assert emd["CLIPSeg"]["Mean"] == [0.485, 0.456, 0.406]
    network = settings()
    for tower in ("vision_config", "text_config"):
        for key, value in emd["CLIPSeg"]["Network"][tower].items():
            assert value == network[tower][key]
    definition = read_definition(str(unpacked(out, tmp_path / "u") / "Some_Name.emd"), "")
    assert definition.prompt == emd["CLIPSeg"]["Prompt"]
    assert definition.prompt_names is None


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


def test_licences_of_golden_chips() -> None:
    text = licences_text(CHIPS.values())
    for words in (
        "modified Copernicus Sentinel data 2016",
        "National Ecological Observatory Network",
        "Redistributions in binary form must reproduce",
        "Stefan van der Walt",
        "Rachel Michetti",
        "NASA",
    ):
        assert words in text


def test_an_old_package_is_replaced(pristine: Path, out: Path) -> None:
    out.write_bytes(b"old")
    build(out, weights=str(pristine))
    assert zipfile.is_zipfile(out)
    assert out.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_legacy_end_token(tmp_path: Path, out: Path) -> None:
    """The hub's config says 2 and means the highest id; the package says the same."""
    build(out, weights=str(write_folder(tmp_path / "old", settings(end_token=2))))
    assert read_emd(out)["CLIPSeg"]["Network"]["text_config"]["eos_token_id"] == 2


def test_windows_line_ends_of_a_checkout(
    pristine: Path, package: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Path(shutil.copytree(ROOT / "model_extension", tmp_path / "model_extension"))
    for path in home.rglob("*.py"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    monkeypatch.setattr(builder.package.model_extension, "__file__", str(home / "__init__.py"))
    build(out, weights=str(pristine))
    assert out.read_bytes() == package.read_bytes()


# The miniature


def test_mini_is_labelled_as_such(
    pristine: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder.sources, "MINI_FOLDER", pristine)
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


@pytest.mark.skipif(not builder.sources.MINI_FOLDER.is_dir(), reason="no miniature yet")
def test_the_miniature_itself(out: Path) -> None:
    built = build(out, weights="mini")
    assert built.notes == ()
    assert built.size < 10_000_000
    assert list(check_container(out)) == []


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


def test_empty_name(pristine: Path, out: Path) -> None:
    build(out, weights=str(pristine), name=" \n")
    assert read_emd(out)["Name"] == "Some Name"


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


# Options that cannot be


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"precision": "int8"}, "precision is 'int8'; it must be one of fp16, fp32"),
        ({"threshold": 1.5}, "threshold is 1.5"),
        ({"threshold": float("nan")}, "threshold is nan"),
        ({"threshold": "0.3"}, "threshold is '0.3'"),
        ({"freeze_prompts": "a", "prompt_embeddings": "b", "names": "c"}, "not both"),
        ({"prompt_embeddings": "b"}, "go together"),
        ({"names": "c"}, "go together"),
        ({"embeddings_tensor": "c"}, "of no use without"),
        ({"prompt": ",,"}, "empty"),
        ({"prompt": "x" * 10_000}, "10,000 characters"),
        ({"prompt": ", ".join(map(str, range(300)))}, "300 prompts"),
        ({"freeze_prompts": ""}, "empty"),
    ],
)
def test_options(pristine: Path, out: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(BuildError, match=words):
        build(out, weights=str(pristine), **options)
    assert os.listdir(out.parent) == []


def test_targets(pristine: Path, out: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder.dlpk"
    folder.mkdir()
    for target, words in (
        (out.with_suffix(".zip"), "does not end in .dlpk"),
        (out.with_suffix(""), "does not end in .dlpk"),
        (folder, "is a folder: name a file"),
        (tmp_path / "nowhere" / "x.dlpk", "does not exist: make it first"),
    ):
        with pytest.raises(BuildError, match=words.replace(".", r"\.")):
            build(target, weights=str(pristine))
    assert list(folder.iterdir()) == []


def in_process(code: str, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        **options,
    )


BUILD = """
import sys
from builder import BuildError, build
try:
    print(build(sys.argv[1], weights=sys.argv[2]).sha256)
except BuildError as error:
    print("BuildError:", error)
"""


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_read_only_folder(pristine: Path, out: Path) -> None:
    out.write_bytes(b"old")
    out.parent.chmod(0o555)
    drop = "import os\nif os.getuid() == 0:\n    os.setgroups([])\n    os.setuid(65534)\n"
    # Whoever runs the tests, the folders above are to be passed.
    for above in (*out.parents[1:4], *pristine.parents[:3]):
        above.chmod(above.stat().st_mode | 0o055)
    try:
        done = in_process("import builder.package, builder.golden\n" + drop + BUILD, out, pristine)
    finally:
        out.parent.chmod(0o755)
    assert "BuildError" in done.stdout and "cannot be written to" in done.stdout, done.stderr
    assert out.read_bytes() == b"old"
    assert os.listdir(out.parent) == [out.name]


@pytest.mark.parametrize("stage", ["weights", "zip"])
def test_disk_full(pristine: Path, package: Path, out: Path, stage: str) -> None:
    """A limit on the size of files stops the writing as a full disk does."""
    with zipfile.ZipFile(package) as archive:
        weights = archive.getinfo("model.safetensors").file_size
    limit = weights // 2 if stage == "weights" else package.stat().st_size - 1
    assert limit > weights or stage == "weights"
    out.write_bytes(b"old")
    done = in_process(
        BUILD,
        out,
        pristine,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert f"the disk of {out.parent} is full" in done.stdout, done.stderr
    assert out.read_bytes() == b"old"
    assert os.listdir(out.parent) == [out.name]


def test_too_little_room_is_known_beforehand(
    pristine: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type(shutil.disk_usage("."))(10**9, 10**9, 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(BuildError, match=r"building needs \d+ MB .*, 0 MB are free"):
        build(out, weights=str(pristine))
    assert os.listdir(out.parent) == []


STAGES = (
    "open_source",
    "read_tokenizer",
    "write_safetensors",
    "weights_record",
    "emd_bytes",
    "write_golden",
    "manifest_bytes",
    "write_zip",
    "file_hash",
)


@pytest.mark.parametrize(
    ("stage", "kind"),
    [
        *((stage, KeyboardInterrupt) for stage in STAGES),
        ("write_safetensors", OSError),
        ("write_zip", OSError),
        ("emd_bytes", MemoryError),
    ],
)
def test_nothing_is_left_behind(
    pristine: Path,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
    kind: type[BaseException],
) -> None:
    def after(work: Callable[..., Any]) -> Callable[..., Any]:
        def interrupted(*arguments: Any, **options: Any) -> Any:
            work(*arguments, **options)
            raise kind("at the worst moment")

        return interrupted

    out.write_bytes(b"old")
    monkeypatch.setattr(builder.package, stage, after(getattr(builder.package, stage)))
    with pytest.raises(BuildError if kind is OSError else kind, match="at the worst moment"):
        build(out, weights=str(pristine))
    assert out.read_bytes() == b"old"
    assert os.listdir(out.parent) == [out.name]


@pytest.mark.parametrize("moment", ["open_source", "write_golden", "write_zip"])
def test_interrupted_by_a_signal(pristine: Path, out: Path, moment: str) -> None:
    """Ctrl-C as the terminal sends it, while a stage is at work."""
    out.write_bytes(b"old")
    code = f"""
import sys, time
import builder.package as package
work = package.{moment}
def slow(*arguments, **options):
    work(*arguments, **options)
    print("now", flush=True)
    time.sleep(60)
package.{moment} = slow
package.build(sys.argv[1], weights=sys.argv[2])
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(out), str(pristine)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "now\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors
    assert out.read_bytes() == b"old"
    assert os.listdir(out.parent) == [out.name]


# Weights that cannot be


def change(folder: Path, work: Callable[[dict[str, np.ndarray]], None]) -> None:
    tensors = {k: np.array(v) for k, v in load_numpy(folder / "model.safetensors").items()}
    work(tensors)
    save_file(
        {k: torch.from_numpy(v).contiguous() for k, v in tensors.items()},
        folder / "model.safetensors",
    )


PROJECTION = "clip.visual_projection.weight"


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_broken_values(folder: Path, out: Path, value: float, precision: str) -> None:
    change(folder, lambda tensors: tensors[PROJECTION].__setitem__((1, 2), value))
    with pytest.raises(BuildError, match=f"{PROJECTION}' holds values that are not finite"):
        build(out, weights=str(folder), precision=precision)
    assert os.listdir(out.parent) == []


def test_values_beyond_half_precision(folder: Path, out: Path) -> None:
    change(folder, lambda tensors: tensors[PROJECTION].__setitem__((1, 2), -70_000.0))
    with pytest.raises(BuildError, match=r"holds 70000, .* precision fp32"):
        build(out, weights=str(folder))
    assert os.listdir(out.parent) == []
    build(out, weights=str(folder), precision="fp32")


def test_missing_tensor(folder: Path, out: Path) -> None:
    change(folder, lambda tensors: tensors.pop(PROJECTION))
    with pytest.raises(BuildError, match=f"1 of .* tensors are missing, first '{PROJECTION}'"):
        build(out, weights=str(folder))
    assert os.listdir(out.parent) == []


def test_tensor_of_another_shape(folder: Path, out: Path) -> None:
    change(folder, lambda tensors: tensors.update({PROJECTION: np.zeros((3, 4), np.float32)}))
    with pytest.raises(BuildError, match=rf"'{PROJECTION}' has shape \[3, 4\]"):
        build(out, weights=str(folder))


def test_settings_of_another_network(folder: Path, out: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    for changes, words in (
        ({"extract_layers": [0, 1, 9]}, "extract_layers"),
        ({"reduce_dim": "x"}, r"config\.json: .*'x'"),
        ({"vision_config": {**config["vision_config"], "hidden_act": "relu"}}, "activation"),
    ):
        (folder / "config.json").write_text(json.dumps({**config, **changes}))
        with pytest.raises(BuildError, match=words):
            build(out, weights=str(folder))
    assert os.listdir(out.parent) == []


def test_image_size_that_does_not_fit_the_patches(folder: Path, out: Path) -> None:
    (folder / "preprocessor_config.json").write_text('{"size": 60}')
    with pytest.raises(BuildError, match="image size 60 must be a multiple of the patch size 8"):
        build(out, weights=str(folder))


def test_notes_of_the_source_are_passed_on(folder: Path, out: Path) -> None:
    (folder / "preprocessor_config.json").write_text(
        '{"size": 64, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}'
    )
    built = build(out, weights=str(folder))
    assert any("mistake of the hub's files" in note for note in built.notes)
    assert read_emd(out)["CLIPSeg"]["Mean"] == [0.485, 0.456, 0.406]


def test_unreadable_source_is_not_blamed_on_the_target(folder: Path, out: Path) -> None:
    (folder / "vocab.json").write_bytes(b"\xff\xfe")
    with pytest.raises(BuildError, match=r"vocab\.json is not UTF-8"):
        build(out, weights=str(folder))
