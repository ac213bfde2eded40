"""Full disks, silent servers, users without rights, others at work: one clear error, no mix."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal

from dlpk.classification.api import classify
from dlpk.cli.main import main
from dlpk.errors import DlpkError, OutputError, RasterError
from dlpk.output.geotiff import OutputRaster
from dlpk.output.legend import LegendEntry
from dlpk.raster.dataset import Extent, Raster
from tests.support.classified import vat_rows
from tests.support.runs import make_package, make_raster

ROOT = Path(__file__).parents[2]
NOBODY = 65534


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    return make_raster(tmp_path / "s.tif", (3, 40, 50))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2000k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk takes rights")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_full_at_any_moment(tmp_path: Path, raster: Path, disk: Path) -> None:
    """The result is whole with all that lies beside it, or not there: also one byte of a .cpg."""
    package, done = make_package(tmp_path / "P"), []
    for free in range(4, 40, 4):
        (disk / "fill").write_bytes(b"\0" * 1024 * (2000 - free))
        try:
            classify(package, raster, disk / "o.tif", device="cpu")
        except OutputError as error:
            assert "the disk is full" in str(error)
            assert [path.name for path in disk.iterdir()] == ["fill"]
        else:
            assert len(vat_rows(disk / "o.tif")) == 2
            assert (disk / "o.tif.vat.cpg").read_text() == "UTF-8"
            assert gdal.Open(str(disk / "o.tif")).GetRasterBand(1).GetDefaultRAT().GetRowCount()
            done.append(free)
        for path in disk.iterdir():
            path.unlink()
    assert 0 < len(done) < 9


def test_a_full_disk_says_so_for_cloud_optimized_files(tmp_path: Path, disk: Path) -> None:
    pixels = np.random.default_rng(0).integers(1, 255, (3, 700, 700), np.uint8)
    raster = make_raster(tmp_path / "n.tif", pixels)
    package = make_package(tmp_path / "P", probe={"Answer": "first"})
    for free in (300, 700, 800):
        (disk / "fill").write_bytes(b"\0" * 1024 * (2000 - free))
        with pytest.raises(OutputError, match="the disk is full"):
            classify(package, raster, disk / "o.tif", device="cpu", cog=True)
        assert [path.name for path in disk.iterdir()] == ["fill"]


# It takes connections and says nothing.
SILENT = """
import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    kept = [server.accept() for _ in iter(int, 1)]
"""


def test_a_silent_server(tmp_path: Path) -> None:
    package = make_package(tmp_path / "P")
    with subprocess.Popen(
        [sys.executable, "-c", SILENT], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        url = f"/vsicurl/http://127.0.0.1:{server.stdout.readline().strip()}/s.tif"
        command = [sys.executable, "-m", "dlpk", "classify", package, url, tmp_path / "o.tif"]
        env = {**os.environ, "GDAL_HTTP_LOW_SPEED_TIME": "1"}
        done = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False
        )
        server.kill()
    assert done.returncode == 1
    assert "cannot be opened" in done.stderr
    assert int(gdal.GetConfigOption("GDAL_HTTP_LOW_SPEED_TIME")) <= 60


@pytest.mark.parametrize("transform", [(0, 0, 0, 5, 0, -1), (0, 1, 0, 5, 0, 0)])
def test_pixels_of_no_size(tmp_path: Path, transform: tuple[float, ...]) -> None:
    made = gdal.Translate(str(tmp_path / "s.vrt"), str(make_raster(tmp_path / "s.tif")))
    made.SetGeoTransform(transform)
    made.FlushCache()
    raster = tmp_path / "s.vrt"
    with pytest.raises(RasterError, match="pixels of no size"):
        Raster(raster, extent=Extent(0, 0, 10, 10))


def test_an_empty_extent_is_no_extent(
    tmp_path: Path, raster: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["classify", str(make_package(tmp_path / "P")), str(raster), str(tmp_path / "o.tif")]
    assert main([*words, "--extent", ""]) == 1
    assert "is not four numbers" in capsys.readouterr().err


def test_what_a_killed_run_unpacked_goes_at_the_next_start(
    tmp_path: Path, raster: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = make_package(tmp_path / "P")
    shutil.make_archive(str(tmp_path / "P"), "zip", package)
    os.rename(tmp_path / "P.zip", tmp_path / "P.dlpk")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    code = (
        "import os\nfrom dlpk.package.open import open_package\n"
        f"with open_package({str(tmp_path / 'P.dlpk')!r}): os.kill(os.getpid(), 9)"
    )
    env = {**os.environ, "TMPDIR": str(temporary)}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(list(temporary.iterdir())) == 1
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    classify(tmp_path / "P.dlpk", raster, tmp_path / "o.tif", device="cpu")
    assert list(temporary.iterdir()) == []


def test_two_runs_with_one_result(tmp_path: Path, raster: Path) -> None:
    """The last one to finish wins, with everything that lies beside its picture."""
    names = {"a": ["one", "two"], "b": ["ein", "zwei"]}
    runs = []
    for name, classes in names.items():
        legend = [
            {"Value": value, "Name": text, "Color": [value, 0, 0]}
            for value, text in enumerate(classes, 1)
        ]
        package = make_package(tmp_path / name, emd={"Classes": legend})
        command = [sys.executable, "-m", "dlpk", "classify", package, raster, tmp_path / "o.tif"]
        runs.append(subprocess.Popen([*command, "-q"], cwd=ROOT))
    assert [run.wait() for run in runs] == [0, 0]
    dataset = gdal.Open(str(tmp_path / "o.tif"))
    winner = names[dataset.GetMetadataItem("DLPK_PACKAGE")]
    assert [row[2] for row in vat_rows(tmp_path / "o.tif")] == winner
    assert dataset.GetRasterBand(1).GetCategoryNames()[1:] == winner
    assert not list(tmp_path.glob(".dlpk-*"))


def test_files_of_two_results_do_not_mix(
    tmp_path: Path, raster: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each waits for the other to put its files in place."""
    outputs = []
    for name in ("one", "two"):
        legend = [LegendEntry(1, name, (1, 2, 3))]
        options: dict[str, Any] = {"bands": 1, "pixel_type": "u1", "nodata": None, "tile": (16, 16)}
        output = OutputRaster(
            tmp_path / "o.tif", Raster(raster), legend=legend, band_names=[], **options
        )
        output.write(0, 0, np.ones((1, 16, 16), "u1"), np.ones((1, 16, 16), "u1"))
        outputs.append(output)
    replace, moved = os.replace, []

    def slowly(source: Path, target: Path) -> None:
        moved.append(Path(source).parent)
        time.sleep(0.05)
        replace(source, target)

    monkeypatch.setattr(os, "replace", slowly)
    threads = [threading.Thread(target=output.finish, args=({},)) for output in outputs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(moved) == 8
    assert len(set(moved[:4])) == len(set(moved[4:])) == 1


def test_a_clock_that_goes_back(
    tmp_path: Path, raster: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, whole = make_package(tmp_path / "P"), tmp_path / "a" / "o.tif"
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        classify(package, raster, tmp_path / name / "o.tif", device="cpu", resume=name == "b")
        monkeypatch.setattr(time, "time", map(float, itertools.count(10**9, -1000)).__next__)
        os.utime(raster, (4e9, 4e9))  # and the raster comes from tomorrow
    assert whole.read_bytes() == (tmp_path / "b" / "o.tif").read_bytes()


def test_names_with_line_breaks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "a\nb"
    package = make_package(place / "P\nQ")
    raster = make_raster(place / "s\n1.tif")
    out = place / "o\n.tif"
    assert main(["classify", str(package), str(raster), str(out), "--resume", "-q"]) == 0
    assert out.exists()
    assert len(vat_rows(out)) == 2
    before = raster.read_bytes()
    assert main(["classify", str(package), str(raster), str(raster), "-q"]) == 1
    assert raster.read_bytes() == before


@contextmanager
def without_rights() -> Iterator[None]:
    if os.geteuid() != 0:
        pytest.skip("giving up rights takes them")
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_user_without_rights(tmp_path: Path, raster: Path) -> None:
    package = make_package(tmp_path / "P")
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    options: dict[str, Any] = {"device": "cpu"}
    classify(package, raster, open_to_all / "o.tif", **options)  # everything is imported now
    with without_rights(), pytest.raises(OutputError, match="cannot be written to"):
        classify(package, raster, tmp_path / "o.tif", **options)
    raster.chmod(0)
    with without_rights(), pytest.raises(RasterError, match="Permission denied"):
        classify(package, raster, open_to_all / "p.tif", **options)
    raster.chmod(0o644)
    assert [path.name for path in open_to_all.iterdir() if "p.tif" in path.name] == []
    (package / "sub").mkdir(mode=0)  # nobody needs it
    with without_rights():
        classify(package, raster, open_to_all / "p.tif", **options)
    function = package / "Probe.py"
    function.chmod(0)
    with without_rights(), pytest.raises(DlpkError, match=r"Probe\.py.*Permission denied"):
        classify(package, raster, open_to_all / "q.tif", **options)
