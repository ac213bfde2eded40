"""What functions do to the process they run in is undone, and packages do not meet."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlpk.classification.api import classify
from dlpk.errors import ArgumentsError
from dlpk.harness import environment
from dlpk.harness.arcpy_standin import StandIn, arcpy_installed
from dlpk.harness.devices import device_number, free_device
from dlpk.harness.environment import Environment
from dlpk.harness.loader import function_path, load_class
from dlpk.package.open import open_package
from tests.support.runs import all_blocks, make_package, make_raster, read, running


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    return make_raster(tmp_path / "scene.tif", (3, 16, 40))


def test_a_messy_guest(tmp_path: Path, raster: Path, capfd: pytest.CaptureFixture[str]) -> None:
    package = make_package(tmp_path / "P", "Messy")
    said: list[tuple[str, str]] = []
    before = (os.getcwd(), list(sys.path), dict(os.environ), set(sys.modules), np.geterr())
    finders = list(sys.meta_path)
    os.chdir(tmp_path)
    try:
        # All paths are relative, and the function goes elsewhere.
        classify(
            "P",
            "scene.tif",
            "out.tif",
            say=lambda level, text: said.append((level, text)),
            debug_block="kept",
        )
        assert os.getcwd() == str(tmp_path)
    finally:
        os.chdir(before[0])
    after = (os.getcwd(), list(sys.path), dict(os.environ), set(sys.modules), np.geterr())
    assert after[:3] == before[:3]
    assert after[4] == before[4]
    assert "Messy" not in after[3]
    assert not {name for name in after[3] - before[3] if name.startswith("arcpy")}
    assert sys.meta_path == finders
    out, err = capfd.readouterr()
    assert out == ""
    for text in ("imported", "written", "initialize", "block 3", "raw", "child"):
        assert text in err
    assert ("message", "a message") in said
    assert ("warning", "a warning") in said
    assert ("warning", "a Python warning") in said
    assert (package / "messy.log").read_text() == "block\n" * 3
    assert sorted(path.name for path in package.iterdir()) == ["Messy.py", "P.emd", "messy.log"]
    assert read(tmp_path / "out.tif")[0, 0, ::16].tolist() == [1, 2, 3]


class _Changing(dict[str, Any]):
    """What other threads change while it is copied, now and then."""

    failures = 2

    def keys(self) -> Any:
        if self.failures:
            self.failures -= 1
            raise RuntimeError("dictionary changed size during iteration")
        return super().keys()

    def __iter__(self) -> Any:
        return iter(self.keys())


def test_other_threads_import_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    modules = _Changing(sys.modules)
    monkeypatch.setattr(environment.sys, "modules", modules)
    assert environment._imported().keys() == dict.keys(modules)
    assert modules.failures == 0


def test_two_packages_with_modules_of_the_same_names(tmp_path: Path, raster: Path) -> None:
    text = """
import os, sys
sys.path.append(os.path.dirname(__file__))
import helpers
import parts.deep
class Same:
    def initialize(self, **kwargs): pass
    def getParameterInfo(self): return [{"name": "raster", "dataType": "raster"}]
    def getConfiguration(self, **scalars): return {}
    def updateRasterInfo(self, **kwargs):
        kwargs["output_info"].update(bandCount=1, pixelType="u1")
        return kwargs
    def updatePixels(self, tlc, shape, props, **pixelBlocks):
        import late
        import numpy as np
        return {"output_pixels": np.full(shape, helpers.N + parts.deep.N + late.N, "u1")}
"""
    for name, number in (("A", 1), ("B", 2), ("A", 1)):
        package = make_package(tmp_path / name, "Same", text=text)
        (package / "parts").mkdir(exist_ok=True)  # no __init__.py: a module without a file
        for file in ("helpers.py", "late.py", "parts/deep.py"):
            (package / file).write_text(f"N = {number}\n")
        with running(package, raster) as run:
            assert all_blocks(run).max() == 3 * number
    left = {"Same", "helpers", "late", "parts", "parts.deep"} & set(sys.modules)
    assert not left


def test_modules_beside_the_function(tmp_path: Path, raster: Path) -> None:
    text = """
import beside
class Plain:
    def initialize(self, **kwargs):
        import folder.late
        assert beside.N + folder.late.N == 3
    def getParameterInfo(self): return [{"name": "raster", "dataType": "raster"}]
    def updatePixels(self, tlc, shape, props, **pixelBlocks):
        return {"output_pixels": pixelBlocks["raster_pixels"]}
"""
    package = make_package(tmp_path / "P", "Plain", text=text)
    (package / "beside.py").write_text("N = 1\n")
    (package / "folder").mkdir()
    (package / "folder" / "__init__.py").write_text("")
    (package / "folder" / "late.py").write_text("N = 2\n")
    said: list[tuple[str, str]] = []

    def say(level: str, text: str) -> None:
        said.append((level, text))

    out = tmp_path / "o.tif"
    classify(package, raster, out, device="cpu", say=say)
    assert [text.split(" lies beside")[0] for _, text in said] == [
        "the module 'beside'",
        "the module 'folder'",
    ]
    assert not {"beside", "folder", "folder.late"} & set(sys.modules)


@pytest.mark.parametrize("how", ["append", "insert"])
def test_modules_called_like_ours(tmp_path: Path, raster: Path, how: str) -> None:
    import builder
    import schemas
    import schemas.findings

    place = "0, " if how == "insert" else ""
    text = f"""
