"""Habits that are fine are left alone, and those that are not are found in their many forms."""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path

import pytest

from dlpk.harness.arcpy_standin import arcpy_installed, is_real_arcpy_there
from dlpk.lint.arcpy_calls import OFFERED
from tests.support.functions_text import CLEAN, changed, judge, rules

LIMITS = (
    '        self.limits = os.path.join(os.path.dirname(model), self.definition["ModelFile"])\n'
)


def in_initialize(code: str, imports: str = "") -> str:
    return changed(
        ("import numpy as np\n", f"import numpy as np\n{imports}"),
        (LIMITS, LIMITS + "".join(f"        {line}\n" for line in code.splitlines())),
    )


def at_top(code: str) -> str:
    return changed(("import numpy as np\n", f"import numpy as np\n\n{code}"))


@pytest.mark.parametrize(
    "code",
    [
        "with open(self.limits) as file:\n    self.text = file.read()",
        "with open(os.path.join(tempfile.gettempdir(), 'x'), 'w') as file:\n    file.write('x')",
        "with open(os.path.join(os.path.dirname(__file__), 'x'), 'rb') as file:\n    file.read()",
        "self.text = 'see C:\\\\Users\\\\me\\\\x for more'",
        "raise ValueError('C:\\\\models\\\\x is not there')",
        "self.pattern = '[A-Z]:\\\\\\\\'",
        "self.url = 'https://example.org/home/me'",
        "self.short = '/home'",
        "print('hello')",
        "os.environ['CUDA_DEVICE_ORDER'] = 'PCI_BUS_ID'",
        "self.cwd = os.getcwd()",
        "names = []\nnames.append(model)",
        "sys.stdout.write('x')",
        "sys.exit",
    ],
)
def test_habits_that_are_fine(code: str, tmp_path: Path) -> None:
    report = judge(tmp_path, in_initialize(code, "import sys\nimport tempfile\n"))
    assert not report.findings, report.to_text()


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("os.chdir('x')", "function/working-directory"),
        ("exit()", "function/ends-process"),
        ("quit(1)", "function/ends-process"),
        ("os._exit(1)", "function/ends-process"),
        ("self.x = r'\\\\server\\share\\x.pth'", "function/absolute-path"),
        ("self.x = 'D:/models/x.pth'", "function/absolute-path"),
        ("self.x = '/home/me/x.pth'", "function/absolute-path"),
        ("self.log = open(__file__ + '.log', mode='a')", "function/writes-beside"),
        (
            "self.here = os.path.dirname(__file__)\nopen(self.here + '/log', 'w').close()",
            "function/writes-beside",
        ),
        ("sys.stderr = None", "function/standard-streams"),
        ("sys.path.insert(0, model)", "function/search-path"),
    ],
)
def test_habits_that_are_not(code: str, rule: str, tmp_path: Path) -> None:
    assert rules(judge(tmp_path, in_initialize(code, "import sys\n"))) == [rule]


@pytest.mark.parametrize(
    "code",
    [
        "keep = sys.stdout\nsys.stdout = open(os.devnull, 'w')\nsys.stdout = keep",
        "sys.path.insert(0, model)\ntry:\n    self.x = 1\nfinally:\n    sys.path.remove(model)",
    ],
)
def test_what_is_put_back_is_fine(code: str, tmp_path: Path) -> None:
    report = judge(tmp_path, in_initialize(code, "import sys\n"))
    assert not report.findings, report.to_text()


@pytest.mark.parametrize(
    ("top", "use", "rule"),
    [
        ("SEEN = []\n", "SEEN.append(tlc)", "function/state-grows"),
        ("SEEN = {}\n", "SEEN.setdefault(tlc, []).append(1)", "function/state-grows"),
        ("SEEN = set()\n", "SEEN.add(tlc)", "function/state-grows"),
        ("SEEN = dict()\n", "SEEN['a'] = tlc", "function/shared-state"),
        ("SEEN = []\n", "SEEN.clear()\n        SEEN.append(tlc)", "function/shared-state"),
        ("SEEN = []\n", "del SEEN[:]", "function/shared-state"),
        ("SEEN = []\n", "seen = list(SEEN)\n        seen.append(tlc)", None),
        ("SEEN = []\n", "SEEN = []\n        SEEN.append(tlc)", None),
        ("SEEN = (1, 2)\n", "self.seen = SEEN + (tlc,)", None),
        ("SEEN = []\n", "self.seen = [*SEEN, tlc]", None),
    ],
)
def test_state_of_the_file(top: str, use: str, rule: str | None, tmp_path: Path) -> None:
    text = changed(
        ("        pixels = pixelBlocks", f"        {use}\n        pixels = pixelBlocks"),
        text=at_top(top),
    )
    assert rules(judge(tmp_path, text)) == ([rule] if rule else [])


