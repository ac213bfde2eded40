"""The command: one line per error, exit codes, quiet where nobody looks."""

from __future__ import annotations

import io
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal

from dlpk.cli.main import main
from tests.support.runs import gradient, make_package, make_raster, read

ROOT = Path(__file__).parents[3]
EMD = {"Classes": []}


@pytest.fixture
def package(tmp_path: Path) -> str:
    return str(make_package(tmp_path / "P", emd=EMD))


@pytest.fixture
def raster(tmp_path: Path) -> str:
    return str(make_raster(tmp_path / "s.tif"))


def command(*words: str, code: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *(("-c", code) if code else ("-m", "dlpk")), *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_classify(package: str, raster: str, tmp_path: Path) -> None:
    done = command("classify", package, raster, str(tmp_path / "o.tif"))
    assert done.returncode == 0
    assert done.stderr == ""  # no progress where no terminal is
    assert done.stdout == f"{tmp_path / 'o.tif'}: 50 x 40 pixels, 1 band(s)\n"
    np.testing.assert_array_equal(read(tmp_path / "o.tif"), gradient((3, 40, 50))[:1])
    assert command("classify", "-q", package, raster, str(tmp_path / "o.tif")).stdout == ""


def test_function_that_prints(tmp_path: Path, raster: str) -> None:
    package = str(make_package(tmp_path / "Q", "Messy"))
    done = command("classify", package, raster, str(tmp_path / "o.tif"))
    assert done.stdout.count("\n") == 3  # the summary, and two classes
    assert "message: a message" in done.stderr
    done = command("classify", package, raster, str(tmp_path / "o.tif"), "-q")
    assert done.stdout == ""
    assert "a message" not in done.stderr
    assert "warning: a warning" in done.stderr


def test_progress_on_a_terminal(
    package: str, raster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for words, shown in (((), True), (("-q",), False)):
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        assert main(["classify", package, raster, str(tmp_path / "o.tif"), *words]) == 0
        assert ("100%" in terminal.getvalue()) == shown
        assert "Mpx" in terminal.getvalue() or not shown


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("classify P a b --prompts x", "'--prompt'"),
        ("classify P a b --pro x", "No such option '--pro'"),  # no abbreviations
        ("classify P a b --mode itms", "'items'"),
        ("classify P a b --cell-size wide", "'--cell-size'"),
        ("classify P", "Name the raster to classify"),
        ("classify P a", "Name the raster to classify"),
        ("clasify P", "'clasify'"),
        ("", "Missing command"),
        ("classify", "PACKAGE"),
        ("validate P --json --sarif", "exclude each other"),
        ("validate ''", "the name of the package is empty"),
        ("validate P --run --blocks 0", "--blocks"),
        ("evaluate P.dlpk labels", "--layout"),
        ("evaluate a.tif b.tif --block -5", "--block"),
        ("evaluate a.tif b.tif --image c.tif", "--image has no effect"),
        ("validate P --arg a=1", "--arg has no effect without --run"),
        ("pack P out.dlpk --arg a=1", "--arg has no effect without --golden"),
        ("classify P a.tif b.tif --range-seconds 5", "--range-seconds has no effect"),
    ],
)
def test_wrong_usage(words: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(shlex.split(words)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("dlpk: error: ")
    assert err.count("\n") == 1
    assert expected in err
    assert "--help" in err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["classify", "gone.dlpk", "{s}", "{o}"], "gone.dlpk"),
        (["classify", "{P}", "gone.tif", "{o}"], "gone.tif cannot be opened: there is no such"),
        (["classify", "{P}", "{s}", "/gone/o.tif"], "/gone does not exist"),
        (["classify", "{P}", "{s}", "{s}"], "is also read from"),
        (["classify", "{P}", "{s}", "{o}", "--png", "{s}"], "call it"),
        (["classify", "{P}", "{s}", "{o}", "--png", "/gone/p.png"], "/gone does not exist"),
        (["classify", "{P}", "{s}", "{o}", "--png", "{D}/p.jpg"], "call it p.png, not p.jpg"),
        (["classify", "{P}", "{s}", "{D}/r.png"], "another format: call it r.tif"),
        (["classify", "{P}", "{s}", "{D}/r.JP2"], "another format: call it r.tif"),
        (["classify", "{P}", "{s}", "{o}", "--device", "gpu"], "auto, cpu or cuda:N"),
        (["classify", "{P}", "{s}", "{o}", "--extent", "1,2,3"], "four numbers"),
        (["classify", "{P}", "{s}", "{o}", "--extent", "-1,-2,3,4"], "lies outside"),
        (["classify", "{P}", "{s}", "{o}", "--extent", "5,5,1,1"], "is empty"),
        (["classify", "{P}", "{s}", "{o}", "--cell-size", "-5"], "must be a number above 0"),
        (["classify", "{P}", "{s}", "{o}", "--arg", "treshold=1"], "did you mean 'threshold'?"),
        (["classify", "{P}", "{s}", "{o}", "--arg", "threshold"], "write name=value"),
        (
            ["classify", "{P}", "{s}", "{o}", "--arg", "padding=1", "--arg", "padding=2"],
            "given twice",
        ),
        (
            ["classify", "{P}", "{s}", "{o}", "--prompt", "x", "--arg", "text_prompt=y"],
            "given twice",
        ),
        (["classify", "{P}", "{s}", "{o}", "--set", "strech=none"], "did you mean 'stretch'?"),
        (["classify", "{P}", "{s}", "{o}", "--set", "stretch=minmx"], "did you mean 'minmax'?"),
        (["classify", "{P}", "{s}", "{s}", "{D}", "--mode", "items", "--png", "p.png"], "--png"),
        (["replay", "{P}"], "holds no call"),
    ],
)
def test_one_line_per_error(
    package: str,
    raster: str,
    tmp_path: Path,
    words: list[str],
    expected: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "D").mkdir()
    before = sorted(path.name for path in tmp_path.iterdir())
    places = {"P": package, "s": raster, "o": str(tmp_path / "o.tif"), "D": str(tmp_path / "D")}
    assert main([word.format(**places) if "{" in word else word for word in words]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("dlpk: error: ")
    assert err.count("\n") == 1
    assert expected in err
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_extent_and_cell_size(package: str, raster: str, tmp_path: Path) -> None:
    out = str(tmp_path / "o.tif")
    extent = "500100,3999800,500300,3999900"
    # Options may stand anywhere.
    words = ["classify", "-q", package, "--extent", extent, raster, "--cell-size=20", out]
    assert main(words) == 0
    dataset = gdal.Open(out)
    assert (dataset.RasterXSize, dataset.RasterYSize) == (10, 5)
    assert dataset.GetGeoTransform() == (500100, 20, 0, 3999900, 0, -20)


def test_png(tmp_path: Path, raster: str, capsys: pytest.CaptureFixture[str]) -> None:
    classes = [{"Value": 1, "Name": "wätér $x$ 水", "Color": [255, 0, 0]}]
    for name, probe in (
        ("classes", {"Answer": "2-d"}),
        ("numbers", {"Answer": "2-d", "Output": {"bandCount": 1, "pixelType": "f4"}}),
    ):
        package = str(make_package(tmp_path / name, probe=probe, emd={"Classes": classes}))
        png = tmp_path / f"{name}.png"
        assert main(["classify", package, raster, str(tmp_path / "o.tif"), "--png", str(png)]) == 0
        picture = gdal.Open(str(png))
        assert picture.RasterXSize > 400
        assert picture.ReadAsArray()[:3].std() > 10
    assert capsys.readouterr().err == ""


def test_dialog(package: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["classify", package, "--phase", "validation"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("The dialog of Classify Pixels Using Deep Learning opens: ")
    assert "text_prompt" in out
    assert "device" not in out
    broken = make_package(tmp_path / "Q", probe={"RaisesIn": "validation"})
    assert main(["classify", str(broken), "--phase", "validation"]) == 1
    assert "ERROR 002667" in capsys.readouterr().err


def test_settings_reach_the_run(package: str, raster: str, tmp_path: Path) -> None:
    out = str(tmp_path / "o.tif")
    words = ["--set", "arguments-as=typed", "--set", "resampling=cubic"]
    assert main(["classify", package, raster, out, *words, "-q"]) == 0
    tags = gdal.Open(out).GetMetadata()
    assert tags["DLPK_SETTINGS"] == '{"arguments_as": "typed", "resampling": "cubic"}'


def test_a_terminal_that_knows_little(tmp_path: Path, raster: str) -> None:
    classes = [{"Value": 1, "Name": "水", "Color": [255, 0, 0]}]
    package = make_package(tmp_path / "Q", emd={"Classes": classes})
    done = subprocess.run(
        [sys.executable, "-m", "dlpk", "classify", str(package), raster, str(tmp_path / "o.tif")],
        cwd=ROOT,
        env={"PATH": "/usr/bin", "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert r"\u6c34" in done.stdout


def test_a_reader_that_goes_away(package: str) -> None:
    code = "import sys; from dlpk.cli.main import main; sys.exit(main(['inspect', sys.argv[1]]))"
    process = subprocess.Popen(
        [sys.executable, "-c", code, package],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 1


def test_the_system_refuses(
    package: str, raster: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for error, words in (
        (OSError(5, "Input/output error"), "the system refuses: [Errno 5] Input/output error"),
        (MemoryError("Unable to allocate 3 TiB"), "not enough memory: Unable to allocate 3 TiB"),
    ):

        def fail(*args: object, error: Exception = error, **more: object) -> None:
            raise error

        monkeypatch.setattr("dlpk.classification.model.Model.classify", fail)
        assert main(["classify", package, raster, raster + ".o.tif"]) == 1
        assert capsys.readouterr().err == f"dlpk: error: {words}\n".replace(
            "not", "there is not", 1
        )


def test_help_is_quick_to_import() -> None:
    code = (
        "import sys\n"
        "from dlpk.cli.main import main\n"
        "assert main(['classify', '--help']) == 0\n"
        "heavy = {'torch', 'numpy', 'osgeo', 'jsonschema', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)\n"
    )
    done = command(code=code)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["r.TIF", "r.tiff", "r", "r.2024", "r.v1.tif"])
def test_names_of_results(package: str, raster: str, tmp_path: Path, name: str) -> None:
    assert main(["classify", package, raster, str(tmp_path / name), "-q"]) == 0
    dataset = gdal.Open(str(tmp_path / name))
    assert dataset.GetDriver().ShortName == "GTiff"
