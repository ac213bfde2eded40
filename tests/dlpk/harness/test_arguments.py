"""Arguments and settings: what people write, and what functions get."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from dlpk.errors import ArgumentsError
from dlpk.harness.arguments import argument_scalars, as_text, parse_assignments
from dlpk.harness.settings import CHOICES, Settings, parse_settings

DECLARED = [
    {"name": "raster", "dataType": "raster"},
    {"name": "image", "dataType": "Raster"},
    {"name": "model", "dataType": "string"},
    {"name": "device", "dataType": "numeric"},
    {"name": "padding", "dataType": "GPLong", "value": 88.0},
    {"name": "threshold", "dataType": "GPDouble", "value": np.float32(0.5)},
    {"name": "merge", "dataType": "string", "value": ""},
    {"name": "note", "dataType": "string", "value": None},
    {"name": "other", "dataType": "string"},
]


def test_defaults() -> None:
    assert argument_scalars(DECLARED, {}) == {"padding": "88", "threshold": "0.5", "merge": ""}
    assert argument_scalars(DECLARED, {}, written_as="typed") == {
        "padding": 88.0,
        "threshold": np.float32(0.5),
        "merge": "",
    }
    given = {"note": "x", "padding": 4}
    assert argument_scalars(DECLARED, given)["padding"] == "4"
    assert argument_scalars(DECLARED, given)["note"] == "x"
    assert argument_scalars(DECLARED, given, written_as="typed")["padding"] == 4


def test_required() -> None:
    declared = [{"name": "key", "dataType": "string", "required": True, "displayName": "API key"}]
    with pytest.raises(ArgumentsError, match=r"'key' \(API key\) needs a value.*--arg key=VALUE"):
        argument_scalars(declared, {})
    assert argument_scalars(declared, {"key": ""}) == {"key": ""}


@pytest.mark.parametrize("name", ["raster", "image", "model", "device", "paddings", ""])
def test_unknown(name: str) -> None:
    with pytest.raises(ArgumentsError, match="Its arguments are: padding, threshold") as caught:
        argument_scalars(DECLARED, {name: "1"})
    assert ("did you mean 'padding'" in str(caught.value)) == (name == "paddings")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (56.0, "56"),
        (0.5, "0.5"),
        (True, "True"),
        (np.int64(3), "3"),
        (np.float32(2), "2"),
        ("0,5", "0,5"),
        (float("nan"), "nan"),
        (1e300, "1e+300"),
    ],
)
def test_as_text(value: object, text: str) -> None:
    assert as_text(value) == text


def test_assignments() -> None:
    assert parse_assignments(["a=1", " b =x=y", "c="]) == {"a": "1", "b": "x=y", "c": ""}
    for wrong in (["a"], ["=1"], [" =1"], [""]):
        with pytest.raises(ArgumentsError, match="write name=value"):
            parse_assignments(wrong)
    with pytest.raises(ArgumentsError, match="given twice"):
        parse_assignments(["a=1", "a=2"])


def test_settings() -> None:
    for name, choices in CHOICES.items():
        for choice in choices:
            assert getattr(parse_settings({name: choice}), name) == choice
        assert getattr(Settings(), name) == choices[0]
        with pytest.raises(ArgumentsError, match=f"the setting {name} is 'nonsense'"):
            parse_settings({name: "nonsense"})
    assert parse_settings({"arguments-as": " typed "}) == Settings(arguments_as="typed")
    assert parse_settings({}).changed() == {}
    assert parse_settings({"stretch": "none"}).changed() == {"stretch": "none"}
    with pytest.raises(ArgumentsError, match="did you mean 'stretch'"):
        parse_settings({"strech": "none"})


def test_every_setting_is_explained() -> None:
    page = (Path(__file__).parents[3] / "docs" / "fidelity.md").read_text()
    rows = {line.split("|")[1].strip(" `"): line for line in page.splitlines() if line[:1] == "|"}
    for field in fields(Settings):
        row = rows[field.name]
        assert row.split("|")[2].strip(" `") == str(field.default)
        for choice in CHOICES.get(field.name, ())[1:]:
            assert f"`{choice}`" in row.split("|")[3]
