"""The command and function `validate`: all findings, in order, and nothing of a package is run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from dlpk.cli.main import main
from dlpk.validation.rules import RULES
from dlpk.validation.validate import validate
from tests.support.functions_text import CLEAN, EMD, SAMPLES, changed, judge, rules, write_case
from tests.support.packages import make_zip
from tests.support.tiny_clipseg import settings, write_folder

ROOT = Path(__file__).parents[3]
FILES = {
    "Model.emd": json.dumps(EMD).encode(),
    "Model.py": CLEAN.encode(),
    "limits.txt": b"0.5\n",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Packages as `dlpk build` makes them."""
    from builder import build

    folder = tmp_path_factory.mktemp("built")
    weights = write_folder(folder / "weights", settings())
    free, frozen = folder / "Free.dlpk", folder / "Frozen.dlpk"
    build(free, weights=str(weights), prompt="water, vegetation")
    build(frozen, weights=str(weights), freeze_prompts="water, solar panel")
    unpacked = folder / "Unpacked"
    with zipfile.ZipFile(free) as archive:
        archive.extractall(unpacked)
    return {"free": free, "frozen": frozen, "unpacked": unpacked}


@pytest.mark.parametrize("name", ["free", "frozen", "unpacked"])
def test_packages_that_we_build_have_no_findings(name: str, built: dict[str, Path]) -> None:
    report = validate(built[name])
    assert not report.findings, report.to_text()


def test_weights_of_another_network_are_found(built: dict[str, Path], tmp_path: Path) -> None:
    target = tmp_path / "Tiny"
    shutil.copytree(built["unpacked"], target)
    (emd,) = target.glob("*.emd")
    definition = json.loads(emd.read_text("utf-8"))
    definition["CLIPSeg"]["Network"]["reduce_dim"] = 32
    emd.write_text(json.dumps(definition), encoding="utf-8")
    assert "weights/other-network" in rules(validate(target))
    assert "manifest/file-changed" in rules(validate(target))


# --- every form of a package ----------------------------------------------------------------


def test_zip_folder_and_definition_give_the_same_findings(tmp_path: Path) -> None:
    text = changed(('scalars.get("padding", 0)', 'scalars["padding"]'))
    folder = judge(tmp_path / "Model", text)
    files = {**FILES, "Model.py": text.encode()}
    packed = validate(make_zip(tmp_path / "Model.dlpk", files))
    assert rules(folder) == rules(packed) == ["arguments/no-default"]
    assert list(packed) == list(folder) == list(validate(tmp_path / "Model" / "Model.emd"))


def test_definition_as_text(tmp_path: Path) -> None:
    assert not validate(json.dumps(EMD)).findings
    broken = validate('  {"ModelType": "ImageClassification", }')
    assert not broken.ok
    judge(tmp_path)
    absolute = {**EMD, "InferenceFunction": str(tmp_path / "Model.py")}
    assert rules(validate(json.dumps(absolute))) == ["emd/path-absolute"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("missing.dlpk", None),
        ("missing.emd", None),
        ("empty.dlpk", b""),
        ("noise.dlpk", b"no zip at all" * 10),
        ("cut.dlpk", b"PK\x03\x04" + bytes(100)),
        ("broken.emd", b"{"),
        ("list.emd", b"[]"),
        ("binary.emd", bytes(range(256))),
    ],
)
def test_what_is_no_package_is_a_finding(name: str, content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    report = validate(tmp_path / name)
    assert report.errors
    assert all(finding.rule in RULES for finding in report)


# --- nothing is run -------------------------------------------------------------------------


def test_reading_a_package_runs_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mark = f"open({str(tmp_path / 'i-was-run')!r}, 'w').close()\n"
    names = ("helper.py", "__init__.py", "sitecustomize.py", "json.py", "numpy/__init__.py")
    files: dict[str, str | bytes] = dict.fromkeys(names, mark)
    text = "import helper\nfrom . import numpy\n" + mark + CLEAN
    judge(tmp_path / "Model", text, files=files)
    make_zip(
        tmp_path / "Model.dlpk",
        {**FILES, "Model.py": text.encode(), "helper.py": mark.encode()},
    )
    validate(tmp_path / "Model.dlpk")
    assert not (tmp_path / "i-was-run").exists()
    assert not {"helper", "Model"} & set(sys.modules)
    assert not list(tmp_path.rglob("__pycache__"))


IMPORTS = """
import sys
from dlpk.cli.main import main
main(sys.argv[1:])
heavy = [name for name in ("torch", "osgeo", "transformers", "matplotlib") if name in sys.modules]
print("heavy:", heavy, "numpy" in sys.modules)
"""


@pytest.mark.parametrize(
    ("words", "case", "numpy"),
    [
        (["validate"], "function/class-name", False),
        (["validate", "--sarif"], "weights/damaged", False),
        (["validate"], "weights/damaged-safetensors", True),
    ],
)
def test_heavy_libraries_are_not_imported(
    words: list[str], case: str, numpy: bool, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, *words, str(write_case(case, tmp_path / "Model"))],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    last = done.stdout.splitlines()[-1]
    assert last.startswith("heavy: []")
    assert numpy or last.endswith("False")


# --- the command ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "level", "code"),
    [
        ("clean", "note", 0),
        ("function/definition-unread", "warning", 0),
        ("function/writes-beside", "warning", 1),
        ("function/class-name", "error", 1),
    ],
)
def test_exit_codes(
    case: str, level: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clean = SAMPLES / "clean" / "classifier"
    folder = str(clean if case == "clean" else write_case(case, tmp_path / "Model"))
    for more in ([], ["--json"], ["--sarif"]):
        assert main(["validate", folder, "--fail-on", level, *more]) == code
    assert main(["validate", folder]) == int(case == "function/class-name")
    capsys.readouterr()


def test_forms_of_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(write_case("function/method-advised", tmp_path / "Model"))
    main(["validate", folder])
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "0 errors, 1 warning, 1 note"
    assert lines[0].startswith("Model.py:9:1: warning: ")
    main(["validate", folder, "--json"])
    report = json.loads(capsys.readouterr().out)
    assert (report["ok"], report["warnings"]) == (True, 1)
    assert report["findings"][0]["rule"] == "function/method-advised"
    main(["validate", folder, "--sarif"])
    assert json.loads(capsys.readouterr().out)["version"] == "2.1.0"


@pytest.mark.parametrize("kind", ["emd", "folder"])
def test_a_broken_definition_hides_neither_function_nor_weights(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "Model"
    folder.mkdir()
    (folder / "Model.py").write_text("import os\n\nclass Model:\n    pass\n")
    text = json.dumps({**EMD, "InferenceFunction": "Model.py", "ModelFile": "gone.pth"}, indent=1)
    (folder / "Model.emd").write_text(text[:-2] + ",\n}")
    report = validate(folder / "Model.emd" if kind == "emd" else folder)
    found = {finding.rule for finding in report}
    assert {"emd/not-json", "function/method-missing", "weights/not-there"} <= found
    assert not [rule for rule in found if rule.startswith("container/")]
    assert "Rename" not in report.to_text() and "ends in .emd" not in report.to_text()
