"""Packages run apart: each row of the table in docs/robustness.md, and the result the same."""

from __future__ import annotations

import json
import os
import pty
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dlpk.cli.main import main
from dlpk.errors import IsolationError
from dlpk.harness import isolation
from tests.support.runs import make_package, make_raster

ROOT = Path(__file__).parents[3]
HEAD = """
import json, os, resource, signal, socket, subprocess, sys, time
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
# Each is tried inside; what it returns or raises comes back.
TRIALS = """
def tried(trial):
    try: return repr(trial())
    except BaseException as error: return f"{type(error).__name__}: {error}"
class Connected:
    def __init__(self, kind, *place):
        with socket.socket(kind) as made: made.settimeout(2); made.connect(*place)
trials = {
    "network": lambda: Connected(socket.AF_INET, ("127.0.0.1", PORT)),
    "unix socket": lambda: Connected(socket.AF_UNIX, "PLACE/socket"),
    "abstract socket": lambda: Connected(socket.AF_UNIX, "\\0dlpk-test-PORT"),
    "package": lambda: open(__file__, "a"),
    "package's folder": lambda: open(os.path.dirname(__file__) + "/mark", "w"),
    "raster": lambda: open("PLACE/s.tif", "ab"),
    "home": lambda: os.listdir(os.path.expanduser("~root")),
    "secret": lambda: open("PLACE/secret").read(),
    "beside": lambda: open("PLACE/mark", "w").write("x"),
    "over": lambda: open("PLACE/secret", "w").write("x"),
    "elsewhere": lambda: open("/usr/mark", "w"),
    "parent": lambda: os.kill(PARENT, 9),
    "processes": lambda: max(int(name) for name in os.listdir("/proc") if name.isdigit()),
    "environment": lambda: os.environ["DLPK_TEST_SECRET"],
    "terminal": lambda: [os.isatty(fd) for fd in range(3)],
    "controlling terminal": lambda: open("/dev/tty"),
    "input": lambda: os.read(0, 1),
    "descriptors": lambda: [os.readlink(f"/proc/self/fd/{fd}") for fd in range(3)],
    "privileges": lambda: [line.split()[1] for line in open("/proc/self/status")
        if line.startswith(("NoNewPrivs", "CapEff", "CapBnd"))],
    "limits": lambda: [resource.getrlimit(kind) for kind in (resource.RLIMIT_NPROC,
        resource.RLIMIT_DATA, resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE)],
    "more": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 20, 1 << 20)),
    "device": lambda: open("/dev/sda", "rb"),
}
print("\\nFOUND", json.dumps({name: tried(trial) for name, trial in trials.items()}), "\\x1b[2J")
"""


def can_isolate() -> str:
    """Why not; empty if it can."""
    if os.environ.get("DLPK_MUST_ISOLATE"):
        return ""
    try:
        isolation._bubblewrap()
    except IsolationError as error:
        return str(error)
    return ""


REASON = can_isolate()
isolates = pytest.mark.skipif(bool(REASON), reason=f"NOT TESTED, --isolate cannot run: {REASON}")


def classify(
    package: Path, raster: Path, out: Path, *more: str, **options: Any
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dlpk", "classify", str(package), str(raster), str(out)]
    return subprocess.run(
        [*command, *more, "--device", "cpu"],
        **{"cwd": ROOT, "capture_output": True, "text": True, "check": False, **options},
    )


def reaching(folder: Path, line: str) -> Path:
    indented = "\n".join(f"        {part}" for part in line.splitlines())
    return make_package(folder, "Reaching", text=HEAD + indented + TAIL)


def zipped(package: Path) -> Path:
    target = package.with_suffix(".dlpk")
    with zipfile.ZipFile(target, "w") as archive:
        for file in package.iterdir():
            archive.write(file, file.name)
    return target


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    return make_raster(tmp_path / "s.tif", (3, 40, 50), nodata=0)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What a package finds that tries everything, from a terminal of its own."""
    place = tmp_path_factory.mktemp("reaching")
    (place / "secret").write_text("secret")
    raster = make_raster(place / "s.tif", (3, 40, 50), nodata=0)
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as by_path,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        port = server.getsockname()[1]
        for listener, address in ((by_path, f"{place}/socket"), (abstract, f"\0dlpk-test-{port}")):
            listener.bind(address)
            listener.listen()
        text = TRIALS.replace("PORT", str(port)).replace("PLACE", str(place))
        package = reaching(place / "P", text.replace("PARENT", str(os.getpid())))
        zipped(package)
        master, slave = pty.openpty()
        env = {**os.environ, "DLPK_TEST_SECRET": "x"}
        done = classify(package, raster, place / "o.tif", "--isolate", stdin=slave, env=env)
        os.close(master)
        os.close(slave)
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stderr.splitlines() if line.startswith("FOUND"))
    result, rest = json.JSONDecoder().raw_decode(line.removeprefix("FOUND "))
    result["printed"] = line.removeprefix("FOUND ")[rest:]
    result["left"] = " ".join(sorted(path.name for path in place.iterdir()))
    result["kept"] = (place / "secret").read_text()
    yield result


