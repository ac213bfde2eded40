"""Describing packages: typed, whatever they hold, and harmless to terminals."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from dlpk.cli.main import main
from dlpk.package.inspect import Inspection, inspect
from tests.support.packages import EMD, FILES, make_folder, make_zip

WRONG: tuple[Any, ...] = (None, True, 5, -1.5, "text", [], [1, None], {}, {"a": [1]}, 10**400)


def test_an_ordinary_package(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = make_zip(tmp_path / "Model.dlpk")
    found = inspect(path)
    assert (found.name, found.tile, found.weights) == ("Model", (64, 64), "Model.pth")
    assert found.classes == [{"value": 1, "name": "water", "color": [0, 0, 255]}]
    assert found.files["Model.emd"] == len(EMD)
    assert main(["inspect", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(found.to_dict()))
    assert main(["inspect", str(path)]) == 0
    assert "Class 1:           water" in capsys.readouterr().out


@pytest.mark.parametrize("value", WRONG, ids=range(len(WRONG)))
def test_values_of_wrong_types(value: Any, tmp_path: Path) -> None:
    keys = ("Classes", "CLIPSeg", "ImageWidth", "ExtractBands", "Threshold", "Description")
    own = {"PromptNames": value, "Vocabulary": value, "Prompt": value}
    own |= {"Thresholds": value, "Strengths": value}
    manifest = {"format": 1, "licences": value, "created_by": value, "weights": value}
    for emd in ({**json.loads(EMD), **dict.fromkeys(keys, value)}, {"CLIPSeg": own}):
        files = {**FILES, "Model.emd": json.dumps(emd).encode()}
        files["manifest.json"] = json.dumps(manifest).encode()
        found = inspect(make_folder(tmp_path / str(len(emd)), files))
        assert isinstance(found, Inspection)
        assert found.to_text() and json.dumps(found.to_dict())


def test_nothing_in_a_package_reaches_the_terminal_raw(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "\x1b]0;owned\x07\u202ecod\x9b2J"
    emd = {**json.loads(EMD), "Description": evil, "Classes": [{"Value": evil, "Name": evil}]}
    emd["InferenceFunction"] = "\x1b[2J.py"
    folder = make_folder(tmp_path / "Model", {"Model.emd": json.dumps(emd).encode(), evil: b""})
    for words in (["inspect"], ["validate"], ["classify", "none.tif", "out.tif"]):
        main([words[0], str(folder), *words[1:]])
        shown = "".join(capsys.readouterr())
        assert shown.replace("\n", "").isprintable(), words


@pytest.mark.parametrize("name", ["pipe.emd", "pipe.dlpk", "loop.emd", "loop.dlpk"])
@pytest.mark.parametrize("command", ["inspect", "validate"])
def test_pipes_and_circles_of_links_are_refused(
    name: str, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    if name.startswith("pipe"):
        os.mkfifo(path)
    else:
        path.symlink_to(path)
    assert main([command, str(path)]) == 1
    why = "pipe or socket" if name.startswith("pipe") else "cannot be read"
    assert why in "".join(capsys.readouterr())
