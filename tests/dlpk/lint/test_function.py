"""The class of a raster function: found where it may be, and judged no further than it is seen."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlpk.lint.modules import Modules, reachable
from dlpk.lint.source import MAX_SOURCE, Source, parse
from tests.support.functions_text import CLEAN, changed, judge, rules

BASE = changed(("class Model:", "class Base:"))


def test_methods_of_a_base_in_a_module_of_the_package_count(tmp_path: Path) -> None:
    text = "import sys\n\nsys.path[:0] = [__file__]\nfrom base import Base\n\n\n"
    text += "class Model(Base):\n    pass\n"
    assert not judge(tmp_path, text, files={"base.py": BASE}).findings


def test_mistakes_in_a_base_are_placed_in_its_file(tmp_path: Path) -> None:
    base = changed(("def getParameterInfo(self):", "def getParameterInfo(self, more):"), text=BASE)
    text = "from .base import Base\n\n\nclass Model(Base):\n    pass\n"
    (finding,) = judge(tmp_path, text, files={"base.py": base}).errors
    assert (finding.rule, finding.file) == ("function/signature", "base.py")


@pytest.mark.parametrize(
    "text",
    [
        BASE + "\n\nModel = Base\n",
        BASE + "\n\nModel = type(Base())\n",
        "from base import Base as Model\n",
        "from arcgis.learn import Something\n\n\nclass Model(Something):\n    pass\n",
        "from base import Model\n",
        "from base import *\n",
        "import base as Model\n",
        "def Model():\n    return object()\n",
        "@property\nclass Model:\n    pass\n",
        "class Model(metaclass=type):\n    pass\n",
        "class Model:\n    def __getattr__(self, name):\n        return None\n",
        "try:\n    from missing import Model\nexcept ImportError:\n    Model = None\n",
    ],
)
def test_class_that_cannot_be_seen_is_no_error(text: str, tmp_path: Path) -> None:
    assert not judge(tmp_path, text, files={"base.py": BASE}).errors


def test_bases_in_circles_end(tmp_path: Path) -> None:
    text = "class Model(A, B):\n    pass\n\n\n"
    names = "ABCDEFGHIJ"
    for name in names:
        bases = ", ".join(names)
        text += f"class {name}({bases}):\n    pass\n\n\n"
    judge(tmp_path, text)


def test_detector_needs_vectorize_and_no_updatepixels(tmp_path: Path) -> None:
    body = """
    def getFields(self):
        return json.dumps({"fields": []})

    def getGeometryType(self):
        return 4

    def vectorize(self, **pixelBlocks):
        valid = pixelBlocks["raster_mask"]
        return {"output_vectors": json.dumps({"features": []}), "n": np.sum(valid), "t": THRESHOLD}
"""
    text = changed(("        self.threshold", "        threshold")) + body
    text = text[: text.index("    def updateRasterInfo")] + body.replace("THRESHOLD", "0")
    report = judge(tmp_path, text, emd={"ModelType": "ObjectDetection"})
    assert rules(report) == []


def test_delegating_function_is_not_guessed_at(tmp_path: Path) -> None:
    """The style of arcgis.learn: everything is left to a class of another package."""
    text = """
import importlib
import json


class Model:
    def __init__(self):
        self.name = ""
        self.description = ""

    def initialize(self, **kwargs):
        if "model" not in kwargs:
            return
        try:
            with open(kwargs["model"]) as file:
                self.info = json.load(file)
        except FileNotFoundError:
            self.info = json.loads(kwargs["model"])
        module = importlib.import_module(self.info["Framework"])
        self.child = getattr(module, "Child")()
        self.child.initialize(kwargs["model"], True)

    def getParameterInfo(self):
        required = [
            {"name": "raster", "dataType": "raster"},
            {"name": "model", "dataType": "string"},
        ]
        parameters = self.child.getParameterInfo(required)
        for parameter in parameters:
            if parameter["name"] == "predict_background":
                parameter["value"] = "False"
        return parameters

    def getConfiguration(self, **scalars):
        configuration = self.child.getConfiguration(**scalars)
        configuration["inheritProperties"] = 2 | 4 | 8
        configuration["inputMask"] = True
        return configuration

    def updateRasterInfo(self, **kwargs):
        kwargs["output_info"]["pixelType"] = "i4"
        return kwargs

    def updatePixels(self, tlc, shape, props, **pixelBlocks):
        pixelBlocks["raster_pixels"][pixelBlocks["raster_mask"] == 0] = 0
        result = self.child.updatePixels(tlc, shape, props, **pixelBlocks)
        pixelBlocks["output_pixels"] = result.astype(props["pixelType"], copy=False)
        return pixelBlocks
