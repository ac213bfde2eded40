"""Judging whether a package's code suits the Python, torch and numpy of each ArcGIS Pro."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from schemas.emd.rules import Rule
from schemas.findings import Report, Severity

from .collector import Collector
from .environments import PRO, VERSIONS, listed_versions, older_python
from .modules import guards
from .names import Names
from .source import Source, unreadable_before

__all__ = ["RULES", "check_versions"]

_W = Severity.WARNING
_NEWS = "What's New in Python; Python 3.9 in ArcGIS Pro 3.0 to 3.13 in 3.7"

RULES: dict[str, Rule] = {
    "versions/python": Rule(_W, "Some ArcGIS Pro have a Python too old for the file.", _NEWS),
    "versions/library-call": Rule(
        _W,
        "The library of some ArcGIS Pro does not have the function yet.",
        "release notes of torch and torchvision; Esri/deep-learning-frameworks",
    ),
    "versions/numpy-name": Rule(
        _W,
        "Newer ArcGIS Pro have a numpy that no longer has the name.",
        "release notes of numpy 1.24 and 2.0; numpy 2.1 is the first for Python 3.13",
    ),
    "versions/numpy-copy": Rule(
        _W,
        "From numpy 2 on, copy=False raises ValueError where a copy is needed.",
        "numpy 2.0 migration guide; numpy 2.1 is the first for Python 3.13",
    ),
}

_CALLS: Final[dict[str, tuple[int, ...]]] = {
    "torch.nn.functional.scaled_dot_product_attention": (2, 0),
    "torch.compile": (2, 0),
    "torch.set_default_device": (2, 0),
    "torch.func.vmap": (2, 0),
    "torch.inference_mode": (1, 9),
    "torch.autocast": (1, 10),
    "torch.frombuffer": (1, 10),
    "torch.asarray": (1, 11),
    "torch.set_float32_matmul_precision": (1, 12),
    "torch.nn.RMSNorm": (2, 4),
    "torch.nn.attention.sdpa_kernel": (2, 3),
    "torch.amp.GradScaler": (2, 3),
    "torch.get_default_device": (2, 3),
    "torchvision.models.get_model": (0, 14),
    "torchvision.models.get_weight": (0, 13),
}
# numpy.bool and numpy.long, gone at the same time, came back in 2.0.
_NUMPY_1_24: Final = {"float", "int", "object", "str", "complex", "unicode"}
_NUMPY_2: Final = {
    "NaN": "nan",
    "Inf": "inf",
    "Infinity": "inf",
    "infty": "inf",
    "PINF": "inf",
    "float_": "float64",
    "complex_": "complex128",
    "unicode_": "str_",
    "string_": "bytes_",
    "product": "prod",
    "cumproduct": "cumprod",
    "alltrue": "all",
    "sometrue": "any",
    "round_": "round",
    "cast": "asarray",
    "asfarray": "asarray",
    "mat": "asmatrix",
}
# Words of conditions that ask for what is there.
_ASKS: Final = ("hasattr", "version", "getattr")


def check_versions(sources: list[Source]) -> Report:
    """Find code that some ArcGIS Pro of 3.0 to 3.7 cannot run.

    Parameters
    ----------
    sources : list of Source
        The function's file first, then what it imports of the package.
    """
    findings = Collector(RULES)
    judged: set[str] = set()
    for source in sources:
        _check_python(source, findings)
        _check_calls(source, judged, findings)
    return findings.report()


def _check_python(source: Source, findings: Collector) -> None:
    remedy = "Write it so that Python 3.9 runs it, or say which ArcGIS Pro is needed."
    found = unreadable_before(source)
    if found is not None:
        version, problem = found
        findings.add(
            "versions/python",
            f"the file needs Python {version[0]}.{version[1]} ({problem.message});"
            f" {listed_versions(older_python(version))} have an older one",
            remedy,
            source.name,
            problem.line,
            problem.column,
        )
        return
    for node, what in _features(source):
        findings.at(
            source,
            node,
            "versions/python",
            f"{what} needs Python 3.10; {listed_versions(older_python((3, 10)))} have an older one",
            remedy,
        )
        return


def _features(source: Source) -> Iterator[tuple[ast.AST, str]]:
    """Find what Python 3.9 reads and fails to run."""
    future = any(
        isinstance(node, ast.ImportFrom)
        and node.module == "__future__"
        and any(alias.name == "annotations" for alias in node.names)
        for node in source.tree.body
    )
    for node in ast.walk(source.tree):
        annotations: list[ast.expr | None] = []
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            annotations = [node.returns]
        elif isinstance(node, ast.arg) or (
            isinstance(node, ast.AnnAssign) and source.function_of(node) is None
        ):
            annotations = [node.annotation]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            names = {keyword.arg for keyword in node.keywords}
            if node.func.id == "zip" and "strict" in names:
                yield node, "zip(strict=…)"
            elif node.func.id == "dataclass" and names & {"slots", "kw_only"}:
                yield node, "dataclass(slots=…, kw_only=…)"
        if not future:
            for annotation in annotations:
                if annotation is not None and _is_union(annotation):
                    yield annotation, "a type written A | B"


def _is_union(annotation: ast.expr) -> bool:
    return any(
        isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr)
        for node in ast.walk(annotation)
    )


def _check_calls(source: Source, judged: set[str], findings: Collector) -> None:
    names = Names(source)
    for node in ast.walk(source.tree):
        if isinstance(node, (ast.Attribute, ast.Name)) and isinstance(node.ctx, ast.Load):
            full = names.full(node)
            if full and full not in judged and _judge(source, node, full, findings):
                judged.add(full)
        elif isinstance(node, ast.Call) and names.full(node.func) == "numpy.array":
            for keyword in node.keywords:
                value = keyword.value
                if keyword.arg == "copy" and isinstance(value, ast.Constant) and not value.value:
                    findings.at(
                        source,
                        node,
                        "versions/numpy-copy",
                        "np.array(…, copy=False) raises ValueError with numpy 2, which"
                        f" {listed_versions(PRO[6:])} have, where the values have to be copied",
                        "Write np.asarray(…).",
                    )


def _judge(source: Source, node: ast.expr, full: str, findings: Collector) -> bool:
    library, _, rest = full.partition(".")
    if library == "numpy" and rest in _NUMPY_1_24 | set(_NUMPY_2) and not _asked(source, node):
        old = rest in _NUMPY_1_24
        new = rest if old else "np." + _NUMPY_2[rest]
        gone, have = (
            ("1.24", listed_versions(PRO[6:]) + " and perhaps earlier ones")
            if old
            else ("2.0", listed_versions(PRO[6:]))
        )
        findings.at(
            source,
            node,
            "versions/numpy-name",
            f"np.{rest} is gone since numpy {gone}; {have} have a newer one",
            f"Write {new}.",
        )
        return True
    if full in _CALLS and library in VERSIONS and not _asked(source, node):
        releases = [pro for pro in PRO if VERSIONS[library][pro] < _CALLS[full]]
        if releases:
            needed = ".".join(map(str, _CALLS[full]))
            findings.at(
                source,
                node,
                "versions/library-call",
                f"{full} came with {library} {needed}; {listed_versions(releases)} have an older"
                " one",
                "Ask with hasattr whether it is there and do without it otherwise, or say which"
                " ArcGIS Pro is needed.",
            )
            return True
    return False


def _asked(source: Source, node: ast.AST) -> bool:
    """Whether the code around a node looks first whether it is there."""
    if guards(source, node):
        return True
    for above in source.ancestors(node):
        if isinstance(above, (ast.If, ast.IfExp)):
            test = ast.unparse(above.test).lower()
            if any(word in test for word in _ASKS):
                return True
        elif isinstance(above, ast.Try) and any(
            "AttributeError" in ast.unparse(handler.type) if handler.type else True
            for handler in above.handlers
        ):
            return True
    return False
