"""Arguments: declared in many ways, read in many ways, judged only where all is in sight."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlpk.lint.classes import Classes
from dlpk.lint.modules import Modules
from dlpk.lint.parameters import Parameters, declared
from dlpk.lint.source import Source, parse
from tests.support.functions_text import changed, judge, rules

PADDING = '{"name": "padding", "dataType": "numeric", "value": 0, "required": False},'


def read(folder: Path, body: str, *, arguments: str = "self") -> Parameters:
    lines = "".join(f"        {line}\n" for line in body.strip().splitlines())
    text = f"class Model:\n    def getParameterInfo({arguments}):\n{lines}"
    source = parse(text.encode(), folder / "Model.py", "Model.py")
    assert isinstance(source, Source), source
    found = Classes(Modules(folder)).find(source, "Model")
    assert found is not None
    parameters = declared(found)
    assert parameters is not None
    return parameters


A, B = '{"name": "a", "dataType": "raster"}', '{"name": "b", "dataType": "string", "value": 1}'


@pytest.mark.parametrize(
    "body",
    [
        f"return [{A}, {B}]",
        f"x = [{A}, {B}]\nreturn x",
        f"x = [{A}]\nx.append({B})\nreturn x",
        f"x = [{A}]\nx.extend([{B}])\nreturn x",
        f"x = [{A}]\nx += [{B}]\nreturn x",
        f"return [{A}] + [{B}]",
        f"a = [{A}]\nb = [{B}]\nreturn a + b",
        f"a = [{A}]\nb = {B}\nreturn [*a, b]",
        f"x = []\nx.append({A})\nx.append({B})\nprint(len(x))\nreturn x",
    ],
)
def test_lists_are_followed(body: str, tmp_path: Path) -> None:
    parameters = read(tmp_path, body)
    assert list(parameters.named) == ["a", "b"]
    assert parameters.closed
    assert parameters.named["b"].keys["value"] == 1


@pytest.mark.parametrize(
    "body",
    [
        f"x = [{A}]\nx = self.child.getParameterInfo(x)\nreturn x",
        f"x = [{A}]\nself.add(x)\nreturn x",
        f"return self.child.getParameterInfo([{A}])",
        f"return [{A}, self.padding()]",
        f"x = [{A}]\nx = [p for p in x]\nreturn x",
        f"if self.x:\n    return [{A}]\nreturn [{B}]",
        "return [{'name': n, 'dataType': 'string'} for n in NAMES]",
        "x = x\nreturn x",
    ],
)
def test_lists_that_may_hold_more_are_open(body: str, tmp_path: Path) -> None:
    assert not read(tmp_path, body).closed


def test_list_from_outside_is_open(tmp_path: Path) -> None:
    parameters = read(tmp_path, f"x.append({A})\nreturn x", arguments="self, x=None")
    assert not parameters.closed
    assert list(parameters.named) == ["a"]


def test_keys_that_are_worked_out_are_unknown(tmp_path: Path) -> None:
    (entry,) = read(tmp_path, "return [{'name': NAME, 'value': f(), **more}]").entries
    assert entry.keys == {"name": None, "value": None}


@pytest.mark.parametrize(
    "entry",
    [
        '{"name": "a", "dataType": "GPLong", "value": 4, "domain": (0, 8)},',
        '{"name": "a", "dataType": "boolean", "value": "false"},',
        '{"name": "a", "dataType": str(), "value": 3, "required": any([]), "domain": [id]},',
        "{**dict(), 'value': 3},",
        "dict(name='a', dataType='string'),",
    ],
)
def test_entries_in_use_are_fine(entry: str, tmp_path: Path) -> None:
    assert not judge(tmp_path, with_entry(entry, 'self.a = scalars.get("a")')).findings


def with_entry(entry: str, code: str) -> str:
    return changed(
        (PADDING, f"{PADDING}\n            {entry}"),
        ("        size = ", f"        {code}\n        size = "),
    )


def getting(code: str) -> str:
    return changed(('        self.padding = int(scalars.get("padding", 0))\n', code))


@pytest.mark.parametrize(
    "code",
    [
        'self.padding = int(scalars["padding"]) if "padding" in scalars else 0',
        'self.padding = 0\n        if "padding" in scalars:\n'
        '            self.padding = int(scalars["padding"])',
        'if "padding" not in scalars:\n            raise ValueError("padding")\n'
        '        self.padding = int(scalars["padding"])',
        'try:\n            self.padding = int(scalars["padding"])\n'
        "        except KeyError:\n            self.padding = 0",
        'self.padding = scalars.get("padding", 0)\n        self.padding = int(self.padding)',
        'padding = scalars.get("padding", 0)\n        padding = int(padding)\n'
        "        self.padding = padding * 1",
        'value = scalars.get("padding", 0)\n        self.padding = int(value)',
        'value = scalars.get("padding")\n        self.padding = 0 if value is None else int(value)',
        'value = scalars.get("padding", "0")\n        self.padding = 0 if value == "none" else 1',
    ],
)
def test_careful_reading_is_fine(code: str, tmp_path: Path) -> None:
    report = judge(tmp_path, getting(f"        {code}\n"))
    assert not report.findings, report.to_text()


@pytest.mark.parametrize(
    "code",
    [
        'self.padding = scalars["padding"] // 2',
        'padding = scalars.get("padding", 0)\n        self.padding = padding - 2',
        'self.padding = -scalars.get("padding", 0)',
        'self.padding = [0 for _ in range(scalars.get("padding", 0))][0]',
        'self.padding = 0 if scalars.get("padding", 0) == 0 else 4',
    ],
)
def test_text_used_as_a_number(code: str, tmp_path: Path) -> None:
    assert "arguments/not-converted" in rules(judge(tmp_path, getting(f"        {code}\n")))


@pytest.mark.parametrize(
    "code",
    [
        'if not scalars.get("text"):\n            raise ValueError("no prompt")',
        "self.scalars = dict(scalars)",
    ],
)
def test_text_may_be_tested_for_or_handed_on(code: str, tmp_path: Path) -> None:
    entry = '{"name": "text", "dataType": "string", "value": ""},'
    assert not judge(tmp_path, with_entry(entry, code)).findings
