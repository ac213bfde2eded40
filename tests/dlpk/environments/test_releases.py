"""Packages run with the libraries of other releases; environments are made whole or not at all.

The release is played by this Python: its version and a numpy of wheels made here, or this
environment's own libraries in a virtual environment that is put in place.
"""

from __future__ import annotations

import json
import os
import sys
import venv
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlpk.authoring import fitting
from dlpk.cli.main import main
from dlpk.environments import making
from dlpk.environments.making import cache_folder, make_release, releases_in, requirements
from dlpk.environments.pythons import find_python, version_of
from dlpk.errors import ArgumentsError, ReleaseError
from dlpk.testing.release_checks import check_releases
from dlpk.testing.rules import RunFindings
from schemas.findings import Report
from tests.support import networks
from tests.support.runs import FUNCTIONS, make_package

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DLPK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(making.VERSIONS["python"], "3.3", VERSION)
    for name in ("PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache" / "environments"


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the libraries that the tests run with."""
    folder = tmp_path_factory.mktemp("ready") / "made"
    venv.create(folder)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "here.pth").write_text(f"{Path(np.__file__).parents[1]}\n")
    return folder


def put(ready: Path, cache: Path) -> None:
    cache.mkdir(parents=True)
    os.symlink(ready, cache / f"python{VERSION}-numpy1.24")


def judged(folder: Path, *changes: tuple[str, str], function: str = "Judged", **emd: Any) -> Path:
    text = (FUNCTIONS / f"{function}.py").read_text()
    for mark, line in changes:
        (old,) = [row for row in text.splitlines() if row.endswith(f"# {mark}")]
        text = text.replace(old, old[: len(old) - len(old.lstrip())] + line)
    return make_package(folder, function, text=text, emd=emd)


# What tells the environment of the release from the one that the tests run in.
THERE = "'cache' in __import__('sys').prefix"


@pytest.mark.parametrize(
    ("line", "rule", "words"),
    [
        ("pass", "run/pro-runs", "2 blocks are the same as with Python"),
        (
            f"result = result ^ ({THERE})",
            "run/pro-differs",
            "100.00% of the pixels of a block",
        ),
        (f"assert not {THERE}, 'too old'", "run/pro-fails", "AssertionError: too old"),
        (f"{THERE} and __import__('nowhere')", "run/pro-not-run", "the module 'nowhere' is not"),
        (f"{THERE} and __import__('os')._exit(7)", "run/pro-not-run", "it ended with code 7"),
    ],
)
def test_a_release(
    tmp_path: Path, cache: Path, ready: Path, line: str, rule: str, words: str
) -> None:
    put(ready, cache)
    package = judged(tmp_path / "P", ("PIXELS", line.replace("(True)", "1")))
    report = check_releases(package, ["3.3", "3.3"], device="cpu")
    (finding,) = report
    assert finding.rule == rule, report.to_text()
    assert words in finding.message
    assert finding.message.startswith(("ArcGIS Pro 3.3 (Python 3.", "nothing was run for ArcGIS"))


def test_a_detector(tmp_path: Path, cache: Path, ready: Path) -> None:
    put(ready, cache)
    detector = {"function": "Spots", "ModelType": "ObjectDetection"}
    (finding,) = check_releases(judged(tmp_path / "P", **detector), ["3.3"], device="cpu")
    assert finding.rule == "run/pro-runs"
    move = f"for f in features: f['geometry']['rings'][0][0][0] += 9 * ({THERE})"
    package = judged(tmp_path / "Q", ("FEATURES", move), **detector)
    (finding,) = check_releases(package, ["3.3"], device="cpu")
    assert finding.rule == "run/pro-differs"


def test_command(
    tmp_path: Path, cache: Path, ready: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(ready, cache)
    package = str(judged(tmp_path / "P"))
    assert main(["validate", package, "--run", "--pro", "3.3", "--blocks", "1"]) == 0
    assert "[run/pro-runs]" in capsys.readouterr().out
    assert main(["validate", package, "--pro", "3.3"]) == 2
    assert main(["validate", package, "--run", "--pro", "3.3", "--isolate"]) == 2
    assert main(["validate", package, "--run", "--pro", "2.9"]) == 1
    assert "nothing is known of ArcGIS Pro '2.9'; known are 3.0" in capsys.readouterr().err


def test_new_asks_releases(
    tmp_path: Path,
    cache: Path,
    ready: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cache.mkdir(parents=True)
    os.symlink(ready, cache / f"python{VERSION}-numpy1.24-torch2.0")
    network = str(networks.torchscript(tmp_path / "net.pt", networks.Pixels()))
    monkeypatch.chdir(tmp_path)
    command = ["new", "lakes", "--model", network, "--classes", "a,b,c,d", "--tile", "64", "--pro"]
    assert main([*command, "3.3"]) == 0
    text = capsys.readouterr().out
    assert "runs with the Python and torch of ArcGIS Pro 3.3" in text
    assert "dlpk pack lakes lakes.dlpk" in text
    definition = json.loads((tmp_path / "lakes" / "lakes.emd").read_text())
    assert definition["Description"].endswith("torch of ArcGIS Pro 3.3.")

    def fails(*arguments: Any, **more: Any) -> Report:
        findings = RunFindings()
        findings.add("run/pro-fails", "ArcGIS Pro 3.3: unknown operator", "Change it.")
        return findings.report()

    monkeypatch.setattr(fitting, "check_releases", fails)
    command[1] = "seas"
    assert main([*command, "3.3"]) == 1
    assert "unknown operator. Ask for other releases" in capsys.readouterr().err
    assert not (tmp_path / "seas").exists()


def test_releases_are_written_as_ranges() -> None:
    assert releases_in("3.3..3.5") == ["3.3", "3.4", "3.5"]
    assert releases_in("3.6, 3.0,3.6") == ["3.6", "3.0"]
    for text in ("3.3..4.0", "3.5..3.3", "", "3.3-3.5"):
        with pytest.raises(ArgumentsError, match="ArcGIS Pro"):
            releases_in(text)


def wheel(folder: Path, version: str) -> None:
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"numpy-{version}-py3-none-any.whl", "w") as archive:
        about = f"numpy-{version}.dist-info"
        archive.writestr("numpy/__init__.py", f"__version__ = {version!r}\n")
        archive.writestr(
            f"{about}/METADATA", f"Metadata-Version: 2.1\nName: numpy\nVersion: {version}\n"
        )
        archive.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{about}/RECORD", "")


def test_an_environment_is_made_once(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    told: list[str] = []
    for version in ("1.23.9", "1.24.7", "1.25.0"):
        wheel(tmp_path / "wheels", version)
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    made = make_release("3.3", (), told.append)
    assert [path.name for path in cache.iterdir()] == [f"python{VERSION}-numpy1.24"]
    assert version_of(str(made.python)) == VERSION
    inside = made.python.parents[1]
    assert list(inside.glob("lib/python*/site-packages/numpy-1.24.7.dist-info"))
    assert len(told) == 1
    assert make_release("3.3", ()) == made
    assert len(told) == 1


def test_what_cannot_be_had(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(making.VERSIONS["python"], "3.3", "3.99")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ReleaseError, match=r"has Python 3\.99, which is not on this machine.*uv"):
        make_release("3.3", ())
    assert find_python("3.99") is None
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\necho 'error: no download found' >&2\nexit 2\n")
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    with pytest.raises(ReleaseError, match="uv cannot fetch it: error: no download found"):
        make_release("3.3", ())
    assert not any(cache.iterdir())
    with pytest.raises(ArgumentsError, match=r"nothing is known of ArcGIS Pro '4\.0'"):
        make_release("4.0", ())


def test_only_what_a_package_imports_is_installed() -> None:
    assert requirements("3.3", {"json", "scipy"}) == ["numpy==1.24.*"]
    assert requirements("3.0", {"torch"}) == ["numpy==1.20.*", "torch==1.8.*"]
    assert requirements("3.6", {"transformers"}) == [
        "numpy==2.2.*",
        "torch==2.5.*",
        "transformers==4.51.*",
    ]


def test_where_environments_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DLPK_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "dlpk"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder() == Path.home() / ".cache" / "dlpk"