@isolates
@pytest.mark.parametrize(
    ("trial", "words"),
    [
        ("network", "Connection refused"),
        ("unix socket", "No such file"),
        ("abstract socket", "Connection refused"),
        ("package", "Read-only file system"),
        ("package's folder", "Read-only file system"),
        ("raster", "Read-only file system"),
        ("home", "No such file"),
        ("secret", "No such file"),
        ("beside", "1"),  # into a folder that is thrown away
        ("over", "1"),
        ("kept", "secret"),
        ("left", "P P.dlpk o.tif o.tif.aux.xml o.tif.vat.cpg o.tif.vat.dbf s.tif secret socket"),
        ("elsewhere", "Read-only file system"),
        ("parent", "No such process"),
        ("environment", "KeyError"),
        ("terminal", "[False, False, False]"),
        ("controlling terminal", "No such device"),
        ("input", "b''"),
        ("privileges", "['0000000000000000', '0000000000000000', '1']"),
        ("more", "ValueError"),
        ("device", "No such file"),
        ("printed", r"\x1b[2J"),
    ],
)
def test_what_is_promised(found: dict[str, str], trial: str, words: str) -> None:
    assert words in found[trial]


@isolates
def test_limits_and_processes(found: dict[str, str]) -> None:
    assert "-1" not in found["limits"]
    assert int(found["processes"]) < 200


@isolates
def test_the_package_itself_cannot_be_written(tmp_path: Path, raster: Path) -> None:
    package = zipped(reaching(tmp_path / "P", f"open('{tmp_path}/P.dlpk', 'ab')"))
    before = package.read_bytes()
    done = classify(package, raster, tmp_path / "o.tif", "--isolate")
    assert "Read-only file system" in done.stderr
    assert package.read_bytes() == before
    assert not (tmp_path / "o.tif").exists()


def alive(mark: str) -> bool:
    done = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return any(line.startswith(f"sleep {mark}") for line in done.stdout.splitlines())


DAEMON = "subprocess.Popen(['sleep', '{mark}'], start_new_session=True)\n"


@isolates
def test_nothing_outlives_the_run(tmp_path: Path, raster: Path) -> None:
    mark = f"1{os.getpid()}.25"
    package = reaching(tmp_path / "P", DAEMON.format(mark=mark))
    assert classify(package, raster, tmp_path / "o.tif", "--isolate").returncode == 0
    assert not alive(mark)