import os, sys
sys.path.{how}({place}os.path.dirname(__file__))
import schemas
import builder.inner
class Ours:
    def initialize(self, **kwargs): assert schemas.N == builder.inner.N == 5
    def getParameterInfo(self): return [{{"name": "raster", "dataType": "raster"}}]
    def getConfiguration(self, **scalars): return {{}}
    def updatePixels(self, tlc, shape, props, **pixelBlocks):
        return {{"output_pixels": pixelBlocks["raster_pixels"]}}
"""
    package = make_package(tmp_path / "P", "Ours", text=text)
    (package / "schemas.py").write_text("N = 5\n")
    (package / "builder").mkdir()
    (package / "builder" / "__init__.py").write_text("")
    (package / "builder" / "inner.py").write_text("N = 5\n")
    with running(package, raster) as run:
        all_blocks(run)
    assert sys.modules["schemas"] is schemas
    assert sys.modules["builder"] is builder
    assert sys.modules["schemas.findings"] is schemas.findings
    assert "builder.inner" not in sys.modules


def test_a_function_called_like_a_library(tmp_path: Path, raster: Path) -> None:
    import json

    text = (Path(__file__).parents[2] / "support" / "functions" / "Probe.py").read_text()
    package = make_package(tmp_path / "P", "select", text=text.replace("Probe:", "select:"))
    with running(package, raster) as run:
        all_blocks(run)
    assert json.loads("1") == 1
    import select

    assert hasattr(select, "select")


def test_warnings_do_not_raise(tmp_path: Path, raster: Path) -> None:
    # Whoever runs Python with -W error still runs the function as ArcGIS does.
    text = """
import warnings
import numpy as np
warnings.warn("old", DeprecationWarning)
warnings.warn("look", UserWarning)
np.float32(1) / np.float32(0)
class Warning_:
    pass
"""
    said: list[tuple[str, str]] = []

    def say(level: str, text: str) -> None:
        said.append((level, text))

    source = make_package(tmp_path / "P", "Warning_", text=text)
    with open_package(source) as package, Environment(package, say):
        load_class(function_path(package))
    assert said[0] == ("warning", "look")
    assert "divide by zero" in said[1][1]
    assert len(said) == 2


def test_stand_in() -> None:
    said: list[tuple[str, str]] = []

    def say(level: str, text: str) -> None:
        said.append((level, text))

    with arcpy_installed(say, gpu=None):
        import arcpy
        from arcpy import env
        from arcpy.ia.util import get_available_device

        assert isinstance(arcpy, StandIn)
        assert arcpy.env is env
        assert (env.processorType, env.gpuId, get_available_device()) == ("CPU", -1, -1)
        env.processorType = "GPU"
        env.gpuId = "0"
        assert (arcpy.env.processorType, arcpy.env.gpuId) == ("GPU", "0")
        env.anything = 3  # writing is free
        assert env.anything == 3
        arcpy.AddMessage("one")
        arcpy.AddError("two")
        with pytest.raises(AttributeError, match=r"arcpy\.GetParameter is not part"):
            arcpy.GetParameter(0)
        with pytest.raises(AttributeError, match=r"arcpy\.env\.mask is not part"):
            _ = arcpy.env.mask
        assert not hasattr(arcpy.ia, "Raster")
        with arcpy_installed(say, gpu=1):  # one inside another keeps the outer one
            import arcpy as again

            assert again is arcpy
    assert said == [("message", "one"), ("error", "two")]
    assert not [name for name in sys.modules if name.split(".")[0] == "arcpy"]


def test_stand_in_with_a_card() -> None:
    with arcpy_installed(lambda *_: None, gpu=1):
        import arcpy

        assert (arcpy.env.processorType, arcpy.env.gpuId) == ("GPU", 1)
        assert arcpy.ia.util.get_available_device(max_memory=0.8) == 1


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    assert free_device(-1) == -1
    assert free_device(3) == 3
    assert [device_number(name) for name in ("cpu", "cuda", "cuda:2")] == [-1, 0, 2]
    for there, number in ((True, -2), (False, -1)):
        monkeypatch.setattr("dlpk.harness.devices.has_gpu", lambda there=there: there)
        assert device_number("auto") == number
    assert free_device(-2) == -1
    for wrong in ("gpu", "cuda:", "cuda:x", "", "cuda:1234"):
        with pytest.raises(ArgumentsError, match="auto, cpu or cuda:N"):
            device_number(wrong)


def test_real_arcpy_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "arcpy.py").write_text("REAL = True\n")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from dlpk.harness.arcpy_standin import arcpy_installed\n"
        "with arcpy_installed(print, gpu=None):\n"
        "    import arcpy\n"
        "    assert arcpy.REAL\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, cwd=Path.cwd())
