"""What is imported and called, against what each ArcGIS Pro has."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlpk.lint.releases import (
    BASE,
    PRO,
    SHIPPED,
    VERSIONS,
    is_standard,
    lacking,
    older,
    version,
    written,
)
from tests.support.functions_text import changed, judge, rules


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
        ("arcgis", ()),
        ("timm", ("3.0", "3.1")),
        ("tensorflow", ("3.6", "3.7")),
        ("distutils", ("3.6", "3.7")),
        ("tomllib", ("3.0", "3.1", "3.2")),
        ("ftfy", PRO),
    ],
)
def test_releases_without_a_module(module: str, releases: tuple[str, ...]) -> None:
    assert lacking(module) == releases


def test_tables_agree() -> None:
    for versions in VERSIONS.values():
        assert tuple(versions) == PRO
        numbers = [version(text) for text in versions.values()]
        assert numbers == sorted(numbers)
    for first, last in SHIPPED.values():
        assert PRO.index(first) <= PRO.index(last)
    assert not BASE & set(SHIPPED)
    assert not any(is_standard(module) for module in {*BASE, *SHIPPED})
    assert older("python", "3.10") == ("3.0", "3.1", "3.2")


def test_releases_in_words() -> None:
    assert written(("3.0", "3.3", "3.4", "3.7")) == "ArcGIS Pro 3.0, 3.3 to 3.4, 3.7"
    assert written(("3.6", "3.7")) == "ArcGIS Pro 3.6 and later"
    assert written(PRO) == "ArcGIS Pro 3.0 to 3.7"


@pytest.mark.parametrize(
    "code",
    [
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import nowhere\n",
        "if __name__ == '__main__':\n    import nowhere\n",
        "import PIL.Image, cv2, skimage, sklearn.cluster, osgeo.gdal\n",
        "try:\n    import nowhere\nexcept ImportError:\n    nowhere = None\n",
        "try:\n    import nowhere\nexcept (OSError, ModuleNotFoundError):\n    nowhere = None\n",
        "try:\n    import json as fast\nexcept ImportError:\n    import nowhere as fast\n",
        "try:\n    import nowhere\nexcept ImportError:\n    pass\nelse:\n    import nowhere.x\n",
        "import sys\nif sys.version_info < (3, 8):\n    import nowhere\n",
        "from transformers import AutoTokenizer, BertModel, ViTModel\nimport torch.nn as nn\n",
        "import torch\n\nif hasattr(torch, 'compile'):\n    compiled = torch.compile\n",
        "import torch\n\nM = torch.inference_mode if hasattr(torch, 'inference_mode') else None\n",
        "import torch\n\ntry:\n    M = torch.compile\nexcept AttributeError:\n    M = None\n",
        "import torch\n\nM = getattr(torch, 'compile', None)\n",
        "A = np.float32(1) + np.int64(2) + np.asarray([1]).astype('f4', copy=False)\n",
    ],
)
def test_nothing_is_said_of_what_is_there_or_may_be_missing(code: str, tmp_path: Path) -> None:
    assert found(tmp_path, code) == []


@pytest.mark.parametrize(
    "files",
    [
        {"nowhere.py": "x = 1\n"},
        {"nowhere/part.py": ""},
        {"vendor/deep/nowhere.py": ""},
        {"nowhere.cp311-win_amd64.pyd": ""},
        {"libs/things-1.0-py3-none-any.whl": b"PK"},
    ],
)
def test_module_in_the_package_is_there(files: dict[str, str], tmp_path: Path) -> None:
    code = "import sys\n\nsys.path[:0] = ['x']\nimport nowhere.part\n"
    assert found(tmp_path, code, files=files) == []


def test_what_a_caught_import_leads_to_may_be_missing(tmp_path: Path) -> None:
    code = "try:\n    from .own import network\nexcept ImportError:\n    network = None\n"
    assert found(tmp_path, code, files={"own/network.py": "import nowhere\n"}) == []


def test_modules_of_the_package_are_judged_as_well(tmp_path: Path) -> None:
    files = {
        "own/__init__.py": "from . import network\n",
        "own/network.py": "import nowhere\n\n\ndef f():\n    import elsewhere\n",
    }
    report = judge(tmp_path, after_imports("from .own import network\n"), files={**files})
    (finding,) = report.findings
    assert (finding.rule, finding.file, finding.line) == (
        "imports/not-shipped",
        "own/network.py",
        1,
    )
    assert "'nowhere'" in finding.message


@pytest.mark.parametrize(
    ("code", "whole"),
    [
        ("self.net = torch.load(self.limits)\nself.net.eval()", True),
        ("net = torch.load(self.limits, map_location='cpu').to('cpu')", True),
        ("net = torch.load(self.limits)\nself.answer = net(pixels)", True),
        ("net = torch.load(self.limits, weights_only=False)\nnet.eval()", False),
        ("self.net.load_state_dict(torch.load(self.limits))", False),
        ("state = torch.load(self.limits)\nself.net.load_state_dict(state['model'])", False),
        ("net = torch.jit.load(self.limits)\nnet.eval()", False),
    ],
)
def test_whole_models_need_another_way_from_torch_2_6_on(
    code: str, whole: bool, tmp_path: Path
) -> None:
    lines = "".join(f"        {line}\n" for line in code.splitlines())
    text = changed(
        ("import numpy as np\n", "import numpy as np\nimport torch\n"),
        ("        classes = ", lines + "        classes = "),
    )
    assert ("versions/torch-load" in rules(judge(tmp_path, text))) is whole