@isolates
@pytest.mark.parametrize(("number", "code"), [(9, -9), (15, 143), (2, 130)])
def test_everything_ends_with_the_command(
    tmp_path: Path, raster: Path, number: int, code: int
) -> None:
    mark = f"2{os.getpid()}.{number}"
    line = DAEMON.format(mark=mark) + "print('working', flush=True); time.sleep(90)"
    package = reaching(tmp_path / "P", line)
    command = [sys.executable, "-m", "dlpk", "classify", str(package), str(raster)]
    process = subprocess.Popen(
        [*command, str(tmp_path / "o.tif"), "--isolate"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "working\n"
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == code
    for _ in range(200):
        if not alive(mark):
            break
        time.sleep(0.05)
    assert not alive(mark)
    if number != 9:
        assert sorted(path.name for path in tmp_path.iterdir()) == ["P", "s.tif"]


@isolates
def test_a_process_that_is_killed(tmp_path: Path, raster: Path) -> None:
    package = reaching(tmp_path / "P", "os.kill(os.getpid(), 9)")
    done = classify(package, raster, tmp_path / "o.tif", "--isolate")
    assert done.returncode == 1
    assert "was ended by SIGKILL (is there enough memory?)" in done.stderr


@isolates
def test_the_same_result_and_no_temporary_files(tmp_path: Path, raster: Path) -> None:
    package = zipped(make_package(tmp_path / "P", emd={"Classes": []}))
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    files = []
    for name, more in (("a", ()), ("b", ("--isolate", "--resume"))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "r.tif.ovr").write_text("of an older result")
        env = {**os.environ, "TMPDIR": str(temporary)}
        done = classify(package, raster, tmp_path / name / "r.tif", *more, env=env)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"{tmp_path / name / 'r.tif'}: 50 x 40 pixels")
        files.append({f.name: f.read_bytes() for f in (tmp_path / name).iterdir()})
    assert files[0] == files[1]
    assert list(temporary.iterdir()) == []


@isolates
def test_several_images_from_inside_the_package(tmp_path: Path, raster: Path) -> None:
    package = make_package(tmp_path / "P", emd={"Classes": []})
    make_raster(tmp_path / "t.tif", (3, 10, 10))
    (tmp_path / "out").mkdir()
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = (Path("."), Path("../s.tif"), Path("../t.tif"), "../out", "--mode", "items")
    done = classify(*words, "--isolate", cwd=package, env=env)  # type: ignore[arg-type]
    assert (done.returncode, done.stderr) == (0, "")
    assert {"s.tif", "t.tif"} <= {path.name for path in (tmp_path / "out").iterdir()}


@isolates
def test_a_result_beside_our_own_code(tmp_path: Path, raster: Path) -> None:
    out = ROOT / f".isolated-{os.getpid()}.tif"
    package = reaching(tmp_path / "P", f"open('{ROOT}/dlpk/__init__.py', 'a')")
    done = classify(package, raster, out, "--isolate")
    assert "Read-only file system" in done.stderr
    assert not list(ROOT.glob(".isolated*"))


@isolates
def test_other_commands(tmp_path: Path, raster: Path) -> None:
    text = HEAD.replace("return {}", "open(__file__ + '.log', 'w')", 1) + TAIL
    package = make_package(tmp_path / "P", "Reaching", text=text)
    for words in (
        ["validate", str(package), "--run", "--blocks", "2"],
        ["classify", str(package), str(raster), str(tmp_path / "o.tif"), "--debug-block", "kept"],
    ):
        command = [sys.executable, "-m", "dlpk", *words, "--isolate"]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )
        assert "Read-only file system" in done.stdout + done.stderr
    package = reaching(tmp_path / "Q", "raise ValueError('as it was')")
    kept = tmp_path / "kept"
    classify(package, raster, tmp_path / "o.tif", "--debug-block", str(kept), "--isolate")
    assert sorted(path.name for path in kept.iterdir()) == ["call.json", "pixels.npz"]
    command = [sys.executable, "-m", "dlpk", "replay", str(kept), "--isolate"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "as it was" in done.stderr


@isolates
def test_a_home_is_not_shown(
    tmp_path: Path, raster: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    package = make_package(tmp_path / "P")
    shutil.move(package / "P.emd", tmp_path / "m.emd")
    monkeypatch.setenv("HOME", str(tmp_path))
    words = ["classify", str(tmp_path / "m.emd"), str(raster), str(tmp_path / "o.tif")]
    assert main([*words, "--isolate"]) == 1
    assert "would show all of" in capsys.readouterr().err


def test_only_ordinary_files_come_out(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    (inside / "kept").mkdir()
    (tmp_path / "secret").write_text("secret")
    (inside / "kept" / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(inside / "pipe")
    (inside / "program").write_text("x")
    (inside / "program").chmod(0o6777)
    (inside / "dangling").symlink_to("nothing")
    for name in ("pipe", "dangling", "kept", "gone"):
        assert not isolation._take_out(inside / name, outside / name, [])
    outside.mkdir(exist_ok=True)
    assert isolation._take_out(inside / "program", outside / "program", [])
    assert (outside / "program").stat().st_mode & 0o7777 == 0o666
    assert {str(path.relative_to(outside)) for path in outside.rglob("*")} == {"kept", "program"}


def test_without_bubblewrap_nothing_runs(
    tmp_path: Path, raster: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    package = reaching(tmp_path / "P", f"open('{tmp_path}/mark', 'w')")
    words = ["classify", str(package), str(raster), str(tmp_path / "o.tif"), "--isolate"]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(words) == 1
    assert "apt install bubblewrap" in capsys.readouterr().err
    (tmp_path / "bwrap").write_text("#!/bin/sh\necho 'bwrap: not permitted' >&2\nexit 1\n")
    (tmp_path / "bwrap").chmod(0o755)
    assert main(words) == 1
    assert "name spaces of its own (bwrap: not permitted)" in capsys.readouterr().err
    monkeypatch.setattr(sys, "platform", "win32")
    assert main(words) == 1
    assert capsys.readouterr().err.startswith("dlpk: error: --isolate needs Linux")
    assert not (tmp_path / "mark").exists()
