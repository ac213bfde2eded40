"""Mistakes that real functions held: found, and not seen in what is written like them but right."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.functions_text import changed, judge, rules

LIMITS = (
    '        self.limits = os.path.join(os.path.dirname(model), self.definition["ModelFile"])\n'
)
CAST = '        pixelBlocks["output_pixels"] = classes.astype(props["pixelType"])\n'


def in_initialize(code: str) -> str:
    return changed((LIMITS, LIMITS + "".join(f"        {line}\n" for line in code.splitlines())))


@pytest.mark.parametrize(
    "code",
    [
        "self.x = [item for items in model for item in itmes]",
        "def inner():\n    return self.x + missing\nself.x = inner",
        "self.x = self.definition[ModelFile]",
    ],
)
def test_undefined_names(code: str, tmp_path: Path) -> None:
    assert rules(judge(tmp_path, in_initialize(code))) == ["function/undefined-name"]


@pytest.mark.parametrize(
    "code",
    [
        "try:\n    import arcpy\nexcept ImportError:\n    arcpy = None\nself.x = arcpy",
        "try:\n    self.x = unicode\nexcept NameError:\n    self.x = str",
        "if os.name == 'nt':\n    global late\n    late = 1\nself.x = late",
        "def inner(value: Missing) -> Missing:\n    return value\nself.x = inner",
        "from numpy import *\nself.x = arange(3)",
        "exec('made = 1')\nself.x = made",
    ],
)
def test_names_that_may_exist(code: str, tmp_path: Path) -> None:
    text = in_initialize(code)
    if "import *" in code:
        text = "from numpy import *\n" + changed(("        from numpy import *\n", ""), text=text)
    report = judge(tmp_path, text)
    assert "function/undefined-name" not in rules(report), report.to_text()


HELPERS = """    def helper(self, a, b=1, *, c=2):
        return a

    @staticmethod
    def free(a):
        return a

    @property
    def loader(self):
        return self.helper

    def getParameterInfo"""


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("self.helper()", True),
        ("self.helper(1, d=1)", True),
        ("self.helpr(1)", True),
        ("self.helper(1, 2, c=3)", False),
        ("self.helper(*model)", False),
        ("self.helper(**kwargs)", False),
        ("self.loader(1, 2)", False),
        ("self.net = model\nself.net(1, 2)", False),
        ("self.helper = model\nself.helper()", False),
        ("setattr(self, 'net', model)\nself.net(1)", False),
        ("try:\n    self.other()\nexcept AttributeError:\n    pass", False),
    ],
)
def test_calls_of_own_methods(code: str, wrong: bool, tmp_path: Path) -> None:
    text = changed(("    def getParameterInfo", HELPERS), text=in_initialize(code))
    report = judge(tmp_path, text)
    assert rules(report) == (["function/own-call"] if wrong else []), report.to_text()


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("open(self.definition['ModelFile'])", True),
        ("np.load(self.definition.get('ModelFile'))", True),
        ("self.path = self.definition['ModelFile']\nnp.load(self.path)", True),
        ("path = self.definition['ModelFile']\nself.path = path\nnp.load(self.path)", True),
        ("np.load('limits.txt')", True),
        ("open('./limits.txt')", True),
        ("open('elsewhere.txt')", False),
        ("np.load(os.path.join(os.path.dirname(model), 'limits.txt'))", False),
        ("open(os.path.join(os.path.dirname(model), self.definition['ModelFile']))", False),
        (
            "path = self.definition['ModelFile']\nif not os.path.isabs(path):\n"
            "    path = os.path.join(os.path.dirname(model), path)\nnp.load(path)",
            False,
        ),
        ("path = self.definition['ModelFile']\npath = os.path.abspath(path)\nnp.load(path)", False),
    ],
)
def test_path_of_the_weights(code: str, wrong: bool, tmp_path: Path) -> None:
    report = judge(tmp_path, in_initialize(code), emd={"Name": "x"})
    assert ("function/model-path" in rules(report)) is wrong, report.to_text()


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("np.argmax(classes, axis=0)", True),
        ("np.expand_dims(classes.cpu().numpy().argmax(0), 0)", True),
        ("classes > self.threshold", True),
        ("classes", False),
        ("np.argmax(classes, axis=0).astype('u1')", False),
        ("np.argmax(classes, axis=0, out=np.empty(shape, dtype=np.uint8))", False),
        ("self.child.argmax(classes)", True),
        ("self.predict(classes)", False),
    ],
)
def test_type_of_the_output(code: str, wrong: bool, tmp_path: Path) -> None:
    text = changed(
        (CAST, f'        result = {code}\n        pixelBlocks["output_pixels"] = result\n')
    )
    assert ("function/output-type" in rules(judge(tmp_path, text))) is wrong


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ('kwargs["output_info"]["pixelType"] = "f4" if self.padding else "uint8"', True),
        ('kwargs["output_info"].update(pixelType="u8")', True),
        ('kwargs["output_info"].update({"pixelType": "8_BIT_UNSIGNED"})', True),
        ('info = kwargs["output_info"]\n        info["pixelType"] = "i8"', True),
        ('kwargs["output_info"]["pixelType"] = self.definition.get("PixelType", "u1")', False),
        ('self.settings = {"pixelType": "UNKNOWN"}', False),
    ],
)
def test_pixel_types(code: str, wrong: bool, tmp_path: Path) -> None:
    text = changed(('kwargs["output_info"]["pixelType"] = "u1"', code))
    assert rules(judge(tmp_path, text)) == (["function/pixel-type"] if wrong else [])


@pytest.mark.parametrize(
    "change",
    [
        ('"fixedTileSize": 1,', '"fixedTileSize": self.definition.get("fixedTileSize", 0),'),
        ('"fixedTileSize": 1,', "**dict(fixedTileSize=1),"),
        ('            "tx": size,\n            "ty": size,\n            "fixedTileSize": 1,\n', ""),
        ('"pixelType"] = "u1"\n', '"pixelType"] = "f4"\n        return kwargs\n'),
    ],
)
def test_output_that_is_fine(change: tuple[str, str], tmp_path: Path) -> None:
    report = judge(tmp_path, changed(change))
    assert not report.findings, report.to_text()


@pytest.mark.parametrize(
    ("kept", "use", "wrong"),
    [
        ('scalars.get("threshold", 0.5)', "pixels > self.threshold", True),
        ('scalars["threshold"]', "self.threshold <= pixels", True),
        ('scalars.get("threshold", 0.5)', "pixels / self.threshold", True),
        ('scalars.get("threshold", 0.5)', "pixels > float(self.threshold)", False),
        ('float(scalars.get("threshold", 0.5))', "pixels > self.threshold", False),
        ('scalars.get("threshold", 0.5)', 'self.threshold == "high"', False),
    ],
)
def test_text_compared_in_updatepixels(kept: str, use: str, wrong: bool, tmp_path: Path) -> None:
    text = changed(
        ('float(str(scalars.get("threshold", 0.5)).replace(",", "."))', kept),
        ("pixels > self.threshold", use),
        ('        self.name = "B', '        self.threshold = 0.5\n        self.name = "B'),
    )
    assert ("arguments/not-converted" in rules(judge(tmp_path, text))) is wrong


def test_only_class_that_fits_is_judged(tmp_path: Path) -> None:
    text = changed(
        (
            "class Model:",
            "class Child:\n    def getParameterInfo(self, more):\n        return more\n"
            "\n    def updatePixels(self, a):\n        return a\n\n\nclass Other:",
        ),
        ('= "u1"', '= "u8"'),
    )
    assert rules(judge(tmp_path, text)) == ["function/class-name", "function/pixel-type"]
