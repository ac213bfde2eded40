"""Habits that harm ArcGIS's process or fail on other machines, and those that do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.functions_text import changed, judge, rules

LIMITS = (
    '        self.limits = os.path.join(os.path.dirname(model), self.definition["ModelFile"])\n'
)


def in_initialize(code: str, imports: str = "") -> str:
    return changed(
        ("import numpy as np\n", f"import numpy as np\n{imports}"),
        (LIMITS, LIMITS + "".join(f"        {line}\n" for line in code.splitlines())),
    )


@pytest.mark.parametrize(
    "code",
    [
        "with open(self.limits) as file:\n    self.text = file.read()",
        "with open(os.path.join(tempfile.gettempdir(), 'x'), 'w') as file:\n    file.write('x')",
        "with open(os.path.join(os.path.dirname(__file__), 'x'), 'rb') as file:\n    file.read()",
        "self.text = 'see C:\\\\Users\\\\me\\\\x for more'",
        "self.url = 'https://example.org/home/me'",
        "self.short = '/home'",
    ],
)
def test_habits_that_are_fine(code: str, tmp_path: Path) -> None:
    report = judge(tmp_path, in_initialize(code, "import sys\nimport tempfile\n\nimport torch\n"))
    assert not report.findings, report.to_text()


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("quit(1)", "function/process"),
        ("self.x = r'\\\\server\\share\\x.pth'", "function/absolute-path"),
        ("self.x = 'D:/models/x.pth'", "function/absolute-path"),
        ("self.x = '/home/me/x.pth'", "function/absolute-path"),
        ("self.log = open(__file__ + '.log', mode='a')", "function/writes-beside"),
        (
            "self.here = os.path.dirname(__file__)\nopen(self.here + '/log', 'w').close()",
            "function/writes-beside",
        ),
    ],
)
def test_habits_that_are_not(code: str, rule: str, tmp_path: Path) -> None:
    assert rules(judge(tmp_path, in_initialize(code))) == [rule]


@pytest.mark.parametrize(
    "code",
    [
        "torch.load(self.limits, map_location='cpu')",
        "torch.hub.load('a', 'b')",
        "str.from_pretrained('x')",
        "self.name.load_state_dict({})",
        "self.load()",
    ],
)
def test_loading_in_initialize_is_found(code: str, tmp_path: Path) -> None:
    load = "    def load(self):\n        self.net = torch.jit.load(self.limits)\n\n"
    text = in_initialize(f"self.net = {code}", "import torch\n")
    text = changed(("    def getParameterInfo", load + "    def getParameterInfo"), text=text)
    assert rules(judge(tmp_path, text)) == ["function/heavy-initialize"]


@pytest.mark.parametrize(
    "code",
    [
        "if kwargs.get('device') is not None:\n    self.net = torch.jit.load(self.limits)",
        "if kwargs.get('device') is None:\n    return\ntorch.jit.load(self.limits)",
    ],
)
def test_loading_for_the_run_only_is_fine(code: str, tmp_path: Path) -> None:
    report = judge(tmp_path, in_initialize(code, "import torch\n"))
    assert not report.findings, report.to_text()
