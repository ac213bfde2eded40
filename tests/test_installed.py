"""The wheel in bare environments, from outside the checkout: with and without its extras."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import venv
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NamedTuple

import pytest
import tomllib

from dlpk.cli.main import COMMANDS
from dlpk.testing.synthetic import synthetic_pixels, write_raster
from tests.support.runs import make_package

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


class Environment(NamedTuple):
    """A virtual environment, and a folder outside the checkout to work in."""

    home: Path
    work: Path

    @property
    def packages(self) -> Path:
        """The folder that packages are installed into."""
        (folder,) = self.home.glob("lib/python*/site-packages")
        return folder

    def run(self, *words: object, code: int = 0) -> str:
        """Run a program of the environment; returns what it prints."""
        done = subprocess.run(
            [str(self.home / "bin" / str(words[0])), *map(str, words[1:])],
            cwd=self.work,
            env={"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, since building leaves folders behind."""
    source = tmp_path_factory.mktemp("source") / "dlpk"
    for name in ("schemas", "builder", "dlpk", "model_extension"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "-qqq", "wheel", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "-w", str(source.parent), str(source)], check=True, timeout=120)
    (built,) = source.parent.glob("*.whl")
    return built


def environment(home: Path, wheel: Path) -> Environment:
    """A bare environment with the wheel and nothing else."""
    venv.create(home, with_pip=False, symlinks=True)
    (home / "work").mkdir()
    pip = [sys.executable, "-m", "pip", "-qqq", "--python", str(home / "bin" / "python")]
    subprocess.run([*pip, "install", "--no-deps", "--no-index", str(wheel)], check=True)
    return Environment(home, home / "work")


def lend(names: list[str], target: Path) -> None:
    """Link distributions of this environment, and those that they need, into another."""
    seen = set()
    while names:
        requirement = names.pop()
        name = re.split(r"[^A-Za-z0-9._-]", requirement)[0]
        if name in seen or "extra ==" in requirement:
            continue
        seen.add(name)
        try:
            found = distribution(name)
        except PackageNotFoundError:  # for another Python or system
            continue
        for top in {file.parts[0] for file in found.files or () if ".." not in file.parts}:
            if not (target / top).exists() and top != "__pycache__":
                (target / top).symlink_to(Path(str(found.locate_file(top))))
        names += found.requires or []


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    made = environment(tmp_path_factory.mktemp("bare") / "venv", wheel)
    lend(list(PROJECT["dependencies"]), made.packages)
    make_package(made.work / "model")
    made.run("dlpk", "pack", "model", "any.dlpk", "--licence", "MIT")
    return made


@pytest.fixture(scope="module")
def full(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """With everything that this environment has."""
    made = environment(tmp_path_factory.mktemp("full") / "venv", wheel)
    places = [place for place in sys.path if "site-packages" in place]
    (made.packages / "lent.pth").write_text("\n".join(places) + "\n")
    return made


def test_without_extras(bare: Environment, tmp_path: Path) -> None:
    where = bare.run("python", "-c", "import dlpk, schemas; print(dlpk.__file__, schemas.__file__)")
    assert str(ROOT) not in where and where.count(str(bare.home)) == 2
    folder = make_package(tmp_path / "model", emd={"ModelFile": "model.safetensors"})
    shutil.copy(ROOT / "builder" / "clipseg" / "mini" / "model.safetensors", folder)
    assert "0 errors" in bare.run("dlpk", "validate", folder)
    assert "MIT" in bare.run("dlpk", "inspect", "any.dlpk")
    assert json.loads(bare.run("dlpk", "validate", "any.dlpk", "--sarif"))["version"] == "2.1.0"
    assert "dlpk 0" in bare.run("dlpk", "--version")
    for command in COMMANDS:
        assert "Usage:" in bare.run("dlpk", command, "--help")


@pytest.mark.parametrize(
    ("command", "part"),
    [
        ("classify any.dlpk in.tif out.tif", "numpy|GDAL"),
        ("calibrate any.dlpk in.tif --truth labels.tif", "numpy|GDAL"),
        ("test any.dlpk", "numpy|GDAL"),
        ("replay folder", "numpy"),
        ("build out.dlpk --weights mini", "numpy"),
        ("pack model out.dlpk --golden in.tif", "numpy|GDAL"),
        ("validate any.dlpk --run", "numpy|GDAL"),
    ],
)
def test_a_missing_part_is_one_line(bare: Environment, command: str, part: str) -> None:
    said = bare.run("dlpk", *command.split(), code=1)
    name = command.split()[0]
    assert re.fullmatch(
        rf"dlpk: error: {name} needs ({part})[^\n]*'dlpk\[run\]'[^\n]*docs/install\.md\n", said
    ), said


def test_a_missing_part_from_python(bare: Environment) -> None:
    said = bare.run("python", "-c", "import dlpk; dlpk.classify", code=1)
    assert "ImportError: dlpk.classify needs" in said.splitlines()[-1]


def test_with_extras(full: Environment, bare: Environment) -> None:
    """Data files came along: the miniature, golden chips, schemas, the function's modules."""
    package, scene = full.work / "mini.dlpk", full.work / "scene.tif"
    write_raster(scene, synthetic_pixels(3, 80, 90))
    full.run("dlpk", "build", package, "--weights", "mini")
    assert full.run("dlpk", "validate", package) == "0 errors, 0 warnings, 0 notes\n"
    assert "the network was not compared: No module named 'numpy'" in bare.run(
        "dlpk", "validate", package
    )
    out = full.work / "classes.tif"
    full.run("dlpk", "classify", package, scene, out, "--prompt", "water", "--device", "cpu")
    assert out.is_file()


def test_somebody_elses_packages_of_our_names(wheel: Path, tmp_path: Path) -> None:
    other = environment(tmp_path / "venv", wheel)
    lend(list(PROJECT["dependencies"]), other.packages)
    own = (other.packages / "schemas" / "__init__.py").read_text()
    # A folder that Python looks into first.
    (other.work / "builder.py").write_text("")
    said = other.run("python", "-m", "dlpk", "inspect", "x.dlpk", code=1)
    assert re.fullmatch(r"dlpk: error: Python finds .*builder\.py for .*'builder'.*\n", said), said
    (other.work / "builder.py").unlink()
    # A distribution that wrote over ours, and is named.
    (other.packages / "schemas" / "__init__.py").write_text('"""Data models."""\n')
    record = other.packages / "models-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: models\nVersion: 1.0\n")
    (record / "RECORD").write_text("schemas/__init__.py,,\n")
    said = other.run("dlpk", "inspect", "x.dlpk", code=1)
    assert "which the distribution models brings: install dlpk into an environment" in said
    assert said.count("\n") == 1
    (other.packages / "schemas" / "__init__.py").write_text(own)
    assert "x.dlpk" in other.run("dlpk", "inspect", "x.dlpk", code=1)


def test_everybody_installs_the_same() -> None:
    """The conda environment asks for what the wheel asks for."""
    extras = PROJECT["optional-dependencies"]["run"]
    wanted = {line.split(">")[0] for line in (*PROJECT["dependencies"], *extras)}
    text = (ROOT / "environment.yml").read_text().replace("-base", "").replace("pytorch", "torch")
    listed = set(re.findall(r"^  - (\w+)>=", text, re.MULTILINE))
    assert listed == wanted
