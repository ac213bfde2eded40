"""The packaged code runs in every ArcGIS Pro since 3.0: Python 3.9, numpy and torch only."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import model_extension

HOME = Path(model_extension.__file__).parent
FILES = sorted(HOME.rglob("*.py"))
ALLOWED = {"__future__", "numpy", "torch"}
# Of the standard library after Python 3.9.
LATER_MODULES = {"tomllib", "annotationlib", "compression"}
LATER_NAMES = {
    "typing": {
        "Concatenate", "LiteralString", "Never", "NotRequired", "ParamSpec", "Required", "Self",
        "TypeAlias", "TypeAliasType", "TypeGuard", "TypeIs", "TypeVarTuple", "Unpack",
        "assert_never", "assert_type", "override", "reveal_type",
    },
    "itertools": {"batched", "pairwise"},
    "types": {"EllipsisType", "NoneType", "NotImplementedType", "UnionType"},
    "enum": {"StrEnum", "member", "nonmember", "verify"},
    "contextlib": {"aclosing", "chdir"},
    "math": {"cbrt", "exp2", "fma", "sumprod"},
    "datetime": {"UTC"},
    "inspect": {"get_annotations"},
}  # fmt: skip
LATER_METHODS = {"add_note", "bit_count", "full_match"}
LATER_KEYWORDS = {"zip": {"strict"}, "dataclass": {"slots", "kw_only"}, "field": {"kw_only"}}


def faults(source: str) -> Iterator[str]:
    """What of a module Python 3.9 or an ArcGIS Pro does not have."""
    try:
        tree = ast.parse(source, feature_version=(3, 9))
    except SyntaxError as error:
        yield f"line {error.lineno}: {error.msg}"
        return
    futures = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module]
    code = [node for node in tree.body if not isinstance(node, ast.Expr)]
    if code and not any(
        n.module == "__future__" and n.names[0].name == "annotations" for n in futures
    ):
        yield "annotations are evaluated"
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            modules = [node.module]
            late = LATER_NAMES.get(node.module, set())
            for alias in node.names:
                if alias.name in late:
                    yield f"line {line}: {node.module}.{alias.name} is younger than Python 3.9"
        for module in modules:
            top = module.split(".")[0]
            if top not in ALLOWED and top not in sys.stdlib_module_names:
                yield f"line {line}: imports {module}"
            if module in LATER_MODULES:
                yield f"line {line}: {module} is younger than Python 3.9"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            late = LATER_KEYWORDS.get(node.func.id, set())
            for keyword in node.keywords:
                if keyword.arg in late:
                    yield f"line {line}: {node.func.id}({keyword.arg}=…) is younger"
            if node.func.id in ("isinstance", "issubclass", "Union", "cast"):
                for argument in node.args:
                    if isinstance(argument, ast.BinOp) and isinstance(argument.op, ast.BitOr):
                        yield f"line {line}: X | Y at run time"
        if isinstance(node, ast.Attribute):
            base = node.value.id if isinstance(node.value, ast.Name) else ""
            if node.attr in LATER_METHODS or node.attr in LATER_NAMES.get(base, set()):
                yield f"line {line}: .{node.attr} is younger than Python 3.9"
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp):
            sides = (node.value.left, node.value.right)
            if isinstance(node.value.op, ast.BitOr) and any(
                isinstance(side, ast.Constant) and side.value is None for side in sides
            ):
                yield f"line {line}: X | None at run time"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(HOME).as_posix())
def test_runs_in_old_releases(path: Path) -> None:
    found = list(faults(path.read_text(encoding="utf-8")))
    if path.parent.name == "pixelwise":  # for ONNX files only, and a missing one is explained
        found = [fault for fault in found if not fault.endswith("imports onnxruntime")]
    assert found == []
    assert len(path.read_text(encoding="utf-8").splitlines()) < 400


def test_all_files_are_looked_at() -> None:
    names = {path.name for path in FILES}
    assert {"CLIPSegClassifier.py", "network.py", "tokenizer.py", "safetensors.py"} <= names


HEAD = "from __future__ import annotations\n"


@pytest.mark.parametrize(
    "source",
    [
        "x = 1",
        HEAD + "match 1:\n    case 1: pass",
        HEAD + "try: pass\nexcept* ValueError: pass",
        HEAD + "def f():\n    import transformers",
        HEAD + "from scipy.ndimage import zoom",
        HEAD + "import arcpy",
        HEAD + "import tomllib",
        HEAD + "from typing import Self",
        HEAD + "import itertools\nitertools.pairwise([])",
        HEAD + "zip([], [], strict=True)",
        HEAD + "@dataclass(frozen=True, slots=True)\nclass A: ...",
        HEAD + "isinstance(1, int | str)",
        HEAD + "Text = str | None",
        HEAD + "type A = int",
    ],
)  # fmt: skip
def test_faults_are_found(source: str) -> None:
    assert list(faults(source))


def test_what_is_allowed_is_allowed() -> None:
    source = HEAD + (
        "import sys, torch\nimport torch.nn.functional as F\nfrom . import x\n"
        "def f(a: int | None) -> list[str]: return sys.modules.get('arcpy')\n"
        "FLAGS = 1 | 2\n"
    )
    assert list(faults(source)) == []
