"""Judging a package's raster function by its text, without running it."""

from __future__ import annotations

import ast
from pathlib import Path

from schemas.emd_rules import Rule
from schemas.findings import Finding, Report, Severity

from .container import Package, resolve
from .errors import BuiltInFunctionError, PackageError

_CALLS = "order of calls of Python raster functions (Esri, Reference.py)"
RULES: dict[str, Rule] = {
    "function/missing": Rule(
        Severity.ERROR, "ArcGIS imports the file that InferenceFunction names.", _CALLS
    ),
    "function/built-in": Rule(
        Severity.NOTE, "The function belongs to the ArcGIS installation.", _CALLS
    ),
    "function/syntax": Rule(
        Severity.ERROR, "A file that is not Python cannot be imported.", _CALLS
    ),
    "function/class-name": Rule(
        Severity.ERROR, "The class to instantiate is named like the file.", _CALLS
    ),
    "function/method-missing": Rule(
        Severity.ERROR, "ArcGIS calls the method and finds none.", _CALLS
    ),
}
REQUIRED_METHODS = ("initialize", "getParameterInfo", "getConfiguration", "updatePixels")


def check_function(package: Package) -> Report:
    """Find the raster function and look at its class.

    Parameters
    ----------
    package : Package

    Returns
    -------
    Report
        Nothing if the model definition names no function: that is judged with the definition.
    """
    reference = package.emd.get("InferenceFunction")
    if not isinstance(reference, str) or not reference.strip():
        return Report()
    try:
        path = resolve(package, reference)
    except BuiltInFunctionError as error:
        return _report("function/built-in", str(error), "Run it in ArcGIS.", reference)
    except PackageError as error:
        remedy = "Put the file into the package or correct InferenceFunction."
        return _report("function/missing", str(error), remedy, reference)
    if path.suffix.lower() != ".py":
        return Report()
    try:
        tree = ast.parse(path.read_bytes(), filename=path.name)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        column = getattr(error, "offset", None)
        message = f"the file is not valid Python: {getattr(error, 'msg', error)}"
        remedy = "Correct the syntax; ArcGIS Pro 3.0 to 3.7 run Python 3.9 to 3.13."
        return _report("function/syntax", message, remedy, path.name, line, column)
    return _check_class(tree, path)


def _check_class(tree: ast.Module, path: Path) -> Report:
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    bound = {alias.asname or alias.name for alias in _imports(tree)} | _assigned(tree)
    if path.stem not in classes:
        if path.stem in bound:  # made elsewhere: nothing to see without running it
            return Report()
        names = ", ".join(classes) or "none"
        return _report(
            "function/class-name",
            f"there is no class {path.stem!r} in {path.name} (classes there: {names})",
            f"Name the class {path.stem!r}, or the file after the class.",
            path.name,
        )
    node = classes[path.stem]
    if node.bases:  # methods may be inherited from a class that cannot be seen here
        return Report()
    methods = {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
    methods |= _assigned(node)
    missing = [name for name in REQUIRED_METHODS if name not in methods]
    return Report.of(
        Finding(
            RULES["function/method-missing"].severity,
            "function/method-missing",
            f"class {path.stem} has no method {name}",
            f"Define {name}: ArcGIS calls it when the tool runs.",
            file=path.name,
            line=node.lineno,
            column=node.col_offset + 1,
        )
        for name in missing
    )


def _imports(tree: ast.Module) -> list[ast.alias]:
    nodes = (node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom)))
    return [alias for node in nodes for alias in node.names]


def _assigned(tree: ast.Module | ast.ClassDef) -> set[str]:
    targets = (
        target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets
    )
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _report(
    rule: str,
    message: str,
    remedy: str,
    file: str,
    line: int | None = None,
    column: int | None = None,
) -> Report:
    finding = Finding(
        RULES[rule].severity, rule, message, remedy, file=file, line=line, column=column
    )
    return Report.of([finding])
