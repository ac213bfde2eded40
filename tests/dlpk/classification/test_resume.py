"""Runs that are killed and gone on with: the result is that of an uninterrupted run, bit by bit."""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal

from dlpk.classification.api import classify
from dlpk.classification.finished.journal import journal_path
from dlpk.errors import DlpkError, JournalError, RasterError
from tests.support.runs import make_package, make_raster, read

ROOT = Path(__file__).parents[3]

# Takes its time, so that there are moments to be killed at; says how often it was called.
SLOW = """
import time
import numpy as np
class Slow:
    def initialize(self, **kwargs): pass
    def getParameterInfo(self):
        return [
            {"name": "raster", "dataType": "raster"},
            {"name": "fails_at", "dataType": "numeric", "value": -1},
            {"name": "seconds", "dataType": "numeric", "value": 0},
        ]
    def getConfiguration(self, **scalars):
        self.fails_at, self.seconds = int(scalars["fails_at"]), float(scalars["seconds"])
        self.calls = 0
        return {"tx": 48, "ty": 48, "padding": 4, "inputMask": True, "fixedTileSize": 0}
    def updateRasterInfo(self, **kwargs):
        kwargs["output_info"].update(bandCount=2, pixelType="f4", noData=np.array([-1.0, -1.0]))
        return kwargs
    def updatePixels(self, tlc, shape, props, **pixelBlocks):
        self.calls += 1
        if self.calls == self.fails_at:
            raise RuntimeError("this one fails")
        time.sleep(self.seconds)
        inner = pixelBlocks["raster_pixels"][:, 4:-4, 4:-4].astype("f4")
        return {"output_pixels": np.stack([inner.mean(0), inner.std(0)])}
"""
SIDE = 48 * 9 + 20
BLOCKS = 10 * 10


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return make_package(tmp_path / "P", "Slow", text=SLOW)


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(1, 255, (3, SIDE, SIDE), np.uint8)
    pixels[:, 60:200, 100:300] = 0
    return make_raster(tmp_path / "scene.tif", pixels, epsg=None, nodata=0)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def started(package: Path, raster: Path, out: Path, *options: str) -> subprocess.Popen[bytes]:
    words = ["classify", str(package), str(raster), str(out), "--device", "cpu", "-q", *options]
    return subprocess.Popen(
        [sys.executable, "-m", "dlpk", *words],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


# Every rename and removal of a run is a moment to be killed at: blocks, overviews, COG, finishing.
KILLED = """
import itertools, os, sys
moments, count = itertools.count(), int(sys.argv.pop(1))
def watch(event, arguments):
    if event in ("os.rename", "shutil.rmtree", "os.mkdir", "os.remove") or event == "open" and (
        "out.tif" in str(arguments[0]) and arguments[1] and "w" in str(arguments[1])
    ):
        if next(moments) == count:
            os.kill(os.getpid(), 9)
from dlpk.cli.main import main
sys.addaudithook(watch)
sys.exit(main(sys.argv[1:]))
"""
# What GDAL does that takes time, and what comes before it.
STEPS = (
    "start",
    "OutputRaster.finish",
    "BuildOverviews",
    "rearrange",
    "write_vat",
    "_publish",
)
STEP_KILLED = """
import os, sys
step = sys.argv.pop(1)
from osgeo import gdal
import dlpk.output.geotiff as geotiff
from dlpk.classification.session import Session
def end(*args, **more): os.kill(os.getpid(), 9)
if step == "start": Session.start = end
elif step == "BuildOverviews": gdal.Dataset.BuildOverviews = end
elif step in ("rearrange", "write_vat"): setattr(geotiff, step, end)
else: setattr(geotiff.OutputRaster, step.split(".")[-1], end)
from dlpk.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def killed(code: str, moment: str, words: list[str]) -> int:
    command = [sys.executable, "-c", code, moment, *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode


def words_for(package: Path, raster: Path, out: Path, *options: str) -> list[str]:
    return ["classify", *map(str, (package, raster, out)), "--device", "cpu", "-q", *options]


def test_killed_at_every_step(tmp_path: Path, package: Path, raster: Path) -> None:
    whole, out = tmp_path / "whole.tif", tmp_path / "out.tif"
    run(package, raster, whole, cog=True)
    words = words_for(package, raster, out, "--resume", "--cog")
    for step in STEPS:
        if step != "write_vat":  # there is no legend
            assert killed(STEP_KILLED, step, words) == -signal.SIGKILL
            assert not out.exists()
    assert len(list(tmp_path.glob(".dlpk-*"))) == 1  # the others were collected
    for moment in (0, 5, 300):
        killed(KILLED, str(moment), words)
        assert not out.exists() or digest(out) == digest(whole)
    run(package, raster, out, cog=True, resume=True)
    assert digest(out) == digest(whole)
    assert {path.name for path in tmp_path.iterdir()} == {"P", "out.tif", "scene.tif", "whole.tif"}


def test_going_on_without_resume_leaves_nothing(
    tmp_path: Path, package: Path, raster: Path
) -> None:
    out = tmp_path / "out.tif"
    words = words_for(package, raster, out, "--resume")
    assert killed(STEP_KILLED, "_publish", words) == -signal.SIGKILL
    assert journal_path(out).exists()
    run(package, raster, out)
    assert {path.name for path in tmp_path.iterdir()} == {"P", "out.tif", "scene.tif"}


def run(package: Path, raster: Path | str, out: Path, **options: Any) -> Path:
    return classify(package, raster, out, device="cpu", **options).path


def test_nothing_finished(tmp_path: Path, package: Path, raster: Path) -> None:
    for _ in range(3):
        with pytest.raises(DlpkError, match="this one fails") as raised:
            run(package, raster, tmp_path / "o.tif", arguments={"fails_at": "1"}, resume=True)
        assert "goes on from there" not in str(raised.value)


@pytest.mark.parametrize("fails_at", [30, 90])
def test_failed(tmp_path: Path, package: Path, raster: Path, fails_at: int) -> None:
    """The function fails at its so manieth call, so every repetition gets further."""
    out, arguments = tmp_path / "out.tif", {"fails_at": str(fails_at)}
    failures = 0
    for _ in range(BLOCKS):
        try:
            run(package, raster, out, arguments=arguments, resume=True)
            break
        except DlpkError as error:
            failures += 1
            assert "this one fails" in str(error)
            assert "the same command goes on from there" in str(error)
    assert failures >= 1
    whole = run(package, raster, tmp_path / "whole.tif")
    assert np.array_equal(read(out), read(whole))


def test_another_run(tmp_path: Path, package: Path, raster: Path) -> None:
    out = tmp_path / "out.tif"
    with pytest.raises(DlpkError, match="this one fails"):
        run(package, raster, out, arguments={"fails_at": "50"}, resume=True)
    with pytest.raises(JournalError, match=r"another run \(arguments, tags differ\)"):
        run(package, raster, out, resume=True)
    with pytest.raises(JournalError, match="format"):
        run(package, raster, out, arguments={"fails_at": "50"}, resume=True, cog=True)
    assert journal_path(out).exists()  # hours of work may lie there


def test_changed_raster(tmp_path: Path, package: Path, raster: Path) -> None:
    out, arguments = tmp_path / "out.tif", {"fails_at": "50"}
    with pytest.raises(DlpkError, match="this one fails"):
        run(package, raster, out, arguments=arguments, resume=True)
    dates = raster.stat()
    data = bytearray(raster.read_bytes())
    data[len(data) // 2] ^= 1
    raster.write_bytes(data)  # the same size and date, as after cp -p or rsync -t
    os.utime(raster, ns=(dates.st_atime_ns, dates.st_mtime_ns))
    with pytest.raises(JournalError, match="rasters differ"):
        run(package, raster, out, arguments=arguments, resume=True)


def test_in_use(tmp_path: Path, package: Path, raster: Path) -> None:
    pytest.importorskip("fcntl")
    out = tmp_path / "out.tif"
    process = started(package, raster, out, "--resume", "--arg", "seconds=0.2")
    try:
        while not journal_path(out).exists() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(0.2)
        with pytest.raises(JournalError, match="in use"):
            run(package, raster, out, arguments={"seconds": "0.2"}, resume=True)
    finally:
        process.kill()
        process.wait()


def test_disk_full(tmp_path: Path, package: Path, raster: Path) -> None:
    out = tmp_path / "out.tif"
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))

    command = [sys.executable, "-m", "dlpk", "classify", str(package), str(raster), str(out)]
    command += ["--device", "cpu", "-q", "--resume"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, preexec_fn=limit, check=False
    )
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert not out.exists()
    subprocess.run(command, cwd=ROOT, check=True)
    assert digest(out) == digest(run(package, raster, tmp_path / "whole.tif"))


def test_a_changed_part_of_a_virtual_raster(tmp_path: Path, package: Path, raster: Path) -> None:
    inner, outer = tmp_path / "inner.vrt", tmp_path / "outer.vrt"
    gdal.Translate(str(inner), str(raster), format="VRT")
    gdal.Translate(str(outer), str(inner), format="VRT")
    out, arguments = tmp_path / "out.tif", {"fails_at": "50"}
    with pytest.raises(DlpkError, match="this one fails"):
        run(package, outer, out, arguments=arguments, resume=True)
    raster.write_bytes(raster.read_bytes() + b"x")
    with pytest.raises(JournalError, match="rasters differ"):
        run(package, outer, out, arguments=arguments, resume=True)


def test_an_archive_that_was_replaced(tmp_path: Path, package: Path, raster: Path) -> None:
    out, arguments = tmp_path / "out.tif", {"fails_at": "50"}
    archive = tmp_path / "a.zip"
    for content in ("one", "two"):
        with zipfile.ZipFile(archive, "w") as file:
            file.write(raster, "scene.tif")
            file.writestr("other", content)
        words = "this one fails" if content == "one" else "rasters differ"
        with pytest.raises(DlpkError, match=words):
            run(package, f"/vsizip/{archive}/scene.tif", out, arguments=arguments, resume=True)


# A web server of one file in a process of its own, with an ETag or without any word on it.
SERVING = """
import http.server, pathlib, sys
class Serving(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path != "/scene.tif":
            return self.send_error(404)
        content, tag = (pathlib.Path(name).read_bytes() for name in sys.argv[1:3])
        wanted = self.headers.get("Range", "bytes=0-").split("=")[1].split("-")
        first, last = int(wanted[0]), int(wanted[1] or len(content) - 1)
        part = content[first : last + 1]
        self.send_response(206 if "Range" in self.headers else 200)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(content)}")
        if tag:
            self.send_header("ETag", tag.decode())
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(part)
    do_HEAD = do_GET
    def log_message(self, *args): return
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Serving)
print(server.server_port, flush=True)
server.serve_forever()
"""


@pytest.fixture
def served(tmp_path: Path, raster: Path) -> Iterator[str]:
    (tmp_path / "tag").write_text("")
    command = [sys.executable, "-c", SERVING, str(raster), str(tmp_path / "tag")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield f"/vsicurl/http://127.0.0.1:{server.stdout.readline().strip()}/scene.tif"
        server.kill()


def test_a_served_raster_that_was_replaced(tmp_path: Path, package: Path, served: str) -> None:
    out, arguments = tmp_path / "out.tif", {"fails_at": "2"}
    for tag, words in (("1", "this one fails"), ("1", "this one fails"), ("2", "rasters differ")):
        (tmp_path / "tag").write_text(f'"{tag}"')
        with pytest.raises(DlpkError, match=words):
            run(package, served, out, arguments=arguments, resume=True)


def test_a_served_raster_of_which_nothing_is_said(
    tmp_path: Path, package: Path, served: str
) -> None:
    out = tmp_path / "out.tif"
    with pytest.raises(JournalError, match=r"nothing tells whether .* is still the same"):
        run(package, served, out, resume=True)
    assert run(package, served, out, resume="unchecked").exists()


def test_a_raster_that_changes_while_it_is_read(
    tmp_path: Path, package: Path, raster: Path
) -> None:
    def grow(level: str, text: str) -> None:
        with raster.open("ab") as file:
            file.write(b"more")

    text = SLOW.replace("self.calls += 1", "self.calls += 1; import warnings; warnings.warn('x')")
    package = make_package(tmp_path / "Q", "Slow", text=text)
    with pytest.raises(RasterError, match="changed while it was read"):
        run(package, raster, tmp_path / "out.tif", say=grow)
    assert not (tmp_path / "out.tif").exists()


def test_killed_with_a_real_network(mini: Path, tmp_path: Path, raster: Path) -> None:
    whole, out = tmp_path / "whole.tif", tmp_path / "out.tif"
    options = {"prompt": "water"}
    run(mini, raster, whole, **options)
    words = words_for(mini, raster, out, "--resume", "--prompt=water")
    assert killed(STEP_KILLED, "_publish", words) == -signal.SIGKILL
    assert list(journal_path(out).glob("*.block"))
    run(mini, raster, out, resume=True, **options)
    assert digest(out) == digest(whole)
