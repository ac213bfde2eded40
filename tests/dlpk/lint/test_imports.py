"""What is imported, against what each ArcGIS Pro has."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dlpk.lint.environments import (
    BASE,
    PRO,
    PYTHON,
    SHIPPED,
    VERSIONS,
    lacking,
    listed_versions,
    older_python,
    standard_library,
)
from tests.support.functions_text import CLEAN, changed, judge, rules


def after_imports(code: str) -> str:
    return changed(("import numpy as np\n", "import numpy as np\n" + code))


def found(folder: Path, code: str, **options: object) -> list[str]:
    report = judge(folder, after_imports(code), **options)  # type: ignore[arg-type]
    return [rule for rule in rules(report) if rule.startswith(("imports/", "versions/"))]


@pytest.mark.parametrize(
    ("module", "releases"),
    [
        ("torch", ()),
        ("json", ()),
        ("numpy", ()),
        ("arcgis", ()),
        ("timm", ("3.0", "3.1")),
        ("safetensors", ("3.0", "3.1", "3.2")),
        ("tensorflow", ("3.6", "3.7")),
        ("open_clip", ("3.0", "3.1", "3.2", "3.3", "3.4", "3.5")),
        ("distutils", ("3.6", "3.7")),
        ("telnetlib", ("3.6", "3.7")),
        ("tomllib", ("3.0", "3.1", "3.2")),
        ("ftfy", PRO),
    ],
)
def test_releases_without_a_module(module: str, releases: tuple[str, ...]) -> None:
    assert lacking(module) == releases


def test_tables_name_known_releases_only() -> None:
    assert set(PYTHON) == set(PRO)
    for versions in VERSIONS.values():
        assert set(versions) == set(PRO)
        assert list(versions.values()) == sorted(versions.values())
    for first, last in SHIPPED.values():
        assert PRO.index(first) <= PRO.index(last)
    assert not BASE & set(SHIPPED)
    assert not any(standard_library(module) for module in {*BASE, *SHIPPED} - {"parser", "symbol"})


@pytest.mark.parametrize(
    ("releases", "text"),
    [
        (("3.0",), "ArcGIS Pro 3.0"),
        (("3.0", "3.1", "3.2"), "ArcGIS Pro 3.0 to 3.2"),
        (("3.6", "3.7"), "ArcGIS Pro 3.6 and later"),
        (("3.7",), "ArcGIS Pro 3.7"),
        (("3.0", "3.3", "3.4", "3.7"), "ArcGIS Pro 3.0, 3.3 to 3.4, 3.7"),
        (PRO, "ArcGIS Pro 3.0 to 3.7"),
    ],
)
def test_releases_in_words(releases: tuple[str, ...], text: str) -> None:
    assert listed_versions(releases) == text


def test_older_python() -> None:
    assert older_python((3, 10)) == ("3.0", "3.1", "3.2")
    assert older_python((3, 9)) == ()


def test_every_module_of_this_python_is_standard() -> None:
    assert all(standard_library(name) for name in getattr(sys, "stdlib_module_names", ()))


@pytest.mark.parametrize(
    "code",
    [
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import nowhere\n",
        "if __name__ == '__main__':\n    import nowhere\n",
        "from __future__ import annotations\n",
        "import xml.etree.ElementTree as tree\n",
        "import PIL.Image, cv2, skimage, sklearn.cluster\n",
        "import osgeo.gdal\n",
    ],
)
def test_nothing_is_said_of_what_is_there_or_never_runs(code: str, tmp_path: Path) -> None:
    text = CLEAN if "__future__" in code else after_imports(code)
    report = judge(tmp_path, code + text if text is CLEAN else text)
    assert [rule for rule in rules(report) if rule.startswith("imports/")] == []


@pytest.mark.parametrize(
    "code",
    [
        "try:\n    import nowhere\nexcept ImportError:\n    nowhere = None\n",
        "try:\n    import nowhere\nexcept (OSError, ModuleNotFoundError):\n    nowhere = None\n",
        "try:\n    import nowhere\nexcept Exception:\n    nowhere = None\n",
        "try:\n    import nowhere\nexcept:\n    nowhere = None\n",
        "try:\n    import json as fast\nexcept ImportError:\n    import nowhere as fast\n",
        "import sys\nif sys.version_info < (3, 8):\n    import nowhere\n",
    ],
)
def test_what_may_be_missing_is_a_note(code: str, tmp_path: Path) -> None:
    assert found(tmp_path, code) == ["imports/optional"]


def test_import_that_is_caught_and_raised_again_is_not_optional(tmp_path: Path) -> None:
    code = "try:\n    import nowhere\nexcept ImportError:\n    raise RuntimeError('no nowhere')\n"
    assert found(tmp_path, code) == ["imports/not-shipped"]


def test_import_in_a_method_counts(tmp_path: Path) -> None:
    text = changed(("        model = kwargs", "        import nowhere\n\n        model = kwargs"))
    assert rules(judge(tmp_path, text)) == ["imports/not-shipped"]


@pytest.mark.parametrize(
    "files",
    [
        {"nowhere.py": "x = 1\n"},
        {"nowhere/__init__.py": ""},
        {"nowhere/part.py": ""},
        {"libs/nowhere/__init__.py": ""},
        {"vendor/deep/nowhere.py": ""},
        {"nowhere.cp311-win_amd64.pyd": ""},
        {"nowhere/native.so": ""},
    ],
)
def test_module_in_the_package_is_there(files: dict[str, str], tmp_path: Path) -> None:
    code = "import sys\n\nsys.path[:0] = ['x']\nimport nowhere.part\n"
    assert found(tmp_path, code, files=files) == []


def test_archive_in_the_package_may_bring_it(tmp_path: Path) -> None:
    files = {"libs/things-1.0-py3-none-any.whl": b"PK"}
    assert found(tmp_path, "import nowhere\n", files=files) == ["imports/optional"]


def test_modules_of_the_package_are_judged_as_well(tmp_path: Path) -> None:
    files = {
        "own/__init__.py": "from . import network\n",
        "own/network.py": "import nowhere\n\n\ndef f():\n    import elsewhere\n",
    }
    report = judge(tmp_path, after_imports("from .own import network\n"), files=files)
    (finding,) = report.findings
    assert (finding.rule, finding.file, finding.line) == (
        "imports/not-shipped",
        "own/network.py",
        1,
    )
    assert "'nowhere'" in finding.message


def test_a_module_is_reported_once(tmp_path: Path) -> None:
    report = judge(tmp_path, after_imports("import nowhere\nimport nowhere.x\nimport nowhere\n"))
    assert len(report) == 1


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("from transformers import CLIPSegProcessor\n", "3.0 to 3.2"),
        ("import transformers.models.clipseg.modeling_clipseg\n", "3.0 to 3.2"),
        ("from transformers.models import sam\n", "3.0 to 3.2"),
        ("from transformers import SamModel\n", "3.0 to 3.2"),
        ("from transformers import Sam2Model\n", "3.0 to 3.7"),
        ("from transformers import GroundingDinoModel\n", "3.0 to 3.3"),
        ("from torchvision.transforms import v2\n", "3.0 to 3.2"),
    ],
)
def test_newer_parts_of_libraries(code: str, words: str, tmp_path: Path) -> None:
    (finding,) = judge(tmp_path, after_imports(code)).findings
    assert finding.rule == "imports/newer-library"
    assert f"ArcGIS Pro {words} have" in finding.message


def test_old_parts_of_libraries_are_fine(tmp_path: Path) -> None:
    code = "from transformers import AutoTokenizer, BertModel, ViTModel\nimport torch.nn as nn\n"
    assert found(tmp_path, code) == []


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("import torch\n\ncompiled = torch.compile\n", "versions/library-call"),
        ("from torch import inference_mode\n\nmode = inference_mode()\n", "versions/library-call"),
        ("import torch as t\n\nmode = t.inference_mode()\n", "versions/library-call"),
        ("A = np.int(1)\n", "versions/numpy-name"),
        ("A = np.NaN\n", "versions/numpy-name"),
        ("A = np.array([1], copy=False)\n", "versions/numpy-copy"),
        ("A = list(zip([], [], strict=True))\n", "versions/python"),
    ],
)
def test_calls_of_other_versions(code: str, rule: str, tmp_path: Path) -> None:
    assert found(tmp_path, code) == [rule]


@pytest.mark.parametrize(
    "code",
    [
        "import torch\n\nif hasattr(torch, 'compile'):\n    compiled = torch.compile\n",
        "import torch\n\nM = torch.inference_mode if hasattr(torch, 'inference_mode') else None\n",
        "import torch\n\ntry:\n    M = torch.compile\nexcept AttributeError:\n    M = None\n",
        "import torch\n\nif torch.__version__ >= '2':\n    compiled = torch.compile\n",
        "import torch\n\nM = getattr(torch, 'compile', None)\n",
        "A = np.float32(1) + np.int64(2) + np.asarray([1]).astype('f4', copy=False)\n",
        "A = np.array([1], copy=True)\n",
        "class torch2:\n    compile = None\n\n\nA = torch2.compile\n",
    ],
)
def test_code_that_looks_first_is_fine(code: str, tmp_path: Path) -> None:
    assert found(tmp_path, code) == []


def test_new_annotations_are_fine_where_they_are_not_evaluated(tmp_path: Path) -> None:
    text = "from __future__ import annotations\n\n" + changed(
        ("def getParameterInfo(self):", "def getParameterInfo(self) -> list | None:")
    )
    assert not judge(tmp_path, text).findings
