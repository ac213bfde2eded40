"""Packages built on the Python package arcgis, here a small imitation of its layout."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from dlpk.errors import FunctionError
from dlpk.harness.loader import builtin_function, function_path
from dlpk.package.open import open_package
from tests.support.runs import FUNCTIONS, all_blocks, gradient, make_package, make_raster, running

BUILT_IN = "[Functions]System\\DeepLearning\\ArcGISLearn\\ArcGISImageClassifier.py"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of Python packages with an `arcgis` whose template is our own function."""
    folder = tmp_path / "site"
    models = folder / "arcgis" / "learn" / "models"
    models.mkdir(parents=True)
    (folder / "arcgis" / "__init__.py").write_text("raise ImportError('never imported')\n")
    text = (
        (FUNCTIONS / "ExportStyle.py").read_text().replace("ExportStyle", "ArcGISImageClassifier")
    )
    (models / "_codetemplate.py").write_text(
        f"raise ImportError('never run')\nother = 1\nimage_classifier_prf = {text!r}\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    return folder


def test_built_in_function(tmp_path: Path, site: Path) -> None:
    raster = make_raster(tmp_path / "s.tif", (3, 40, 30))
    emd = {
        "InferenceFunction": BUILT_IN,
        "Framework": "inferencing",
        "ModelConfiguration": "_child",
        "ModelFile": "w.npy",
    }
    package = make_package(tmp_path / "P", bundled=["inferencing"], emd=emd)
    np.save(package / "w.npy", np.eye(3))
    # The template adds its own folder to the search path, and the child lies in the package.
    given = {"predict_background": "True", "padding": "0"}
    sys.path.append(str(package))
    try:
        with running(package, raster, arguments=given) as run:
            assert run.function.name == "ArcGISImageClassifier"
            result = all_blocks(run)
    finally:
        sys.path.remove(str(package))
    np.testing.assert_array_equal(result[0], gradient((3, 40, 30)).argmax(axis=0))
    assert "ArcGISImageClassifier" not in sys.modules


def test_a_function_that_arcgis_does_not_carry(tmp_path: Path, site: Path) -> None:
    with pytest.raises(FunctionError, match="does not carry it: run the package in ArcGIS"):
        builtin_function("[Functions]System\\DeepLearning\\MyOwn.py")


@pytest.mark.parametrize("reference", [BUILT_IN, BUILT_IN.replace("\\", "/")])
def test_without_arcgis(tmp_path: Path, reference: str) -> None:
    package = make_package(tmp_path / "P", emd={"InferenceFunction": reference})
    with (
        open_package(package) as opened,
        pytest.raises(
            FunctionError, match=r"'arcgis', which carries its text, is not installed.*pip install"
        ),
    ):
        function_path(opened)


def test_without_arcgis_but_with_a_function_that_imports_it(tmp_path: Path) -> None:
    emd = {"Framework": "arcgis.learn.models._inferencing", "ModelConfiguration": "_unet"}
    package = make_package(tmp_path / "P", "ExportStyle", emd=emd)
    raster = make_raster(tmp_path / "s.tif")
    with pytest.raises(FunctionError) as caught, running(package, raster):
        pass
    first = str(caught.value).splitlines()[0]
    assert "ERROR 002667" in first
    assert "No module named 'arcgis'" in first
    assert "pip install arcgis" in first
