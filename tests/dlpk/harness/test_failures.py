"""Failures of a function are told to the one who wrote it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlpk.errors import ContractError, FunctionError, PackageError
from dlpk.harness.loader import function_path, load_class
from dlpk.harness.phases import check_tool, open_dialog
from dlpk.harness.settings import Settings
from dlpk.harness.tracebacks import explain
from dlpk.package.open import open_package
from tests.support.runs import all_blocks, make_package, make_raster, running


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    return make_raster(tmp_path / "scene.tif", (3, 16, 40))


def failure(package: Path, raster: Path) -> str:
    with pytest.raises(FunctionError) as caught, running(package, raster) as run:
        all_blocks(run)
    return str(caught.value)


def test_own_frames_come_first(tmp_path: Path, raster: Path) -> None:
    package = make_package(tmp_path / "P", probe={"Answer": "raise"})
    lines = failure(package, raster).splitlines()
    assert lines[0] == "Probe.updatePixels failed: IndexError: list index out of range"
    assert lines[1].strip().startswith(f"{package}/Probe.py, line ")
    assert lines[1].endswith('in fail: return classes[99]["Color"]')
    assert lines[2].endswith("in updatePixels: self.fail()")
    rest = "\n".join(lines[3:])
    assert f"in the block at column 0, row 0 of {raster}" in rest
    assert "called as updatePixels(tlc=(500000.0, 4000000.0), shape=(16, 16), props=" in rest
    assert "raster_pixels=uint8[3, 16, 16] 0 to 2" in rest
    assert "with the arguments threshold='0.5', padding='0'" in rest
    assert "--debug-block" in rest
    assert "/dlpk/" not in rest  # the harness itself is of no interest


def test_arguments_that_are_not_converted(tmp_path: Path, raster: Path) -> None:
    text = """
class Counting:
    def getParameterInfo(self):
        return [
            {"name": "raster", "dataType": "raster"},
            {"name": "size", "dataType": "numeric", "value": 8},
        ]
    def getConfiguration(self, **scalars): return {"padding": scalars["size"] / 2}
    def updatePixels(self, tlc, shape, props, **pixelBlocks): return {}
"""
    package = make_package(tmp_path / "P", "Counting", text=text)
    lines = failure(package, raster).splitlines()
    assert "TypeError: unsupported operand" in lines[0]
    assert lines[-1].endswith("--set arguments_as=typed shows whether that is the reason")
    with running(package, raster, settings=Settings(arguments_as="typed")) as run:
        assert run.configuration.padding == 4


def test_text_compared_with_pixels(tmp_path: Path, raster: Path) -> None:
    text = """
class Comparing:
    def getParameterInfo(self):
        return [
            {"name": "raster", "dataType": "raster"},
            {"name": "low", "dataType": "numeric", "value": 8},
        ]
    def getConfiguration(self, **scalars):
        self.low = scalars["low"]
        return {}
    def updatePixels(self, tlc, shape, props, **blocks):
        return {"output_pixels": (blocks["raster_pixels"][:1] < self.low).astype("u1")}
"""
    lines = failure(make_package(tmp_path / "P", "Comparing", text=text), raster).splitlines()
    assert any(
        line.endswith("--set arguments_as=typed shows whether that is the reason") for line in lines
    )


def test_file_of_the_package_that_is_looked_for_elsewhere(tmp_path: Path, raster: Path) -> None:
    text = """
class Opening:
    def getParameterInfo(self): return [{"name": "raster", "dataType": "raster"}]
    def initialize(self, **kwargs): open("Opening.py")
    def updatePixels(self, tlc, shape, props, **blocks): return {}
"""
    first = failure(make_package(tmp_path / "P", "Opening", text=text), raster).splitlines()[0]
    assert "'Opening.py' lies in the package" in first


def test_helper_of_a_function_is_not_taken_for_it(tmp_path: Path, raster: Path) -> None:
    text = """
class Child:
    def getParameterInfo(self, required): return required
    def updatePixels(self, tlc, shape, props, **blocks): return {}
class Other:
    def getParameterInfo(self): return [{"name": "raster", "dataType": "raster"}]
    def updatePixels(self, tlc, shape, props, **blocks):
        return {"output_pixels": blocks["raster_pixels"]}
"""
    package = make_package(tmp_path / "P", "Renamed", text=text)
    said: list[tuple[str, str]] = []
    with running(package, raster, said=said):
        assert any("'Other' is taken instead" in text for _, text in said)


def test_frames_of_libraries_come_after(tmp_path: Path, raster: Path) -> None:
    package = make_package(tmp_path / "P", probe={"Answer": "library"})
    lines = failure(package, raster).splitlines()
    assert "LinAlgError" in lines[0]
    assert "in updatePixels: np.linalg.inv" in lines[1]
    assert lines[2].startswith("  below it ")
    assert "numpy" in lines[2]


def test_exit_is_a_failure(tmp_path: Path, raster: Path) -> None:
    package = make_package(tmp_path / "P", probe={"Answer": "exit"})
    assert "sys.exit(7)" in failure(package, raster)
    package = make_package(tmp_path / "Q", "Ending", text="import sys\nsys.exit('no GPU')\n")
    assert "sys.exit('no GPU')" in failure(package, raster)


@pytest.mark.parametrize("phase", ["validation", "initialize"])
def test_initialize(tmp_path: Path, raster: Path, phase: str) -> None:
    package = make_package(tmp_path / "P", probe={"RaisesIn": phase})
    text = failure(package, raster)
    assert text.startswith(
        "ERROR 002667 Unable to initialize python raster function with scalar arguments. "
        "[Probe.py] Probe.initialize failed: IndexError"
    )
    if phase == "validation":
        with pytest.raises(FunctionError, match="ERROR 002667"):
            open_dialog(package)
    else:
        assert [row["name"] for row in open_dialog(package).parameters][:2] == [
            "threshold",
            "padding",
        ]


def test_causes_are_told(tmp_path: Path, raster: Path) -> None:
    text = """
