"""Comparing a raster function with the model definition that it is to read."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import Any, Final

from schemas.emd.rules import Rule
from schemas.findings import Finding, Report, Severity
from schemas.positions import Positions, locate

from ..package.open import Package
from .classes import FunctionClass
from .collector import Collector
from .modules import Modules
from .names import Names, constant_text, subscript_key
from .parameters import Parameters
from .returns import local_nodes
from .source import Source

__all__ = ["RULES", "check_definition", "place_of", "placed"]

_W, _N = Severity.WARNING, Severity.NOTE
_EMD = "Esri/raster-deep-learning: writing_model_definition"

RULES: dict[str, Rule] = {
    "function/definition-key": Rule(
        _W, "Reading a key that the model definition lacks ends in a KeyError.", _EMD
    ),
    "function/definition-unread": Rule(
        _N, "The key has an effect only if the function reads it.", _EMD
    ),
    "function/bands-differ": Rule(
        _W, "The function asks for other bands than the model definition names.", _EMD
    ),
    "function/padding-too-large": Rule(
        _W, "With padding on both sides nothing is left of the tile.", _EMD
    ),
    "function/class-count": Rule(
        _N, "The number of classes in the code is not that of the model definition.", _EMD
    ),
}

# Keys that ArcGIS leaves to the function.
_FOR_FUNCTION: Final = (
    "ModelFile",
    "ExtractBands",
    "DataRange",
    "Padding",
    "Threshold",
    "BatchSize",
    "ModelPadding",
    "SupportsVariableTileSize",
)
_CLASS_COUNTS: Final = {"num_classes", "n_classes", "nclasses", "num_class", "numclasses"}


def check_definition(
    package: Package,
    function: FunctionClass,
    parameters: Parameters | None,
    modules: Modules,
    sources: list[Source],
) -> Report:
    """Compare keys, bands, sizes and classes of the definition with the function's text.

    Parameters
    ----------
    package : Package
        The open package.
    function : FunctionClass
        The function's class.
    parameters : Parameters or None
        What it declares, as far as that can be read.
    modules : Modules
        The package's modules.
    sources : list of Source
        The function's file first, then what it imports of the package.
    """
    findings = Collector(RULES)
    emd = package.emd
    _check_keys(emd, function, findings)
    if not _delegates(sources):
        _check_unread(package, modules, findings)
    _check_bands(emd, function, findings)
    if parameters is not None:
        _check_padding(emd, parameters, findings)
    _check_class_count(emd, function, findings)
    return findings.report()


def place_of(package: Package, pointer: str) -> tuple[str, int | None, int | None]:
    """Return file, line and column of a value in the model definition."""
    file = package.emd_path.name if package.emd_path else ""
    positions: Positions = locate(package.emd_text)
    line, column = positions.nearest(pointer)
    return file, line, column


def placed(finding: Finding, package: Package, pointer: str) -> Finding:
    """Return a finding with the place of a value in the model definition."""
    file, line, column = place_of(package, pointer)
    return replace(finding, file=file, pointer=pointer, line=line, column=column)


def _delegates(sources: list[Source]) -> bool:
    """Whether code outside of the package may read the definition."""
    for source in sources:
        full = set(Names(source).all())
        if any(name == "arcgis" or name.startswith("arcgis.") for name in full):
            return True
        if "import_module" in source.text or "__import__" in source.text:
            return True
    return False


# --- keys -----------------------------------------------------------------------------------


def _check_keys(emd: dict[str, Any], function: FunctionClass, findings: Collector) -> None:
    holders = _holders(function)
    for source, method in function.own():
        local = _local_holders(method)
        for part in local_nodes(method):
            if not isinstance(part, ast.Subscript) or not isinstance(part.ctx, ast.Load):
                continue
            key, owner = subscript_key(part), _owner(part.value)
            if key is None or key in emd or owner not in holders | local:
                continue
            if _asked_for(key, function) or _tried(source, part):
                continue
            findings.at(
                source,
                part,
                "function/definition-key",
                f"{method.name} reads the key {key!r}, which the model definition does not have",
                f"Add {key!r} to the .emd file, or read it with .get({key!r}, default).",
            )


def _owner(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return "." + node.attr if node.value.id == "self" else ""
    return node.id if isinstance(node, ast.Name) else ""


def _is_json(value: ast.expr) -> bool:
    return (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Attribute)
        and value.func.attr in ("load", "loads")
        and isinstance(value.func.value, ast.Name)
        and value.func.value.id == "json"
    )


def _holders(function: FunctionClass) -> set[str]:
    """Return attributes of the object that hold the definition and nothing else."""
    good: set[str] = set()
    bad: set[str] = set()
    method = function.methods.get("initialize")
    first = method.node if method is not None else None
    for _, node in function.own():
        for part in local_nodes(node):
            if isinstance(part, ast.Assign):
                for target in part.targets:
                    owner = _owner(target)
                    if owner.startswith("."):
                        plain = isinstance(part.value, (ast.Dict, ast.Constant))
                        if node is first and _is_json(part.value):
                            good.add(owner)
                        elif not plain:
                            bad.add(owner)
                    elif isinstance(target, ast.Subscript):
                        bad.add(_owner(target.value))  # gets keys of its own
    return good - bad


def _local_holders(method: ast.FunctionDef) -> set[str]:
    if method.name != "initialize":
        return set()
    good: set[str] = set()
    bad: set[str] = set()
    for part in local_nodes(method):
        if isinstance(part, ast.Assign):
            for target in part.targets:
                if isinstance(target, ast.Name):
                    (good if _is_json(part.value) else bad).add(target.id)
                elif isinstance(target, ast.Subscript):
                    bad.add(_owner(target.value))
    return good - bad


def _asked_for(key: str, function: FunctionClass) -> bool:
    """Whether any method looks first whether the key is there."""
    for _, node in function.own():
        for part in ast.walk(node):
            if isinstance(part, ast.Compare) and constant_text(part.left) == key:
                return True
            if (
                isinstance(part, ast.Call)
                and isinstance(part.func, ast.Attribute)
                and part.func.attr in ("get", "setdefault", "has_key")
                and part.args
                and constant_text(part.args[0]) == key
            ):
                return True
    return False


def _tried(source: Source, node: ast.AST) -> bool:
    return any(isinstance(above, ast.Try) for above in source.ancestors(node))


def _check_unread(package: Package, modules: Modules, findings: Collector) -> None:
    for key in _FOR_FUNCTION:
        value = package.emd.get(key)
        if value in (None, "", [], "N/A", False) or modules.mentions(key):
            continue
        if key == "ExtractBands" and modules.mentions("extractBands"):
            continue
        file, line, column = place_of(package, f"/{key}")
        findings.add(
            "function/definition-unread",
            f"nothing in the package reads {key}",
            "Read it in the function, or remove the key.",
            file,
            line,
            column,
            pointer=f"/{key}",
        )


# --- bands and classes ----------------------------------------------------------------------


def _check_bands(emd: dict[str, Any], function: FunctionClass, findings: Collector) -> None:
    bands = emd.get("ExtractBands")
    method = function.methods.get("getConfiguration")
    if not isinstance(bands, list) or method is None or method.node is None:
        return
    for part in local_nodes(method.node):
        if not isinstance(part, ast.Dict):
            continue
        for key, value in zip(part.keys, part.values):
            if constant_text(key) != "extractBands" or not isinstance(value, (ast.Tuple, ast.List)):
                continue
            asked = [e.value for e in value.elts if isinstance(e, ast.Constant)]
            if len(asked) == len(value.elts) and asked != bands:
                findings.at(
                    method.source,
                    value,
                    "function/bands-differ",
                    f"getConfiguration asks for the bands {asked}, the model definition names"
                    f" {bands}",
                    "Write tuple(self.json_info['ExtractBands']), or correct one of the two.",
                )


def _check_padding(emd: dict[str, Any], parameters: Parameters, findings: Collector) -> None:
    entry = parameters.named("padding")
    value = entry.get("value") if entry is not None else None
    sides = [emd.get("ImageHeight"), emd.get("ImageWidth")]
    numbers = [side for side in sides if type(side) is int]
    if entry is None or type(value) is not int or not numbers or not parameters.settled:
        return
    if 2 * value >= min(numbers):
        findings.at(
            parameters.source,
            entry.node,
            "function/padding-too-large",
            f"the default padding {value} on both sides leaves nothing of tiles of"
            f" {min(numbers)} pixels",
            "Choose a default below half of ImageHeight, such as a quarter of it.",
        )


def _check_class_count(emd: dict[str, Any], function: FunctionClass, findings: Collector) -> None:
    classes = emd.get("Classes")
    if not isinstance(classes, list) or not classes:
        return
    values = [entry.get("Value") for entry in classes if isinstance(entry, dict)]
    fitting = {len(classes), len(classes) + (0 not in values), len(classes) - (0 in values)}
    for source in function.sources:
        for node in ast.walk(source.tree):
            count = _count(node)
            if count is not None and count not in fitting | {1}:
                findings.at(
                    source,
                    node,
                    "function/class-count",
                    f"the code is made for {count} classes, the model definition has"
                    f" {len(classes)}",
                    "Take the number from the definition: len(self.json_info['Classes']).",
                )
                return


def _count(node: ast.AST) -> int | None:
    value: ast.expr | None = None
    if isinstance(node, ast.keyword) and node.arg in _CLASS_COUNTS:
        value = node.value
    elif isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
        name = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
        value = node.value if str(name).lower() in _CLASS_COUNTS else None
    if isinstance(value, ast.Constant) and type(value.value) is int:
        return value.value
    return None
