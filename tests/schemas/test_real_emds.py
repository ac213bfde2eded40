"""Definitions like those that work in ArcGIS: none of them may be called an error.

Each of `real_emds.json` has the keys, kinds of values and oddities that the named writer gives its
files; names and numbers are made up.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from schemas import validate_emd

REAL = json.loads(Path(__file__).with_name("real_emds.json").read_text("utf-8"))


@pytest.mark.parametrize("name", sorted(REAL))
def test_no_error_in_a_definition_that_works(name):
    report = validate_emd(json.dumps(REAL[name], indent=4), file="Model.emd")
    assert report.ok, report.to_text()


@pytest.mark.parametrize(
    "name",
    [
        "arcgis.learn UnetClassifier",
        "arcgis.learn DeepLab, multispectral",
        "arcgis.learn change detection, bands of two rasters",
        "arcgis.learn model extension",
        "arcgis.learn time series, no Classes and no bands",
        "third party, own keys and band names",
    ],
)
def test_not_even_a_warning_for_ordinary_pixel_classifiers(name):
    report = validate_emd(json.dumps(REAL[name]))
    assert report.warnings == (), report.to_text()


@pytest.mark.parametrize("key", sorted({key for emd in REAL.values() for key in emd}))
def test_leaving_a_key_out_or_null_is_an_error_only_without_a_function(key):
    """Only what runs the model cannot be left out: everything else some function does without."""
    emd = copy.deepcopy(REAL["arcgis.learn UnetClassifier"])
    emd.pop(key, None)
    assert validate_emd(json.dumps(emd)).ok
    custom = {k: v for k, v in emd.items() if k not in ("Framework", "ModelConfiguration")}
    custom[key] = None
    report = validate_emd(json.dumps(custom))
    assert report.ok == (key != "InferenceFunction"), report.to_text()


@pytest.mark.parametrize("value", [None, True, 0, -1.5, "text", [], [1], {}, {"a": 1}])
@pytest.mark.parametrize(
    "key",
    ["accuracy", "ModelParameters", "MinCellSize", "NormalizationStats", "resize_to", "Version"],
)
def test_informational_keys_may_hold_anything(key, value):
    emd = {**REAL["arcgis.learn UnetClassifier"], key: value}
    assert validate_emd(json.dumps(emd)).ok