class Wrapping:
    def initialize(self, **kwargs):
        try:
            {}["weights"]
        except KeyError:
            raise RuntimeError("cannot load")
"""
    lines = failure(make_package(tmp_path / "P", "Wrapping", text=text), raster).splitlines()
    assert "RuntimeError: cannot load" in lines[0]
    assert "because of KeyError: 'weights'" in "\n".join(lines)


def test_long_and_broken_texts() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise ValueError

    assert "its text cannot be had (ValueError)" in explain(Broken(), [])
    assert "75 more lines" in explain(RuntimeError("\n".join(map(str, range(100)))), [])
    assert explain(ValueError(), []) == "ValueError: no message"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import nowhere_to_be_found", "Install 'nowhere_to_be_found' beside this command"),
        ("import arcgis.learn", "built on the Python package 'arcgis'.*pip install arcgis"),
        ("def (:", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
        ("class Other: pass", r"no class named 'Broken'.*classes in it: Other"),
        ("Broken = 3", "no class named 'Broken'"),
        ("import arcpy\narcpy.sa.Raster", "arcpy.sa is not part of the stand-in"),
        ("import arcpy.management", "The stand-in for arcpy.*does not have it"),
        ("from arcpy import Describe", "cannot import name 'Describe'.*stand-in for arcpy"),
        ("import arcpy\narcpy.env.snapRaster", "arcpy.env.snapRaster is not part of the stand-in"),
    ],
)
def test_import(tmp_path: Path, raster: Path, text: str, words: str) -> None:
    message = failure(make_package(tmp_path / "P", "Broken", text=text), raster)
    import re

    assert re.search(words, message.splitlines()[0]), message


def test_arcgis_missing_behind_another_message(tmp_path: Path, raster: Path) -> None:
    text = """
class Learned:
    def initialize(self, **kwargs):
        try:
            import arcgis.learn
        except ImportError:
            raise Exception("deep learning dependencies are missing")
"""
    message = failure(make_package(tmp_path / "P", "Learned", text=text), raster)
    assert "deep learning dependencies are missing. This package is built on" in message


def test_class_of_another_name(tmp_path: Path, raster: Path) -> None:
    said: list[tuple[str, str]] = []
    text = """
class Base: pass
class Hidden(Base):
    def initialize(self, **kwargs): pass
    def getParameterInfo(self): return [{"name": "raster", "dataType": "raster"}]
    def getConfiguration(self, **scalars): return {}
    def updatePixels(self, tlc, shape, props, **pixelBlocks): return {}
"""
    package = make_package(tmp_path / "P", "USA_Hidden", text=text)
    with running(package, raster, said=said) as run:
        assert run.function.name == "Hidden"
    assert "which ArcGIS looks for" in said[0][1]
    package = make_package(tmp_path / "Q", "USA_Hidden", text=text + "class Last(Hidden): pass\n")
    with running(package, raster) as run:
        assert run.function.name == "Last"
    text += "class Other(Hidden): pass\nclass More(Hidden): pass\n"
    with pytest.raises(FunctionError, match="classes in it: Base, Hidden, Other, More"):
        load_class(make_package(tmp_path / "R", "USA_Hidden", text=text) / "USA_Hidden.py")


@pytest.mark.parametrize(
    ("emd", "error", "words"),
    [
        ({"InferenceFunction": None}, FunctionError, "names no InferenceFunction"),
        ({"InferenceFunction": "Gone.py"}, PackageError, "Gone.py"),
        ({"InferenceFunction": "P.emd"}, FunctionError, "not a Python file"),
        (
            {"InferenceFunction": "", "Framework": "arcgis.learn.models._inferencing"},
            FunctionError,
            r"\[Functions\]System.*pip install arcgis",
        ),
    ],
)
def test_no_function(
    tmp_path: Path, emd: dict[str, object], error: type[Exception], words: str
) -> None:
    with (
        open_package(make_package(tmp_path / "P", emd=emd)) as opened,
        pytest.raises(error, match=words),
    ):
        function_path(opened)


@pytest.mark.parametrize(
    ("kind", "fits"),
    [(None, True), ("ImageClassification", True), ("ObjectDetection", False), ("Own", True)],
)
def test_model_type(tmp_path: Path, kind: str | None, fits: bool) -> None:
    with open_package(make_package(tmp_path / "P", emd={"ModelType": kind})) as opened:
        if fits:
            check_tool(opened)
        else:
            with pytest.raises(ContractError, match="Error 003569 Invalid deep learning model"):
                check_tool(opened)