"""
    emd = {"Framework": "arcgis.learn.models._inferencing", "ModelName": "UnetClassifier"}
    assert not judge(tmp_path, text, emd=emd | {"ModelConfiguration": "_unet"}).findings


def test_block_put_back_before_it_is_read_is_there(tmp_path: Path) -> None:
    text = changed(
        ('{"name": "raster", "dataType"', '{"name": "image", "dataType"'),
        (
            '        pixels = pixelBlocks["raster_pixels"]',
            '        pixelBlocks["raster_pixels"] = pixelBlocks["image_pixels"]\n'
            '        pixelBlocks["raster_mask"] = pixelBlocks["image_mask"]\n'
            '        pixels = pixelBlocks["raster_pixels"]',
        ),
    )
    assert not judge(tmp_path, text).findings


def test_file_beyond_the_limit_is_not_looked_into(tmp_path: Path) -> None:
    report = judge(tmp_path, CLEAN + "#" * MAX_SOURCE)
    assert rules(report) == ["function/not-read"]


@pytest.mark.parametrize(
    "code",
    ["x = " + "-" * 20_000 + "1", "x = a" + " + a" * 50_000, "x = " + "(" * 150 + ")" * 150],
)
def test_deep_code_is_no_crash(code: str, tmp_path: Path) -> None:
    judge(tmp_path, CLEAN + "\n" + code + "\n")


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe\x00",
        b"# coding: no-such-encoding\n",
        b"# coding: rot13\n",
        b"x = '\xe4'\n",
        b"x = 1\0\n",
        b"",
    ],
)
def test_odd_bytes_are_judged(data: bytes, tmp_path: Path) -> None:
    report = judge(tmp_path, data)
    assert report.errors


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data())
def test_cut_and_mixed_functions_are_no_crash(data: st.DataObject, tmp_path: Path) -> None:
    lines = CLEAN.splitlines()
    picked = data.draw(st.lists(st.sampled_from(lines), max_size=60))
    judge(tmp_path, "class Model:\n" + "\n".join(picked))
    start = data.draw(st.integers(0, len(CLEAN)))
    length = data.draw(st.integers(0, 40))
    judge(tmp_path, CLEAN[:start] + CLEAN[start + length :])


def test_modules_that_import_each_other_are_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import b\nfrom . import c\n")
    (tmp_path / "b.py").write_text("import a, c\n")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "__init__.py").write_text("from .d import *\n")
    (tmp_path / "c" / "d.py").write_text("from ..b import x\n")
    start = parse((tmp_path / "a.py").read_bytes(), tmp_path / "a.py", "a.py")
    assert isinstance(start, Source)
    found = [source.name for source in reachable(start, Modules(tmp_path))]
    assert sorted(found) == ["a.py", "b.py", "c/__init__.py", "c/d.py"]


def test_imports_do_not_lead_out_of_the_package(tmp_path: Path) -> None:
    (tmp_path / "secret.py").write_text("x = 1\n")
    package = tmp_path / "package"
    package.mkdir()
    (package / "a.py").write_text("from .. import secret\nfrom ...x import y\n")
    start = parse((package / "a.py").read_bytes(), package / "a.py", "a.py")
    assert isinstance(start, Source)
    assert [source.name for source in reachable(start, Modules(package))] == ["a.py"]
