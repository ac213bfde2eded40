"""Packages run apart: no network, their folder read-only, the result the same."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from dlpk.cli.main import main
from dlpk.errors import IsolationError
from dlpk.harness import isolation
from tests.support.runs import make_package, make_raster

ROOT = Path(__file__).parents[3]
HEAD = """
import os, socket, sys
class Reaching:
    def initialize(self, **kwargs): pass
    def getParameterInfo(self): return [{"name": "raster", "dataType": "raster"}]
    def getConfiguration(self, **scalars): return {}
    def updateRasterInfo(self, **kwargs):
        kwargs["output_info"].update(bandCount=1, pixelType="u1")
        return kwargs
    def updatePixels(self, tlc, shape, props, **pixelBlocks):
"""
TAIL = """
        return {"output_pixels": pixelBlocks["raster_pixels"][:1]}
"""


def can_isolate() -> bool:
    code = "from dlpk.harness.isolation import enter; enter()"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not can_isolate(), reason="the system makes no name spaces")


def classify(
    package: Path, raster: Path, out: Path, *more: str
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dlpk", "classify", str(package), str(raster), str(out)]
    return subprocess.run([*command, *more], cwd=ROOT, capture_output=True, text=True, check=False)


def reaching(folder: Path, line: str) -> Path:
    indented = "\n".join(f"        {part}" for part in line.splitlines())
    return make_package(folder, "Reaching", text=HEAD + indented + TAIL)


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    return make_raster(tmp_path / "s.tif", (3, 40, 50), nodata=0)


@pytest.mark.parametrize("zipped", [False, True])
def test_the_same_result(tmp_path: Path, raster: Path, zipped: bool) -> None:
    package = make_package(tmp_path / "P", probe={"Answer": "first"})
    if zipped:
        with zipfile.ZipFile(tmp_path / "P.dlpk", "w") as archive:
            for file in package.iterdir():
                archive.write(file, file.name)
        package = tmp_path / "P.dlpk"
    files = []
    for name, more in (("a", ()), ("b", ("--isolate",))):
        (tmp_path / name).mkdir()
        done = classify(package, raster, tmp_path / name / "r.tif", *more)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"{tmp_path / name / 'r.tif'}: 50 x 40 pixels")
        files.append({f.name: f.read_bytes() for f in (tmp_path / name).iterdir()})
    assert files[0] == files[1]


def test_no_network(tmp_path: Path, raster: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        line = f"socket.create_connection(('127.0.0.1', {port}), timeout=2).close()"
        package = reaching(tmp_path / "P", line)
        assert classify(package, raster, tmp_path / "o.tif").returncode == 0
        done = classify(package, raster, tmp_path / "o.tif", "--isolate")
    assert done.returncode == 1
    assert "Network is unreachable" in done.stderr


@pytest.mark.parametrize(
    "line",
    [
        "open(os.path.join(os.path.dirname(__file__), 'mark'), 'w').close()",
        "os.remove(__file__)",
        "os.chdir(os.path.dirname(__file__)); open('mark', 'w').close()",
        # What was given up cannot be taken back.
        "import ctypes\n"
        "libc = ctypes.CDLL(None)\n"
        "folder = os.path.dirname(__file__).encode()\n"
        "libc.mount(None, folder, None, 32 | 4096, None)\n"
        "libc.umount2(folder, 2)\n"
        "open(os.path.join(os.path.dirname(__file__), 'mark'), 'w').close()",
    ],
)
def test_the_package_is_read_only(tmp_path: Path, raster: Path, line: str) -> None:
    package = reaching(tmp_path / "P", line)
    before = sorted(path.name for path in package.iterdir())
    done = classify(package, raster, tmp_path / "o.tif", "--isolate")
    assert done.returncode == 1
    assert "Read-only file system" in done.stderr
    assert sorted(path.name for path in package.iterdir()) == before


def test_from_inside_the_package(tmp_path: Path, raster: Path) -> None:
    package = reaching(tmp_path / "P", "open('mark', 'w').close()")
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from dlpk.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "classify", ".", str(raster), "../o.tif", "--isolate"],
        cwd=package,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Read-only file system" in done.stderr
    assert not (package / "mark").exists()


def test_several_images(tmp_path: Path, raster: Path) -> None:
    package = make_package(tmp_path / "P")
    second = make_raster(tmp_path / "t.tif", (3, 10, 10))
    (tmp_path / "out").mkdir()
    done = classify(package, raster, second, str(tmp_path / "out"), "--mode", "items", "--isolate")
    assert (done.returncode, done.stderr) == (0, "")
    assert {"s.tif", "t.tif"} <= {path.name for path in (tmp_path / "out").iterdir()}


def test_dialog(tmp_path: Path) -> None:
    text = HEAD.replace("**kwargs): pass", "**kwargs): open(__file__ + '.log', 'w')", 1) + TAIL
    package = make_package(tmp_path / "P", "Reaching", text=text)
    command = [sys.executable, "-m", "dlpk", "classify", str(package), "--phase", "validation"]
    done = subprocess.run(
        [*command, "--isolate"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Read-only file system" in done.stderr


def test_no_temporary_files_are_left(tmp_path: Path, raster: Path) -> None:
    package = make_package(tmp_path / "P")
    with zipfile.ZipFile(tmp_path / "P.dlpk", "w") as archive:
        for file in package.iterdir():
            archive.write(file, file.name)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    command = [sys.executable, "-m", "dlpk", "classify", str(tmp_path / "P.dlpk"), str(raster)]
    done = subprocess.run(
        [*command, str(tmp_path / "o.tif"), "--isolate"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list(temporary.iterdir()) == []


def test_a_process_that_is_killed(tmp_path: Path, raster: Path) -> None:
    package = reaching(tmp_path / "P", "os.kill(os.getpid(), 9)")
    done = classify(package, raster, tmp_path / "o.tif", "--isolate")
    assert done.returncode == 1
    assert "was ended by SIGKILL (is there enough memory?)" in done.stderr


def test_being_told_to_end(tmp_path: Path, raster: Path) -> None:
    package = reaching(tmp_path / "P", "import time; print('working', flush=True); time.sleep(60)")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    command = [sys.executable, "-m", "dlpk", "classify", str(package), str(raster)]
    process = subprocess.Popen(
        [*command, str(tmp_path / "o.tif"), "--isolate"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "working\n"
    process.terminate()
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err.count("\n")) == (143, 1)
    assert "told to end" in err
    assert list(temporary.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["P", "s.tif", "tmp"]


@pytest.mark.parametrize("words", [["test"], ["validate", "--run", "--blocks", "2"]])
def test_other_commands(tmp_path: Path, words: list[str]) -> None:
    text = HEAD.replace("return {}", "open(__file__ + '.log', 'w')", 1) + TAIL
    package = make_package(tmp_path / "P", "Reaching", text=text)
    (package / "golden").mkdir()
    (package / "golden" / "golden.json").write_text("{}")
    command = [sys.executable, "-m", "dlpk", words[0], str(package), *words[1:]]
    done = subprocess.run(
        [*command, "--isolate"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if words == ["test"]:
        assert done.returncode == 3
    else:
        assert "Read-only file system" in done.stdout
    assert not (package / "Reaching.py.log").exists()


def test_errors_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        def unshare(self, flags: int) -> int:
            return -1

    monkeypatch.setattr(isolation.ctypes, "CDLL", lambda *args, **more: Refusing())
    monkeypatch.setattr(isolation.ctypes, "get_errno", lambda: 1)
    with pytest.raises(IsolationError, match=r"name spaces of its own \(Operation not permitted\)"):
        isolation.enter()


def test_other_systems(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert main(["classify", "P", "a", "b", "--isolate"]) == 1
    assert capsys.readouterr().err.startswith("dlpk: error: --isolate needs Linux")