def test_attribute_made_by_the_object_itself_is_its_own(tmp_path: Path) -> None:
    text = changed(
        ("class Model:\n", "class Model:\n    seen = []\n\n"),
        ("        self.name = ", "        self.seen = []\n        self.name = "),
        (
            "        pixels = pixelBlocks",
            "        self.seen.append(tlc)\n        pixels = pixelBlocks",
        ),
    )
    assert not judge(tmp_path, text).findings


def test_mutable_default_that_is_only_read_is_fine(tmp_path: Path) -> None:
    helper = (
        "    def mean(self, value, more=[]):\n        return sum([value, *more])\n\n"
        "    def getParameterInfo"
    )
    assert not judge(tmp_path, changed(("    def getParameterInfo", helper))).findings


TORCH = "import torch\n"


@pytest.mark.parametrize(
    "code",
    [
        'self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")',
        'if kwargs.get("device", -1) >= 0:\n    self.device = torch.device("cuda:0")',
        "self.device = torch.device(f\"cuda:{kwargs.get('device')}\")",
        'try:\n    self.device = torch.device("cuda")\nexcept RuntimeError:\n    pass',
        'self.device = "cuda"',
        "torch.cuda.set_device(0)",
        "torch.cuda.empty_cache()",
    ],
)
def test_devices_that_are_chosen_are_fine(code: str, tmp_path: Path) -> None:
    report = judge(tmp_path, in_initialize(code, TORCH))
    assert not report.findings, report.to_text()


@pytest.mark.parametrize(
    "code",
    [
        "self.x = torch.zeros(1).cuda()",
        'self.x = torch.zeros(1).to("cuda:1")',
        'self.x = torch.zeros(1, device="cuda")',
        'self.device = torch.device("cuda")',
    ],
)
def test_devices_that_are_fixed_are_not(code: str, tmp_path: Path) -> None:
    assert rules(judge(tmp_path, in_initialize(code, TORCH))) == ["function/cuda-fixed"]


@pytest.mark.parametrize(
    "code",
    [
        "torch.load(self.limits, map_location='cpu')",
        "torch.hub.load('a', 'b')",
        "Thing.from_pretrained('x')",
        "self.net.load_state_dict({})",
        "self.load()",
    ],
)
def test_loading_in_initialize_is_found(code: str, tmp_path: Path) -> None:
    text = changed(
        (
            "    def getParameterInfo",
            "    def load(self):\n        self.net = torch.jit.load(self.limits)\n\n"
            "    def getParameterInfo",
        ),
        text=in_initialize(f"self.net = {code}", TORCH),
    )
    assert rules(judge(tmp_path, text)) == ["function/heavy-initialize"]


@pytest.mark.parametrize(
    ("code", "parts"),
    [
        ("import arcpy\n\narcpy.AddMessage('x')\narcpy.env.gpuId = '0'\n", None),
        ("import arcpy\n\nif arcpy.env.processorType == 'GPU':\n    pass\n", None),
        ("from arcpy.ia.util import get_available_device\n", None),
        ("try:\n    import arcpy.mp\nexcept ImportError:\n    pass\n", None),
        ("import arcpy\n\nP = arcpy.Point(1, 2)\nE = arcpy.Extent\n", "arcpy.Point, arcpy.Ext"),
        ("from arcpy import da\n", "arcpy.da,"),
        ("import arcpy\n\nF = arcpy.env.scratchFolder\n", "arcpy.env.scratchFolder,"),
    ],
)
def test_parts_of_arcpy(code: str, parts: str | None, tmp_path: Path) -> None:
    report = judge(tmp_path, at_top(code))
    assert rules(report) == ([] if parts is None else ["function/arcpy-only"])
    if parts is not None:
        assert parts in report.findings[0].message


@pytest.mark.skipif(is_real_arcpy_there(), reason="the real arcpy is installed")
def test_what_is_said_to_be_offered_is() -> None:
    keywords = set(inspect.signature(arcpy_installed).parameters) - {"message"}
    with arcpy_installed(lambda level, text: None, **dict.fromkeys(keywords, -1)):
        for name in OFFERED:
            module, _, attribute = name.rpartition(".")
            importlib.import_module(module)
            getattr(sys.modules[module], attribute)


def test_clean_text_is_clean(tmp_path: Path) -> None:
    assert not judge(tmp_path, CLEAN).findings
